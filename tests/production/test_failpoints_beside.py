from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orkesta.failpoints import Failpoint
from tests.chaos.checker import faults_in
from tests.chaos.history import Acknowledged, History
from tests.production.cluster import wait_until
from tests.production.dying import (
    check,
    doomed_worker,
    end_leases,
    others_at_rest,
    see_it_die,
    told,
)
from tests.production.shop import Shop
from tests.production.till import Till

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
    pytest.mark.long,
]
TASKS = "SELECT id, session_id FROM conversations_task ORDER BY created_at"


@contextmanager
def made(shop: Shop, path: str, **values: object) -> Iterator[None]:
    """Something is there, for as long as the block runs."""
    answer = shop.uvicorn.call("POST", path, values)
    assert answer.status_code == 201, answer.text
    yield
    assert shop.uvicorn.call("DELETE", answer.headers["Location"]).status_code == 204


@pytest.mark.parametrize(
    ("place", "before"), [(Failpoint.DELIVERY_CLAIMED, []), (Failpoint.DELIVERY_SENT, [1])]
)
def test_a_webhook_keeps_its_id_wherever_its_dispatcher_dies(
    empty_shop: Shop, till: Till, place: Failpoint, before: list[int]
) -> None:
    shop, text = empty_shop, f"precio {place} #1"
    hook = {"name": place, "url": f"{till.url}/hook", "event_types": ["task.completed"]}
    with made(shop, "/api/v1/webhook-endpoints", **hook):
        with others_at_rest(shop):
            doomed = doomed_worker(shop, f"{place}:1")
            sent = shop.uvicorn.send(text)
            see_it_die(doomed)
            assert list(till.told.values()) == before
            end_leases(shop)
            shop.cluster.execute("UPDATE conversations_webhookdelivery SET lease_until = now()")
        statuses = "SELECT status FROM conversations_webhookdelivery"
        wait_until(lambda: shop.cluster.rows(statuses), lambda rows: rows == [("delivered",)], 20)
    assert list(till.told.values()) == [len(before) + 1]
    check(shop, text, sent)


def test_a_due_time_is_fired_once_though_its_ticker_dies(empty_shop: Shop) -> None:
    shop, text = empty_shop, "precio de la mañana #1"
    plan = {"name": "Mañana", "cron": "0 9 * * *", "message": text}
    due = "UPDATE conversations_schedule SET next_due_at = now() - interval '1 minute'"
    with made(shop, "/api/v1/schedules", **plan):
        with others_at_rest(shop):
            doomed = doomed_worker(shop, f"{Failpoint.DUE_TIME_TAKEN}:1")
            shop.cluster.execute(due)
            see_it_die(doomed)
            assert shop.cluster.rows(TASKS) == []
        [task] = wait_until(lambda: shop.cluster.rows(TASKS), bool, 20)
        shop.uvicorn.wait_for(str(task[0]), "completed")
        check(shop, text, told(task))
        assert len(shop.cluster.rows("SELECT 1 FROM conversations_schedulerun")) == 1


def test_a_batch_ends_once_though_the_worker_of_its_last_task_dies(empty_shop: Shop) -> None:
    shop, texts = empty_shop, ["precio #1", "precio #2"]
    with others_at_rest(shop):
        # Two tasks of two steps: the fourth ends the batch.
        doomed = doomed_worker(shop, f"{Failpoint.STEP_WRITTEN}:4")
        body = {"requests": [{"message": text} for text in texts]}
        sent = shop.uvicorn.call("POST", "/api/v1/batches", body)
        path = sent.headers["Location"]
        see_it_die(doomed)
        assert shop.uvicorn.call("GET", path).json()["progress"] < 1
        end_leases(shop)
    batch = wait_until(
        lambda: shop.uvicorn.call("GET", path).json(), lambda seen: seen["finished_at"], 20
    )
    assert (batch["progress"], batch["counts"]) == (1, {"completed": 2})
    tasks = shop.cluster.rows(
        "SELECT content, t.id, t.session_id FROM conversations_task t"
        " JOIN conversations_message m ON m.id = t.question_id"
    )
    assert sorted(text for text, *_ in tasks) == texts
    history = History([Acknowledged(text, str(id_), str(where)) for text, id_, where in tasks])
    assert faults_in(history, shop.cluster.rows) == []
