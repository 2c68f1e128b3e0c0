import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from routing.models import Agent, AgentTool
from routing.polite import POLITE_ANSWERS
from routing.snapshot import forget_snapshots
from tenants.scope import tenant_scope
from tests.cast import House
from tests.engine import Story, apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import (
    Behaviour,
    calls_tools,
    chunk,
    data,
    drips,
    hangs,
    raw,
    says,
    status,
)
from tests.routing.test_api_tools import make_tool

WORD = data(chunk({"content": "la "}))
DECISION = {"action": "delegate", "intent": "", "confidence": 0.9, "response": None}
MODELS: dict[str, Behaviour] = {
    "says NULs": says("a\x00b"),
    "says half an emoji": raw(
        b'data: {"choices":[{"index":0,"delta":{"content":"x\\ud83d"}}]}\n\n', b"data: [DONE]\n\n"
    ),
    "says nothing": says(),
    "says blanks": says("  \n"),
    "sends no JSON": raw(b"data: {oops\n\n"),
    "sends a page": raw(b"<html>", content_type="text/html"),
    "never ends": drips(WORD, pause=0.01),
    "never ends a line": drips(b"x" * 300_000, pause=0),
    "never begins": hangs(starts=False),
    "falls silent": hangs(WORD),
    "breaks off": raw(WORD, is_cut=True),
    "breaks": status(500),
    "is down": status(503, retry_after="0"),
    "is busy": status(429, retry_after="0"),
    "is busy for long": status(429, retry_after="3600"),
    "refuses the key": status(401),
    "calls 10,000 tools": calls_tools(*[("price", {"sku": "a"})] * 10_000),
    "calls unknown tools": calls_tools(("rm", {}), ("\x00", {}), ("price; drop", "{")),
    "calls with no JSON": calls_tools(("price", "{oops"), ("price", "[]"), ("price", '"\\ud800"')),
}


@pytest.fixture
def house(transactional_db: None, acme: House) -> House:
    ask_fake_llm(acme)
    tool = make_tool(acme)
    with tenant_scope(acme.id):
        AgentTool.objects.create(agent=acme.agents["sales"], tool=tool)
        Agent.objects.update(timeout_seconds=0.2, max_retries=1, max_steps=4, failure_answer=None)
    forget_snapshots()
    return acme


async def turn(house: House, *behaviours: Behaviour, text: str = "price?") -> Story:
    async with open_worker(*behaviours) as (worker, _):
        posted = await apost(house, text)
        await run_until_idle(worker)
    return await story_of(house, posted.task.id)


@pytest.mark.parametrize("model", MODELS)
async def test_the_customer_is_always_answered(house: House, model: str) -> None:
    story = await turn(house, MODELS[model])
    assert story.task.status == "completed"
    assert story.answer
    assert "\x00" not in story.answer
    assert story.answer.encode()
    if story.answer == POLITE_ANSWERS["es"]:
        assert story.task.error_code
        assert [step.status for step in story.steps].count("failed") >= 1


@pytest.mark.parametrize("model", MODELS)
async def test_without_words_for_it_the_error_has_a_type(house: House, model: str) -> None:
    await sync_to_async(be_silent)(house)
    story = await turn(house, MODELS[model])
    if story.task.status == "failed":
        assert story.task.error_code not in {"", "internal", "internal_error"}
        assert "error" in story.event_types
    else:
        assert (story.task.status, bool(story.answer)) == ("completed", True)


def be_silent(house: House) -> None:
    with tenant_scope(house.id):
        Agent.objects.update(failure_answer="")
    forget_snapshots()


@pytest.mark.parametrize(
    "said",
    [
        json.dumps(DECISION | {"agent_name": "nobody"}),
        json.dumps(DECISION | {"agent_name": "sales\x00"}),
        json.dumps(DECISION | {"agent_name": "sales", "confidence": 7}),
        '{"action": "delegate"',
        "[]",
        "\ud800".encode("utf-16", "surrogatepass").decode("latin-1"),
    ],
)
async def test_a_supervisor_that_raves_leads_to_the_fallback(house: House, said: str) -> None:
    story = await turn(house, says(said), says(said), says("hola"), text="buenas")
    assert (story.steps[0].agent_slug, story.answer) == ("desk", "hola")


async def test_a_slow_agent_is_tried_again_then_replaced(house: House) -> None:
    story = await turn(house, hangs(), hangs(), says("aquí estoy"))
    told: list[Any] = [(step.agent_slug, step.status) for step in story.steps]
    assert told == [("sales", "succeeded"), ("sales", "failed"), ("desk", "succeeded")]
    assert story.answer == "aquí estoy"
