from typing import Any
from uuid import UUID

import pytest

from conversations.models import Message, Session, Task
from conversations.states import TaskStatus
from tenants.scope import tenant_scope
from tests.callers import Caller, assert_problem
from tests.cast import House
from tests.conversations.stored import num_rows

SEND = "/api/v1/chat/send"


def send(api: Caller, **body: Any) -> dict[str, Any]:
    response = api.post(SEND, {"message": "hola"} | body)
    assert response.status_code == 202, response.content
    return response.json()


def test_a_message_is_stored_and_its_task_can_be_followed(acme: House, acme_api: Caller) -> None:
    sent = send(acme_api, message="¿Tienen tubos?\n", user={"id": 81, "name": "Rosa"})
    task, session = sent["task_id"], sent["session_id"]
    assert sent == {
        "task_id": str(UUID(task)),
        "session_id": str(UUID(session)),
        "status": "queued",
        "message_id": sent["message_id"],
        "stream_url": f"/api/v1/tasks/{task}/stream",
        "websocket_path": f"/ws/acme/{session}",
        "ignored": [],
    }
    with tenant_scope(acme.id):
        said = Message.objects.get(pk=sent["message_id"])
        assert (said.content, said.role) == ("¿Tienen tubos?\n", "user")
        assert str(said.task_id) == task
        row = Session.objects.get(pk=session)
        assert (row.user_ref, row.user_name) == ("81", "Rosa")
        assert row.opened_by is not None


def test_a_message_continues_its_session(acme: House, acme_api: Caller) -> None:
    first = send(acme_api)
    second = send(acme_api, session_id=first["session_id"], context={"cart": [1, {"sku": "x"}]})
    assert second["session_id"] == first["session_id"]
    with tenant_scope(acme.id):
        assert Session.objects.count() == 1
        assert Task.objects.get(pk=second["task_id"]).context == {"cart": [1, {"sku": "x"}]}


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("field", ["session_id", "context", "agent", "stream", "user", "metadata"])
def test_null_and_blank_mean_not_given(acme_api: Caller, field: str, nothing: str | None) -> None:
    assert send(acme_api, **{field: nothing})["ignored"] == []


@pytest.mark.parametrize("value", [True, False, "1", "0", "true", "False", "yes", 1, 0, "on"])
def test_low_code_clients_booleans_are_understood(acme_api: Caller, value: Any) -> None:
    send(acme_api, stream=value)


@pytest.mark.parametrize("user", [{}, {"id": None}, {"id": "", "name": None}, {"id": 7}])
def test_a_customer_may_be_known_in_part(acme_api: Caller, user: dict[str, Any]) -> None:
    send(acme_api, user=user)


def test_keys_without_a_meaning_are_named_and_have_none(
    acme: House, rival: House, acme_api: Caller
) -> None:
    others = {"tenant": "rival", "tenant_id": str(rival.id), "sesion_id": "x", "status": "failed"}
    sent = send(acme_api, **others)
    assert sent["ignored"] == sorted(others)
    with tenant_scope(rival.id):
        assert not Session.objects.exists()
    with tenant_scope(acme.id):
        assert Task.objects.get().status == TaskStatus.QUEUED


def test_many_unknown_keys_do_not_make_a_large_answer(acme_api: Caller) -> None:
    sent = send(acme_api, **{f"{number}{'k' * 200}": 1 for number in range(100)})
    assert len(sent["ignored"]) == 20
    assert max(map(len, sent["ignored"])) == 100


def test_it_can_be_asked_how_a_message_is_going(acme: House, acme_api: Caller) -> None:
    sent = send(acme_api)
    asked = {"task_id": sent["task_id"]}
    waiting = acme_api.post("/api/v1/chat/status", asked).json()
    assert waiting == {
        "task_id": sent["task_id"],
        "session_id": sent["session_id"],
        "status": "queued",
        "result": None,
        "error": None,
        "degraded": False,
    }
    with tenant_scope(acme.id):
        Task.objects.update(status=TaskStatus.COMPLETED)
        task = Task.objects.get()
        Message.objects.create(
            session_id=task.session_id, task=task, seq=99, turn=1, role="assistant", content="Sí.",
            agent_slug="sales",
        )  # fmt: skip
    answered = acme_api.post("/api/v1/chat/status", asked).json()
    assert answered["status"] == "completed"
    assert answered["result"] == {"content": "Sí.", "role": "assistant", "agent": "sales"}


def test_a_failed_message_says_why(acme: House, acme_api: Caller) -> None:
    sent = send(acme_api)
    with tenant_scope(acme.id):
        Task.objects.update(
            status=TaskStatus.FAILED, error_code="llm_timeout", error_detail="It fell silent."
        )
    error = acme_api.post("/api/v1/chat/status", {"task_id": sent["task_id"]}).json()["error"]
    assert (error["code"], error["detail"]) == ("llm_timeout", "It fell silent.")
    assert error["type"].endswith("#llm_timeout")
    assert error["retryable"] is True


@pytest.mark.parametrize("way", ["chat/cancel", "tasks/{}/cancel"])
def test_a_waiting_message_is_cancelled(acme_api: Caller, way: str) -> None:
    sent = send(acme_api)
    for _ in range(2):
        response = acme_api.post("/api/v1/" + way.format(sent["task_id"]), sent)
        assert response.status_code == 200
        assert response.json()["status"] == "cancelled"
        assert response.json()["task_id"] == sent["task_id"]


def test_a_finished_message_is_not_cancelled(acme: House, acme_api: Caller) -> None:
    sent = send(acme_api)
    with tenant_scope(acme.id):
        Task.objects.update(status=TaskStatus.COMPLETED)
    before = num_rows()
    assert_problem(acme_api.post("/api/v1/chat/cancel", sent), 409, "state_conflict")
    assert num_rows() == before


def test_a_closed_session_takes_no_message(acme_api: Caller) -> None:
    sent = send(acme_api)
    acme_api.post(f"/api/v1/sessions/{sent['session_id']}/close")
    before = num_rows()
    response = acme_api.post(SEND, {"message": "x", "session_id": sent["session_id"]})
    assert_problem(response, 409, "session_not_open")
    assert num_rows() == before


def test_another_tenants_agent_is_an_unknown_agent(rival_api: Caller, acme: House) -> None:
    assert_problem(rival_api.post(SEND, {"message": "x", "agent": "nobody"}), 422, "unknown_agent")
