from typing import Any

import pytest
from asgiref.sync import sync_to_async

from conversations.models import Message, Task
from routing.models import Agent
from tenants.scope import tenant_scope
from tests.callers import NO_SUCH_ID, Caller, assert_problem
from tests.cast import House
from tests.engine import ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import says

PART = {"agent": "desk", "instruction": "x"}
EXECUTE = "/api/v1/execute"


def group(*parts: Any) -> dict[str, Any]:
    return {"parallel": list(parts)}


def execute(api: Caller, **body: Any) -> dict[str, Any]:
    response = api.post(EXECUTE, {"input": "hola"} | body)
    assert response.status_code == 202, response.content
    return dict(response.json())


def test_a_turn_is_stored_and_every_link_leads_to_it(acme: House, acme_api: Caller) -> None:
    done = execute(acme_api, input="¿Tienen tubos?", priority=9, context={"branch": "centro"})
    assert (done["status"], done["kind"], done["ignored"]) == ("queued", "turn", [])
    task = f"/api/v1/tasks/{done['task_id']}"
    verbs = ("pause", "resume", "cancel", "retry", "fork", "stream")
    assert done["links"] == {verb: f"{task}/{verb}" for verb in verbs} | {
        "task": task,
        "websocket": f"/ws/acme/{done['session_id']}",
    }
    with tenant_scope(acme.id):
        row = Task.objects.get(pk=done["task_id"])
        assert (row.priority, row.context, row.agent_slug) == (9, {"branch": "centro"}, "")
        assert Message.objects.get(pk=done["message_id"]).content == "¿Tienen tubos?"
    assert acme_api.get(done["links"]["task"]).json()["status"] == "queued"
    assert acme_api.post(done["links"]["cancel"]).json()["status"] == "cancelled"


@pytest.mark.django_db(transaction=True)
async def test_an_agent_run_goes_straight_to_the_agent(acme: House, acme_api: Caller) -> None:
    shop = await sync_to_async(ask_fake_llm)(acme)
    # The word "precio" would be routed to sales.
    run = sync_to_async(execute)
    done = await run(acme_api, kind="agent", agent="desk", input="precio")
    async with open_worker(says("Sin precio.")) as (worker, fake):
        await run_until_idle(worker)
    story = await story_of(shop, done["task_id"])
    assert [step.agent_slug for step in story.steps] == ["desk", "desk"]
    assert story.answer == "Sin precio."
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    "body",
    [
        {
            "kind": None,
            "session_id": "",
            "agent": None,
            "user": "",
            "metadata": "",
            "context": None,
        },
        {"kind": "", "priority": "", "stream": "1"},
        {"priority": "7", "stream": 0},
        {"input": None, "message": "hola"},
        {"input": "", "message": "hola"},
        {"message": "hola"},
    ],
)
def test_what_low_code_clients_send_is_understood(acme_api: Caller, body: dict[str, Any]) -> None:
    assert execute(acme_api, **body)["kind"] == "turn"


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"kind": "agent"}, "/agent", "required"),
        ({"kind": "agent", "agent": ""}, "/agent", "required"),
        ({"kind": "party"}, "/kind", "invalid_choice"),
        ({"message": "adiós"}, "/message", "twice"),
        ({"kind": "workflow"}, "/plan", "required"),
        ({"kind": "workflow", "plan": []}, "/plan", "required"),
        ({"kind": "workflow", "plan": [{"instruction": "x"}]}, "/plan/0/agent", "required"),
        ({"kind": "workflow", "plan": [PART] * 11}, "/plan", "max_length"),
        ({"kind": "workflow", "plan": [[]]}, "/plan/0", "invalid"),
        ({"kind": "workflow", "plan": [group(), PART]}, "/plan/0/parallel", "empty"),
        (
            {"kind": "workflow", "plan": [group(*[PART] * 9), PART]},
            "/plan/0/parallel",
            "max_length",
        ),
        (
            {"kind": "workflow", "plan": [group(PART, group(PART)), PART]},
            "/plan/0/parallel/1/parallel",
            "nested",
        ),
        ({"kind": "workflow", "plan": [group(PART) | PART, PART]}, "/plan/0", "alone"),
        ({"kind": "workflow", "plan": [PART, group(PART)]}, "/plan/1", "no_synthesis"),
        (
            {"kind": "workflow", "plan": [*[group(*[PART] * 8)] * 3, PART]},
            "/plan",
            "too_many_agents",
        ),
        ({"plan": [{"agent": "desk", "instruction": "x"}]}, "/plan", "not_allowed"),
        ({"priority": 11}, "/priority", "max_value"),
        ({"priority": 0}, "/priority", "min_value"),
        ({"priority": True}, "/priority", "invalid"),
        ({"input": 7}, "/input", "invalid"),
    ],
)
def test_a_fault_is_named_where_it_is(
    acme_api: Caller, body: dict[str, Any], pointer: str, code: str
) -> None:
    problem = assert_problem(
        acme_api.post(EXECUTE, {"input": "hola"} | body), 422, "validation_failed"
    )
    assert [(fault["pointer"], fault["code"]) for fault in problem["errors"]] == [(pointer, code)]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (
            {"kind": "workflow", "plan": [{"agent": "nobody", "instruction": "x"}]},
            422,
            "unknown_agent",
        ),
        ({"kind": "agent", "agent": "nobody"}, 422, "unknown_agent"),
        ({"input": "  "}, 422, "message_empty"),
        ({"session_id": NO_SUCH_ID}, 404, "not_found"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(
    acme: House, acme_api: Caller, body: dict[str, Any], status: int, code: str
) -> None:
    assert_problem(acme_api.post(EXECUTE, {"input": "hola"} | body), status, code)
    with tenant_scope(acme.id):
        assert not Task.objects.exists()


def test_a_plan_may_name_agents_and_no_more(acme: House, acme_api: Caller) -> None:
    done = execute(acme_api, kind="workflow", plan=["sales", group("desk", PART), "desk"])
    alone = {"agent": "desk", "instruction": ""}
    plan = [{"agent": "sales", "instruction": ""}, group(alone, PART), alone]
    assert acme_api.get(done["links"]["task"]).json()["plan"] == plan


def test_unknown_agents_of_branches_are_named_where_they_are(acme_api: Caller) -> None:
    body = {"kind": "workflow", "input": "x", "plan": [group("desk", "nobody"), "none"]}
    problem = assert_problem(acme_api.post(EXECUTE, body), 422, "unknown_agent")
    pointers = [fault["pointer"] for fault in problem["errors"]]
    assert pointers == ["/plan/0/parallel/1/agent", "/plan/1/agent"]


def test_the_same_key_sets_it_going_once(acme: House, acme_api: Caller) -> None:
    first, second = (
        acme_api.post(EXECUTE, {"input": "hola"}, **{"Idempotency-Key": "k-1"}) for _ in range(2)
    )
    assert first.json() == second.json()
    with tenant_scope(acme.id):
        assert Task.objects.count() == 1


def test_a_busy_agent_may_refuse_a_run(acme: House, acme_api: Caller) -> None:
    with tenant_scope(acme.id):
        Agent.objects.filter(slug="desk").update(while_busy="reject")
    first = execute(acme_api, kind="agent", agent="desk")
    again = {"input": "dos", "kind": "agent", "agent": "desk", "session_id": first["session_id"]}
    assert_problem(acme_api.post(EXECUTE, again), 409, "session_busy")
