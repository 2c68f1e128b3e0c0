import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from conversations.input_models import InputRequest
from conversations.services import cancel_task
from conversations.services.inputs import give_input
from conversations.triggers.ticker import ScheduleTicker
from orkesta.errors import StateConflict
from routing.models import Tool
from tenants.scope import in_tenant, scopes_disabled, tenant_scope
from tenants.services import touch_configuration
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House
from tests.conversations.tools import Scene, allow, open_scene
from tests.engine import Story, ask_fake_llm, post, story_of
from tests.fakes.llm_server import calls_tools, says

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tool_calls"),
]
REFUND = calls_tools(("refund", {"sku": "TUB-050", "quantity": 3}))
QUESTION = {"question": "¿De cuántos metros?", "audience": "customer"}
ASK = calls_tools(("ask_human", QUESTION), text="Déjame preguntar.")


@pytest.fixture
def shop(acme: House) -> House:
    allow(acme, may_ask_human=True)
    return ask_fake_llm(acme)


async def give(house: House, story: Story, **body: Any) -> Any:
    api = Caller(await sync_to_async(make_key)(house.tenant))
    path = f"/api/v1/tasks/{story.task.id}/input"
    return await sync_to_async(api.post)(path, body)


async def listed(house: House, query: str = "") -> list[dict[str, Any]]:
    api = Caller(await sync_to_async(make_key)(house.tenant))
    answer = await sync_to_async(api.get)(f"/api/v1/inputs{query}")
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def waiting(scene: Scene) -> Story:
    story = await scene.ask()
    assert story.task.status == "input_required"
    return story


async def test_a_task_waits_for_the_answer_to_its_question(shop: House) -> None:
    async with open_scene(shop, ASK, says("Son 10 m.")) as scene:
        story = await waiting(scene)
        told = [e.data for e in story.events if e.type == "input.required"]
        assert [(one["kind"], one["question"], one["audience"]) for one in told] == [
            ("question", "¿De cuántos metros?", "customer")
        ]
        found = await listed(shop, f"?task_id={story.task.id}")
        assert [one["request_id"] for one in found] == [told[0]["request_id"]]
        given = await give(shop, story, action="answer", text="10", by="Ana")
        assert (given.status_code, given.json()["status"]) == (200, "queued")
        story = await scene.go_on(story)
    assert story.answer == "Son 10 m."
    assert scene.told(1)[-1] == {"role": "tool", "tool_call_id": "call_0", "content": "10"}
    assert story.steps[2].output == {"action": "answer", "text": "10", "by": "Ana"}
    assert [e.data["by"] for e in story.events if e.type == "input.given"] == ["Ana"]
    assert await listed(shop) == []


@pytest.mark.parametrize(("of_agent", "hours"), [(3, 3), (None, 48)])
async def test_a_request_waits_as_long_as_its_agent_says(
    shop: House, settings: Any, of_agent: int | None, hours: int
) -> None:
    settings.ORKESTA_INPUT_HOURS = 48
    await sync_to_async(allow)(shop, may_ask_human=True, answer_hours=of_agent)
    async with open_scene(shop, ASK) as scene:
        story = await waiting(scene)
        [asked] = await listed(shop, f"?task_id={story.task.id}")
    until = datetime.fromisoformat(asked["expires_at"]) - datetime.now(tz=UTC)
    assert timedelta(hours=hours, minutes=-5) < until <= timedelta(hours=hours)


async def test_a_call_that_needs_approval_is_not_made_before_it_has_it(shop: House) -> None:
    async with open_scene(shop, REFUND, says("Devuelto")) as scene:
        story = await waiting(scene)
        assert scene.shop.asked == []
        found = await listed(shop)
        assert [(one["kind"], one["tool"], one["arguments"]) for one in found] == [
            ("approval", "refund", {"sku": "TUB-050", "quantity": 3})
        ]
        assert (await give(shop, story, action="approve")).status_code == 200
        story = await scene.go_on(story)
        assert [one.data["quantity"] for one in scene.shop.asked] == [3]
    assert [step.kind for step in story.steps] == ["route", "model", "human", "tool", "model"]
    assert story.answer == "Devuelto"


async def test_a_call_that_was_refused_is_not_made(shop: House) -> None:
    async with open_scene(shop, REFUND, says("No se puede")) as scene:
        story = await waiting(scene)
        await give(shop, story, action="reject", text="Solo 10 %.")
        story = await scene.go_on(story)
    assert (scene.shop.asked, story.answer) == ([], "No se puede")
    assert "refused" in scene.told(1)[-1]["content"]
    assert "Solo 10 %." in scene.told(1)[-1]["content"]


async def test_an_approval_holds_for_the_tool_that_was_shown(shop: House) -> None:
    def change() -> None:
        with tenant_scope(shop.id):
            Tool.objects.filter(name="refund").update(description="Empties the till.")
            touch_configuration(shop.id)

    async with open_scene(shop, REFUND, says("No se puede")) as scene:
        story = await waiting(scene)
        await sync_to_async(change)()
        await give(shop, story, action="approve")
        story = await scene.go_on(story)
        assert "has been changed" in scene.told(1)[-1]["content"]
    assert (scene.shop.asked, story.answer) == ([], "No se puede")


