from typing import Any

import pytest

from conversations.models import Message, Step, Task
from conversations.states import StepKind, TaskStatus
from tenants.scope import tenant_scope
from tests.callers import Caller
from tests.cast import House


def send(api: Caller, **body: Any) -> Any:
    return api.post("/api/v1/chat/send", {"message": "hola"} | body).json()


def record(house: House, task_id: str, number: int, kind: StepKind, **values: Any) -> None:
    with tenant_scope(house.id):
        Step.objects.create(
            task_id=task_id, number=number, kind=kind, attempt=1,
            input={"messages": ["the whole prompt"]}, **values,
        )  # fmt: skip
        Task.objects.filter(pk=task_id).update(num_steps=number)


def test_a_new_task_has_all_its_steps_ahead(acme_api: Caller) -> None:
    sent = send(acme_api)
    task = acme_api.get(f"/api/v1/tasks/{sent['task_id']}").json()
    assert task.pop("created_at").endswith("Z")
    assert task == {
        "task_id": sent["task_id"],
        "session_id": sent["session_id"],
        "status": "queued",
        "wanted": "",
        "prompt_label": "",
        "task_type": "",
        "current_step": 0,
        "total_steps": 2,
        "progress": 0.0,
        "parent_task_id": None,
        "plan": [],
        "branches": [],
        "usage": {"input_tokens": 0, "output_tokens": 0},
        "intermediate_results": [],
        "result": None,
        "error": None,
        "degraded": False,
        "started_at": None,
        "finished_at": None,
    }


def test_a_task_shows_each_step_with_its_reason_but_not_what_the_llm_was_told(
    acme: House, acme_api: Caller
) -> None:
    task_id = send(acme_api)["task_id"]
    record(
        acme, task_id, 1, StepKind.ROUTE, agent_slug="sales", reason="rule 0: «price»",
        output={"agent": "sales"}, duration_ms=1.5,
    )  # fmt: skip
    body = acme_api.get(f"/api/v1/tasks/{task_id}").json()
    assert (body["current_step"], body["total_steps"], body["progress"]) == (1, 2, 0.5)
    step = body["intermediate_results"][0]
    assert step["kind"] == "route"
    assert (step["agent"], step["reason"]) == ("sales", "rule 0: «price»")
    assert step["output"] == {"agent": "sales"}
    assert (step["duration_ms"], step["input_tokens"]) == (1.5, 0)
    assert "the whole prompt" not in str(body)


@pytest.mark.parametrize(
    ("status", "done", "shown"),
    [
        (TaskStatus.PROCESSING, 2, (2, 3, 0.6667)),
        (TaskStatus.PROCESSING, 9, (9, 10, 0.9)),
        (TaskStatus.COMPLETED, 1, (1, 1, 1.0)),
        (TaskStatus.COMPLETED, 3, (3, 3, 1.0)),
        (TaskStatus.CANCELLED, 0, (0, 2, 0.0)),
        (TaskStatus.FAILED, 1, (1, 2, 0.5)),
    ],
)
def test_progress_is_whole_only_when_nothing_is_left(
    acme: House, acme_api: Caller, status: TaskStatus, done: int, shown: tuple[int, int, float]
) -> None:
    task_id = send(acme_api)["task_id"]
    with tenant_scope(acme.id):
        Task.objects.update(status=status, num_steps=done)
    body = acme_api.get(f"/api/v1/tasks/{task_id}").json()
    assert (body["current_step"], body["total_steps"], body["progress"]) == shown


def test_a_completed_task_holds_its_answer(acme: House, acme_api: Caller) -> None:
    sent = send(acme_api)
    with tenant_scope(acme.id):
        Task.objects.update(status=TaskStatus.COMPLETED)
        Message.objects.create(
            session_id=sent["session_id"], task_id=sent["task_id"], seq=9, turn=1,
            role="assistant", content="Sí.", agent_slug="sales",
        )  # fmt: skip
    result = acme_api.get(f"/api/v1/tasks/{sent['task_id']}").json()["result"]
    assert result == {"content": "Sí.", "role": "assistant", "agent": "sales"}


def test_tasks_are_listed_newest_first_and_narrowed(acme: House, acme_api: Caller) -> None:
    first, second = send(acme_api), send(acme_api)
    with tenant_scope(acme.id):
        Task.objects.filter(pk=first["task_id"]).update(status=TaskStatus.COMPLETED)

    def listed(query: str) -> list[str]:
        items = acme_api.get(f"/api/v1/tasks{query}").json()["items"]
        return [task["task_id"] for task in items]

    assert listed("") == [second["task_id"], first["task_id"]]
    assert listed("?status=&session_id=&limit=") == [second["task_id"], first["task_id"]]
    assert listed("?status=completed") == [first["task_id"]]
    assert listed(f"?session_id={second['session_id']}") == [second["task_id"]]
    assert listed(f"?session_id={second['session_id']}&status=completed") == []


def test_a_list_costs_the_same_however_long_it_is(
    acme_api: Caller, django_assert_num_queries: Any
) -> None:
    for _ in range(5):
        send(acme_api)
    acme_api.get("/api/v1/tasks")
    with django_assert_num_queries(1):
        assert len(acme_api.get("/api/v1/tasks").json()["items"]) == 5
    with django_assert_num_queries(1):
        assert len(acme_api.get("/api/v1/sessions").json()["items"]) == 5
