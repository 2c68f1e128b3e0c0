from typing import Any

import pytest
from asgiref.sync import sync_to_async

from conversations.models import Batch, Task
from tenants.scope import tenant_scope
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House
from tests.conversations.stored import num_rows
from tests.engine import ask_fake_llm, open_worker, run_until_idle
from tests.fakes.llm_server import says, status

BATCHES = "/api/v1/batches"


def requests(*messages: str, **values: Any) -> dict[str, Any]:
    return {"requests": [{"message": message} | values for message in messages]}


def test_it_accepts_many_requests_and_counts_them(acme_api: Caller) -> None:
    sent = acme_api.post(BATCHES, requests("uno", "dos", "tres") | {"name": "Recordatorios"})
    batch = sent.json()
    assert sent.status_code == 202
    assert sent["Location"] == f"{BATCHES}/{batch['batch_id']}"
    assert (batch["num_requests"], batch["progress"], batch["counts"]) == (3, 0, {"queued": 3})
    assert acme_api.get(f"{BATCHES}/{batch['batch_id']}").json() == batch
    tasks = acme_api.get(f"{BATCHES}/{batch['batch_id']}/tasks").json()["items"]
    assert len({task["session_id"] for task in tasks}) == 3


@pytest.mark.parametrize(
    ("bad", "status_code", "code"),
    [
        ({"message": " "}, 422, "message_empty"),
        ({"message": "x", "agent": "nobody"}, 422, "unknown_agent"),
        ({"message": "x", "session_id": "019aa33c-0000-7000-8000-000000000000"}, 404, "not_found"),
        ({"message": 7}, 422, "validation_failed"),
        ("hola", 422, "validation_failed"),
    ],
)
def test_it_accepts_nothing_when_one_request_is_bad(
    acme_api: Caller, bad: Any, status_code: int, code: str
) -> None:
    before = num_rows()
    body = {"requests": [{"message": "uno"}, bad]}
    problem = assert_problem(acme_api.post(BATCHES, body), status_code, code)
    assert problem["errors"][0]["pointer"].startswith("/requests/1")
    assert num_rows() == before


@pytest.mark.parametrize("given", [[], None, {}, "x", [{"message": "x"}] * 1001])
def test_it_refuses_a_batch_of_no_sensible_size(acme_api: Caller, given: Any) -> None:
    assert_problem(acme_api.post(BATCHES, {"requests": given}), 422, "validation_failed")


def test_it_takes_a_thousand(acme_api: Caller) -> None:
    batch = acme_api.post(BATCHES, requests(*["hola"] * 1000)).json()
    assert batch["counts"] == {"queued": 1000}


def test_it_keeps_the_order_within_a_session(acme_api: Caller) -> None:
    session = acme_api.post("/api/v1/sessions").json()["session_id"]
    acme_api.post(BATCHES, requests("uno", "dos", session_id=session))
    said = acme_api.get(f"/api/v1/sessions/{session}/messages").json()["items"]
    assert [message["content"] for message in said] == ["uno", "dos"]


def test_it_cancels_what_is_unfinished(acme: House, acme_api: Caller) -> None:
    batch_id = acme_api.post(BATCHES, requests("uno", "dos", "tres")).json()["batch_id"]
    with tenant_scope(acme.id):
        done = Task.objects.filter(batch=batch_id).first()
        assert done is not None
        Task.objects.filter(pk=done.pk).update(status="completed")
        Batch.objects.update(num_unfinished=2)
    batch = acme_api.post(f"{BATCHES}/{batch_id}/cancel").json()
    assert batch["counts"] == {"completed": 1, "cancelled": 2}
    assert (batch["is_finished"], batch["progress"]) == (True, 1)
    assert acme_api.post(f"{BATCHES}/{batch_id}/cancel").json() == batch


def test_it_cancels_from_the_end_where_no_worker_has_come_yet(
    acme: House, acme_api: Caller
) -> None:
    batch_id = acme_api.post(BATCHES, requests("uno", "dos", "tres")).json()["batch_id"]
    acme_api.post(f"{BATCHES}/{batch_id}/cancel")
    with tenant_scope(acme.id):
        tasks = Task.objects.filter(batch=batch_id).order_by("finished_at")
        said = list(tasks.values_list("question__content", flat=True))
    assert said == ["tres", "dos", "uno"]


@pytest.mark.django_db(transaction=True)
async def test_it_is_finished_when_its_last_task_has_ended(acme: House) -> None:
    shop = await sync_to_async(ask_fake_llm)(acme)
    api = Caller(await sync_to_async(make_key)(shop.tenant))
    sent = await sync_to_async(api.post)(BATCHES, requests("precio", "precio", "precio"))
    place = sent["Location"]
    async with open_worker(status(400), status(400), says("hola")) as (worker, _):
        worker._concurrency = 1
        await worker.run_once()
        halfway = (await sync_to_async(api.get)(place)).json()
        await run_until_idle(worker)
    batch = (await sync_to_async(api.get)(place)).json()
    assert (halfway["num_unfinished"], halfway["is_finished"]) == (2, False)
    assert batch["counts"] == {"failed": 1, "completed": 2}
    assert (batch["num_unfinished"], batch["is_finished"]) == (0, True)
