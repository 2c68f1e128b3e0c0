import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

import httpx2
import psutil
import pytest

from orkesta.failpoints import Failpoint
from tests.chaos.checker import faults_in
from tests.chaos.history import Acknowledged, History
from tests.production.cluster import SEND, kill, wait_for_worker, wait_until
from tests.production.shop import Shop

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
]

LONG = pytest.mark.long
#: A worker that looks at its tasks so seldom that a write of its own comes first.
SELDOM = {
    "ORCHESTRATOR_LEASE_SECONDS": "180",
    "ORCHESTRATOR_LEASE_RENEW_SECONDS": "60",
    "ORCHESTRATOR_WORKER_SLEEP_SECONDS": "60",
}


BUSY = (
    "SELECT 1 FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


def armed(failpoint: str) -> dict[str, str]:
    return {"ORKESTA_FAILPOINT": failpoint, "ORCHESTRATOR_DEBUG_FAILPOINTS": "true"}


@contextmanager
def others_at_rest(shop: Shop) -> Iterator[None]:
    """The shop's workers stand still, and none in the middle of a transaction: nobody gets past the
    locks of one that is not there to let go of them.
    """
    rested = list(shop.cluster.workers)
    try:
        while True:
            for child in rested:
                kill(child, signal.SIGSTOP)
            if not shop.cluster.rows(BUSY):
                break
            for child in rested:
                kill(child, signal.SIGCONT)
            sleep(0.05)
        yield
    finally:
        for child in rested:
            kill(child, signal.SIGCONT)


def end_leases(shop: Shop) -> None:
    """Nobody need wait for it."""
    shop.cluster.execute("UPDATE conversations_task SET lease_until = now() - interval '1 second'")


def check(shop: Shop, text: str, sent: dict[str, str]) -> None:
    """Everything that was promised holds; nothing else is in the database."""
    told = Acknowledged(text, sent["task_id"], sent["session_id"])
    assert faults_in(History([told]), shop.cluster.rows) == []


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(Failpoint.TASK_CLAIMED, marks=LONG),
        pytest.param(Failpoint.TEXT_SENT, marks=LONG),
        pytest.param(Failpoint.MODEL_ANSWERED, marks=LONG),
        Failpoint.STEP_WRITTEN,
        pytest.param(Failpoint.STEP_COMMITTED, marks=LONG),
    ],
)
def test_a_task_survives_its_worker_wherever_that_dies(empty_shop: Shop, place: Failpoint) -> None:
    shop, text = empty_shop, f"muere en {place} [fall] [drip:0.02] #1"
    with others_at_rest(shop):
        doomed = shop.cluster.start_worker(**armed(f"{place}:1"))
        wait_for_worker(doomed)
        sent = shop.uvicorn.send(text)
        assert doomed.process.wait(10) == -signal.SIGKILL
        end_leases(shop)
    shop.uvicorn.wait_for(sent["task_id"], "completed")
    check(shop, text, sent)


@pytest.mark.parametrize(
    "place", [pytest.param(Failpoint.TASK_WRITTEN, marks=LONG), Failpoint.TASK_COMMITTED]
)
def test_who_gets_no_answer_asks_again_and_is_not_served_twice(
    empty_shop: Shop, place: Failpoint
) -> None:
    shop, text = empty_shop, f"muere en {place} #1"
    doomed = shop.cluster.web(**armed(f"{place}:1"))
    with pytest.raises(httpx2.RemoteProtocolError):
        doomed.call("POST", SEND, {"message": text}, **{"Idempotency-Key": place})
    assert doomed.child.process.wait(10) == -signal.SIGKILL
    answer = shop.uvicorn.call("POST", SEND, {"message": text}, **{"Idempotency-Key": place})
    assert answer.status_code == 202
    shop.uvicorn.wait_for(answer.json()["task_id"], "completed")
    check(shop, text, answer.json())


@LONG
def test_a_cancelled_task_ends_cancelled_though_its_worker_dies_of_it(empty_shop: Shop) -> None:
    shop, text = empty_shop, "cuelga [hang] #1"
    with others_at_rest(shop):
        doomed = shop.cluster.start_worker(**armed(f"{Failpoint.CANCEL_HEARD}:1"))
        wait_for_worker(doomed)
        before = shop.upstream.answers[text]
        task_id = shop.uvicorn.send(text)["task_id"]
        wait_until(lambda: shop.upstream.answers[text] > before, bool, 5)
        shop.uvicorn.call("POST", f"/api/v1/tasks/{task_id}/cancel")
        assert doomed.process.wait(10) == -signal.SIGKILL
        end_leases(shop)
    shop.uvicorn.wait_for(task_id, "cancelled")
    endings = shop.cluster.rows(
        "SELECT data->>'status' FROM conversations_event WHERE type = 'task.status_changed'"
        " AND data->>'status' IN ('completed', 'failed', 'cancelled')"
    )
    assert endings == [("cancelled",)]


def test_a_worker_that_stood_still_too_long_writes_nothing(empty_shop: Shop) -> None:
    shop, text = empty_shop, "se duerme #1"
    with others_at_rest(shop):
        # It waits for the worker, whose first look finds it: a wake-up might go to one at rest.
        sent = shop.uvicorn.send(text)
        sleeper = shop.cluster.start_worker(**armed(f"{Failpoint.MODEL_ANSWERED}:1:stop"), **SELDOM)
        wait_for_worker(sleeper)
        process = psutil.Process(sleeper.process.pid)
        wait_until(process.status, lambda status: status == psutil.STATUS_STOPPED, 20)
        end_leases(shop)
    shop.uvicorn.wait_for(sent["task_id"], "completed")
    process.resume()
    wait_until(sleeper.log.read_text, lambda log: "of attempt 1 was fenced" in log, 10)
    check(shop, text, sent)
    kill(sleeper)
