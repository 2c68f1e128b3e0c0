import asyncio
import json
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async

from conversations.hub import Inbox, get_hub
from conversations.live import group_name
from tests.cast import House
from tests.conversations.tools import allow, open_scene
from tests.engine import apost, ask_fake_llm, run_until_idle, story_of
from tests.fakes.llm_server import calls_tools, says, status

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tool_calls"),
]


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


async def watched(house: House, session_id: UUID) -> Inbox:
    inbox = Inbox()
    await get_hub().join(group_name(house.id, session_id), inbox)
    return inbox


async def test_it_makes_the_calls_of_a_model_and_tells_it_the_results(shop: House) -> None:
    script = (calls_tools(("price", {"sku": "TUB-050"})), says("Cuesta 45."))
    async with open_scene(shop, *script) as scene:
        scene.shop.say(200, b'{"price": 45}')
        story = await scene.ask()
    assert story.answer == "Cuesta 45."
    assert [(s.kind, s.status) for s in story.steps] == [
        ("route", "succeeded"),
        ("model", "succeeded"),
        ("tool", "succeeded"),
        ("model", "succeeded"),
    ]
    assert story.steps[2].input["arguments"] == {"sku": "TUB-050"}
    assert story.steps[2].output["data"] == {"price": 45}
    asked, answered = scene.told(1)[-2:]
    assert asked["tool_calls"][0]["function"]["name"] == "price"
    assert (answered["role"], answered["tool_call_id"]) == ("tool", "call_0")
    assert json.loads(answered["content"]) == {"price": 45}
    assert [tool["function"]["name"] for tool in scene.llm.calls[0].body["tools"]] == [
        "order",
        "price",
        "refund",
    ]


async def test_it_tells_watchers_of_calls_and_takes_back_what_is_no_answer(shop: House) -> None:
    script = (calls_tools(("price", {"sku": "a"}), text="Un momento."), says("45"))
    async with open_scene(shop, *script) as scene:
        posted = await apost(shop, "precio")
        told = await watched(shop, posted.session_id)
        await run_until_idle(scene.worker)
        story = await story_of(shop, posted.task.id)
    shown = ""
    texts = []
    for event in iter(told.take, None):
        if event.type == "message.reset":
            shown = ""
        elif event.type == "message.delta":
            shown = shown[: event.data["offset"]] + event.data["text"]
        texts.append((event.type, shown))
    assert texts == [
        ("step.started", ""),
        ("message.delta", "Un momento."),
        ("message.reset", ""),
        ("step.started", ""),
        ("step.started", ""),
        ("message.delta", "45"),
    ]
    called = [event.data for event in story.events if event.type == "tool.called"]
    assert called == [
        {"number": 3, "name": "price", "arguments": {"sku": "a"}, "status": "succeeded"}
    ]
    assert story.answer == "45"
    assert scene.told(1)[-2]["content"] == "Un momento."


async def test_calls_that_change_nothing_are_made_together_and_recorded_in_order(
    shop: House,
) -> None:
    calls = [("price", {"sku": str(number)}) for number in range(4)]
    async with open_scene(shop, calls_tools(*calls), says("Listo")) as scene:
        story = await scene.ask()
    tools = [step for step in story.steps if step.kind == "tool"]
    assert [step.number for step in tools] == [3, 4, 5, 6]
    assert [step.input["arguments"]["sku"] for step in tools] == ["0", "1", "2", "3"]
    assert len([event for event in story.events if event.type == "tool.called"]) == 4


async def test_a_call_that_changes_something_is_recorded_before_it_is_made(shop: House) -> None:
    call = ("order", {"sku": "TUB-050", "quantity": 10})
    async with open_scene(shop, calls_tools(call), says("Pedido hecho")) as scene:
        story = await scene.ask()
        keys = [asked.headers["idempotency-key"] for asked in scene.shop.asked]
    assert keys == [f"{story.task.id}:3:call_0"]
    told = [event.data["status"] for event in story.events if event.type == "tool.called"]
    assert told == ["started", "succeeded"]
    assert (story.steps[2].status, story.steps[2].input["idempotency_key"]) == (
        "succeeded",
        keys[0],
    )


HOSTILE = {
    "an unknown tool": ("fly", {"to": "moon"}),
    "malformed JSON": ("price", '{"sku": '),
    "no object": ("price", "[1, 2]"),
    "what does not fit": ("price", {"sku": 7}),
    "a NUL in a name": ("pri\x00ce", {"sku": "a"}),
    "a lone surrogate": ("price", '{"sku": "\\ud800", "quantity": "x"}'),
    "too deep": ("price", "[" * 3000),
}


