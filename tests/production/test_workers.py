import signal
from time import monotonic

import pytest

from tests.production.cluster import kill, wait_until
from tests.production.shop import Shop
from tests.production.upstream import answer_to

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
]


def begin(shop: Shop, text: str) -> str:
    """The task, once a worker has asked the upstream for its answer."""
    task_id: str = shop.uvicorn.send(text)["task_id"]
    wait_until(lambda: shop.upstream.answers[text], bool, 30)
    return task_id


def steps_of(shop: Shop, task_id: str) -> list[tuple[str, int]]:
    statement = "SELECT kind, attempt FROM conversations_step WHERE task_id = %s ORDER BY number"
    return [(kind, attempt) for kind, attempt in shop.cluster.rows(statement, task_id)]


def test_cancelling_anywhere_closes_the_upstream_call(shop: Shop) -> None:
    took = []
    for number in range(3):
        text = f"cuelga [hang] otra vez {number} #1"
        task_id = begin(shop, text)
        began = monotonic()
        assert shop.daphne.call("POST", f"/api/v1/tasks/{task_id}/cancel").status_code == 200
        wait_until(lambda text=text: shop.upstream.closed_early[text], bool, 30)
        shop.uvicorn.wait_for(task_id, "cancelled")
        took.append(monotonic() - began)
    assert min(took) < 1  # told, not found at the next look


def test_a_worker_that_is_told_to_end_hands_back_what_it_has_not_finished(shop: Shop) -> None:
    text = "piensa [think:1.5] #101"
    task_id = shop.uvicorn.send(text)["task_id"]
    wait_until(lambda: shop.upstream.decisions["#101"], bool, 30)
    worker = shop.cluster.worker_of(task_id)
    kill(worker, signal.SIGTERM)
    assert worker.process.wait(60) == 0
    shop.uvicorn.wait_for(task_id, "completed")
    assert steps_of(shop, task_id) == [("route", 1), ("model", 2)]
    assert shop.upstream.decisions["#101"] == 1
    found = shop.cluster.rows(
        "SELECT data->>'status', data->>'reason' FROM conversations_event"
        " WHERE task_id = %s AND type = 'task.status_changed' ORDER BY seq",
        task_id,
    )
    assert ("queued", "handed_back") in found


def test_a_second_signal_ends_it_at_once_and_the_lease_does_the_rest(shop: Shop) -> None:
    text = "lento [slow:3] #2"
    task_id = begin(shop, text)
    worker = shop.cluster.worker_of(task_id)
    kill(worker, signal.SIGTERM)
    wait_until(worker.log.read_text, lambda log: "once more" in log, 30)
    assert worker.process.poll() is None
    kill(worker, signal.SIGTERM)
    assert worker.process.wait(60) == 128 + signal.SIGTERM
    shop.uvicorn.wait_for(task_id, "completed")


def test_what_a_killed_worker_had_begun_is_finished_by_another(shop: Shop) -> None:
    texts = [f"lento [slow:1] #{number}" for number in range(3, 9)]
    task_ids = [begin(shop, text) for text in texts]
    kill(shop.cluster.worker_of(task_ids[0]))
    for text, task_id in zip(texts, task_ids, strict=True):
        shop.uvicorn.wait_for(task_id, "completed")
        assert [kind for kind, _ in steps_of(shop, task_id)] == ["route", "model"]
        [(content,)] = shop.cluster.rows(
            "SELECT content FROM conversations_message WHERE task_id = %s AND role = 'assistant'",
            task_id,
        )
        assert content == answer_to(text)
    attempts = [attempt for id_ in task_ids for _, attempt in steps_of(shop, id_)]
    assert max(attempts) == 2
