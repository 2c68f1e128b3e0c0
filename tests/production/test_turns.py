import statistics
from datetime import timedelta

import pytest

from tests.production.shop import Shop
from tests.production.upstream import answer_to

pytestmark = [pytest.mark.xdist_group("production"), pytest.mark.postgres, pytest.mark.redis]


def test_a_message_is_answered_by_another_process(shop: Shop) -> None:
    sent = shop.daphne.send("Hola [fall] #1")
    shop.uvicorn.wait_for(sent["task_id"], "completed")
    status = shop.uvicorn.call("POST", "/api/v1/chat/status", {"task_id": sent["task_id"]}).json()
    assert status["result"]["content"] == answer_to("Hola [fall] #1")
    assert status["result"]["agent"] == "recepcion"


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_a_worker_is_woken_at_once(shop: Shop, server: str) -> None:
    web = getattr(shop, server)
    task_ids = []
    for number in range(15):
        task_ids.append(web.send(f"precio {server} #{number}")["task_id"])
        web.wait_for(task_ids[-1], "completed")
    waits: list[timedelta] = [
        wait
        for (wait,) in shop.cluster.rows(
            "SELECT started_at - created_at FROM conversations_task WHERE id = ANY(%s)", task_ids
        )
    ]
    assert statistics.median(waits) <= timedelta(milliseconds=300), sorted(waits)


def test_two_workers_never_run_one_task_twice(shop: Shop) -> None:
    texts = [f"hola, dos trabajadores #{number}" for number in range(60)]
    task_ids = [shop.uvicorn.send(text)["task_id"] for text in texts]
    for task_id in task_ids:
        shop.uvicorn.wait_for(task_id, "completed")
    assert {shop.upstream.answers[text] for text in texts} == {1}
    found = shop.cluster.rows(
        "SELECT attempt, num_steps, worker FROM conversations_task WHERE id = ANY(%s)", task_ids
    )
    assert {(attempt, num_steps) for attempt, num_steps, _ in found} == {(1, 2)}
    assert len({worker for _, _, worker in found}) == 2