@pytest.mark.parametrize("call", HOSTILE.values(), ids=HOSTILE.keys())
async def test_the_model_is_told_what_is_wrong_with_a_call(
    shop: House, call: tuple[str, object]
) -> None:
    async with open_scene(shop, calls_tools(call), says("Perdón")) as scene:
        story = await scene.ask()
    assert scene.shop.asked == []
    assert (story.steps[2].kind, story.steps[2].status) == ("tool", "failed")
    assert story.steps[2].output["code"] == "tool_retry"
    assert scene.told(1)[-1]["content"].startswith("Error: ")
    assert story.answer == "Perdón"


async def test_arguments_with_a_nul_are_stored_clean(shop: House) -> None:
    call = ("price", '{"sku": "a\\u0000"}')
    async with open_scene(shop, calls_tools(call), says("Va")) as scene:
        story = await scene.ask()
    assert story.steps[2].input["arguments"]["sku"] == "a\ufffd"
    assert story.answer == "Va"


async def test_of_a_hundred_calls_at_once_sixteen_are_made(shop: House) -> None:
    calls = [("price", {"sku": str(number)}) for number in range(100)]
    async with open_scene(shop, calls_tools(*calls), says("Listo")) as scene:
        story = await scene.ask()
    tools = [step for step in story.steps if step.kind == "tool"]
    assert (len(tools), len(scene.shop.asked)) == (16, 15)
    assert "Only 16 calls at a time" in tools[-1].output["detail"]
    assert story.answer == "Listo"


async def test_ten_thousand_calls_are_a_recorded_failure(shop: House) -> None:
    calls = [("price", {"sku": "a"})] * 10_000
    async with open_scene(shop, calls_tools(*calls), says("Aquí otra vez")) as scene:
        story = await scene.ask()
    assert (story.steps[1].status, story.steps[1].output["code"]) == ("failed", "llm_bad_answer")
    assert story.answer == "Aquí otra vez"


async def test_three_errors_in_a_row_end_the_task(shop: House) -> None:
    async with open_scene(shop, calls_tools(("order", {"sku": "a"}))) as scene:
        for _ in range(3):
            scene.shop.say(500, b'{"error": "broken"}')
        story = await scene.ask()
    assert (story.task.status, story.task.error_code) == ("failed", "errors_in_a_row")
    assert [e.data["code"] for e in story.events if e.type == "error"] == ["errors_in_a_row"]
    assert len(scene.shop.asked) == 3


BOUNDS = {
    "steps": ({"max_steps": 4}, "max_steps"),
    "tokens": ({"max_task_tokens": 30}, "max_task_tokens"),
}


@pytest.mark.parametrize(("bound", "code"), BOUNDS.values(), ids=BOUNDS.keys())
async def test_a_bound_that_is_met_is_a_recorded_outcome(
    shop: House, bound: dict[str, int], code: str
) -> None:
    await sync_to_async(allow)(shop, **bound)
    async with open_scene(shop, calls_tools(("price", {"sku": "a"}))) as scene:
        story = await scene.ask()
    assert (story.task.status, story.task.error_code) == ("failed", code)
    assert story.event_types[-2:] == ["error", "task.status_changed"]


async def test_a_task_that_takes_too_long_is_cut_off_in_the_middle_of_a_call(shop: House) -> None:
    await sync_to_async(allow)(shop, max_task_seconds=1)
    async with open_scene(shop, calls_tools(("price", {"sku": "a"})), says("tarde")) as scene:
        scene.shop.held = asyncio.Event()
        story = await scene.ask()
    assert (story.task.status, story.task.error_code) == ("failed", "max_task_seconds")
    assert story.steps[-1].output["code"] == "max_task_seconds"


async def test_the_fallback_agent_is_told_what_was_found_out(shop: House) -> None:
    script = (calls_tools(("price", {"sku": "a"})), status(400), says("Soy desk"))
    async with open_scene(shop, *script) as scene:
        scene.shop.say(200, b'{"price": 45}')
        story = await scene.ask()
    assert (story.answer, story.steps[-1].agent_slug) == ("Soy desk", "desk")
    system = scene.told(2)[0]["content"]
    assert "You are Desk." in system
    assert '- price {"sku":"a"}: {"price": 45}' in system
    assert [message["role"] for message in scene.told(2)] == ["system", "user"]