async def test_edited_arguments_have_to_fit_the_tool(shop: House) -> None:
    async with open_scene(shop, REFUND, says("Devuelto")) as scene:
        story = await waiting(scene)
        wrong = await give(shop, story, action="edit", arguments={"sku": "a", "quantity": 0})
        body = assert_problem(wrong, 422, "input_invalid")
        assert body["errors"][0]["pointer"] == "/arguments"
        right = await give(shop, story, action="edit", arguments={"sku": "a", "quantity": 1})
        assert right.status_code == 200
        story = await scene.go_on(story)
        assert [one.data for one in scene.shop.asked] == [{"sku": "a", "quantity": 1}]
    assert story.answer == "Devuelto"


UNFIT = [
    {"action": "answer", "text": "sí"},
    {"action": "edit"},
    {"action": "edit", "arguments": None},
    {"action": "dance"},
    {"action": ""},
    {},
    {"action": "reject", "text": "x" * 40_000},
]


@pytest.mark.parametrize("body", UNFIT, ids=str)
async def test_what_is_no_answer_to_the_request_is_refused(shop: House, body: Any) -> None:
    async with open_scene(shop, REFUND, says("Devuelto")) as scene:
        story = await waiting(scene)
        assert (await give(shop, story, **body)).status_code == 422
        assert (await story_of(shop, story.task.id)).task.status == "input_required"


async def test_a_model_that_calls_it_wrongly_bothers_nobody(shop: House) -> None:
    script = (calls_tools(("refund", {"quantity": 3}), ("ask_human", {})), says("Perdón"))
    async with open_scene(shop, *script) as scene:
        story = await scene.ask()
    assert [step.output.get("code") for step in story.steps[2:4]] == ["tool_retry", "tool_retry"]
    assert story.answer == "Perdón"


async def test_an_agent_that_may_not_ask_is_not_offered_to(shop: House) -> None:
    await sync_to_async(allow)(shop, may_ask_human=False)
    async with open_scene(shop, ASK, says("Bueno")) as scene:
        story = await scene.ask()
    offered = [tool["function"]["name"] for tool in scene.llm.calls[0].body["tools"]]
    assert "ask_human" not in offered
    assert (story.steps[2].output["code"], story.answer) == ("tool_retry", "Bueno")


async def test_of_eight_people_who_approve_at_once_one_does(shop: House) -> None:
    async with open_scene(shop, REFUND, says("Devuelto")) as scene:
        story = await waiting(scene)
        together = Barrier(8)

        def approve(number: int) -> str:
            try:
                together.wait(5)
                with tenant_scope(shop.id):
                    give_input(task_id=story.task.id, action="approve", by=str(number))
            except StateConflict:
                return "conflict"
            finally:
                connection.close()
            return "approved"

        with ThreadPoolExecutor(8) as pool:
            results = [pool.submit(approve, number) for number in range(8)]
            await asyncio.to_thread(pool.shutdown)
        outcomes = sorted(result.result() for result in results)
        assert outcomes == ["approved"] + ["conflict"] * 7
        story = await scene.go_on(story)
        assert len(scene.shop.asked) == 1
    assert story.event_types.count("input.given") == 1
    again = await give(shop, story, action="approve")
    assert_problem(again, 409, "state_conflict")


async def test_a_request_that_nobody_answers_fails_the_task(shop: House) -> None:
    async with open_scene(shop, REFUND, says("Devuelto")) as scene:
        story = await waiting(scene)
        await sync_to_async(_let_expire)()
        late = await give(shop, story, action="approve")
        assert_problem(late, 409, "state_conflict")
        await ScheduleTicker().run_once()
        await ScheduleTicker().run_once()
        story = await scene.go_on(story)
    assert (story.task.status, story.task.error_code) == ("failed", "input_expired")
    assert story.event_types[-3:] == ["step.recorded", "error", "task.status_changed"]
    assert [e.data["code"] for e in story.events if e.type == "error"] == ["input_expired"]
    assert (story.steps[-1].status, story.steps[-1].output["code"]) == ("failed", "input_expired")
    assert scene.shop.asked == []


def _let_expire() -> None:
    with scopes_disabled():
        InputRequest.objects.update(expires_at="2020-01-01T00:00:00Z")


async def test_the_customers_next_message_answers_the_question(shop: House) -> None:
    async with open_scene(shop, ASK, says("Son 10 m.")) as scene:
        story = await waiting(scene)
        answered = await sync_to_async(post)(shop, "de 10 metros", story.session.id)
        assert answered.task.id == story.task.id
        story = await scene.go_on(story)
    assert [m.content for m in story.messages] == ["precio", "de 10 metros", "Son 10 m."]
    assert scene.told(1)[-1]["content"] == "de 10 metros"
    assert (story.task.status, story.session.num_messages) == ("completed", 2)


async def test_a_message_does_not_approve_a_call(shop: House) -> None:
    async with open_scene(shop, REFUND, says("Devuelto")) as scene:
        story = await waiting(scene)
        posted = await sync_to_async(post)(shop, "sí, hazlo", story.session.id)
        assert posted.task.id != story.task.id
        story = await scene.go_on(story)
    assert (story.task.status, scene.shop.asked) == ("input_required", [])


async def test_a_cancelled_task_asks_nobody(shop: House) -> None:
    async with open_scene(shop, REFUND, says("Devuelto")) as scene:
        story = await waiting(scene)
        await in_tenant(shop.id, cancel_task, task_id=story.task.id)
        assert await listed(shop) == []
        assert_problem(await give(shop, story, action="approve"), 409, "state_conflict")


async def test_another_tenant_neither_sees_nor_answers(shop: House, rival: House) -> None:
    async with open_scene(shop, REFUND, says("Devuelto")) as scene:
        story = await waiting(scene)
        assert await listed(rival) == []
        assert_problem(await give(rival, story, action="approve"), 404, "not_found")
