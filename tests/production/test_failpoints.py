import signal
from concurrent.futures import ThreadPoolExecutor

import httpx2
import psutil
import pytest

from orkesta.failpoints import Failpoint
from tests.production.cluster import SEND, kill, wait_for_worker, wait_until
from tests.production.dying import (
    armed,
    check,
    doomed_worker,
    end_leases,
    others_at_rest,
    see_it_die,
)
from tests.production.shop import Shop
from tests.production.test_streams import follow, text_of
from tests.production.upstream import answer_to

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
        doomed = doomed_worker(shop, f"{place}:1")
        sent = shop.uvicorn.send(text)
        see_it_die(doomed)
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
    assert doomed.child.process.wait(60) == -signal.SIGKILL
    answer = shop.uvicorn.call("POST", SEND, {"message": text}, **{"Idempotency-Key": place})
    assert answer.status_code == 202
    shop.uvicorn.wait_for(answer.json()["task_id"], "completed")
    check(shop, text, answer.json())


@LONG
def test_a_cancelled_task_ends_cancelled_though_its_worker_dies_of_it(empty_shop: Shop) -> None:
    shop, text = empty_shop, "cuelga [hang] #1"
    with others_at_rest(shop):
        doomed = doomed_worker(shop, f"{Failpoint.CANCEL_HEARD}:1")
        before = shop.upstream.answers[text]
        task_id = shop.uvicorn.send(text)["task_id"]
        wait_until(lambda: shop.upstream.answers[text] > before, bool, 30)
        shop.uvicorn.call("POST", f"/api/v1/tasks/{task_id}/cancel")
        see_it_die(doomed)
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
    wait_until(sleeper.log.read_text, lambda log: "of attempt 1 was fenced" in log, 60)
    check(shop, text, sent)
    kill(sleeper)


@LONG
def test_who_watches_an_answer_that_dies_half_way_sees_one_whole_answer(empty_shop: Shop) -> None:
    shop, text = empty_shop, "cuenta [drip:0.02] #1"
    with ThreadPoolExecutor(1) as watcher:
        with others_at_rest(shop):
            doomed = doomed_worker(shop, f"{Failpoint.TEXT_SENT}:3")
            sent = shop.uvicorn.send(text)
            watching = watcher.submit(follow, shop.daphne, sent["task_id"])
            see_it_die(doomed)
            end_leases(shop)
        events = watching.result(30)
    assert text_of(events) == answer_to(text)
    assert "message.reset" in {event["type"] for event in events}
    check(shop, text, sent)


@LONG
def test_of_an_answer_and_a_cancellation_in_the_same_moment_one_happens(empty_shop: Shop) -> None:
    shop, text = empty_shop, "precio a la vez #1"
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as person:
        with others_at_rest(shop):
            # Its second step is the answer, which is written and not committed.
            slow = doomed_worker(shop, f"{Failpoint.STEP_WRITTEN}:2:stop")
            sent = shop.uvicorn.send(text)
            process = psutil.Process(slow.process.pid)
            wait_until(process.status, lambda status: status == psutil.STATUS_STOPPED, 20)
            path = f"/api/v1/tasks/{sent['task_id']}/cancel"
            cancelling = person.submit(shop.daphne.call, "POST", path)
            wait_until(lambda: shop.cluster.rows(waits), bool, 60)
            process.resume()
            assert cancelling.result(20).json()["code"] == "state_conflict"
        check(shop, text, sent)
        kill(slow)
