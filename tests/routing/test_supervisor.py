import json
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async

from conversations.models import Session
from routing.hits import flush_hits
from routing.models import RuleDay
from tenants.scope import tenant_scope
from tenants.services import touch_configuration
from tests.cast import House, make_rule
from tests.engine import Story, apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import Behaviour, FakeLLM, says, status

pytestmark = pytest.mark.django_db(transaction=True)
ANSWER = {"action": "delegate", "agent_name": "sales", "intent": "buy", "confidence": 0.9}


def decides(**values: Any) -> Behaviour:
    return says(json.dumps(ANSWER | {"response": None} | values))


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


async def add_rule(house: House, *keywords: str, **values: Any) -> None:
    def add() -> None:
        make_rule(house.tenant, house.agents["desk"], list(keywords), **values)
        with tenant_scope(house.id):
            touch_configuration(house.id)

    await sync_to_async(add)()


async def turns(
    house: House, texts: list[str], *behaviours: Behaviour, **values: Any
) -> tuple[list[Story], FakeLLM]:
    stories: list[Story] = []
    session_id: UUID | None = None
    async with open_worker(*behaviours) as (worker, fake):
        for text in texts:
            posted = await apost(house, text, session_id=session_id, **values)
            session_id = posted.session_id
            await run_until_idle(worker)
            stories.append(await story_of(house, posted.task.id))
        return stories, fake


async def route(house: House, text: str, *behaviours: Behaviour, **values: Any) -> Any:
    stories, _ = await turns(house, [text], *behaviours, **values)
    return stories[0].steps[0]


async def test_the_trace_tells_what_was_tried_and_what_came_near(shop: House) -> None:
    condition = {"examples": ["mi pedido no ha llegado"], "threshold": 0.9}
    await add_rule(shop, name="lost", kind="examples", condition=condition)
    step = await route(shop, "mi pedido no llega", decides(), says("ok"))
    trace = step.output["trace"]
    assert trace["rules_tried"] == 2
    assert [near["rule"] for near in trace["near"]] == ["lost"]
    assert 0.7 < trace["near"][0]["score"] < 0.9
    assert trace["answer"]["intent"] == "buy"
    assert json.loads(trace["llm_said"][0]["text"])["agent_name"] == "sales"
    assert set(trace["breakers"].values()) == {"closed"}
    assert len(trace["supervisor_prompt"]) == 12
    assert len(json.dumps(trace)) < 4000


async def test_a_rule_on_the_intent_has_the_last_word_on_the_agent(shop: House) -> None:
    await add_rule(shop, name="buyers", kind="intent", condition={"any": ["buy"]})
    step = await route(shop, "hola", decides(), says("ok"))
    assert (step.agent_slug, step.output["source"]) == ("desk", "rule")
    assert step.reason == "Rule «buyers»: intent «buy», which the LLM found."
    unsure = await route(shop, "hola", decides(confidence=0.4), says("ok"))
    assert unsure.output["source"] == "fallback"


async def test_rules_see_the_context_and_the_session(shop: House) -> None:
    vip = {"path": "customer.tier", "operator": "equals", "value": "vip"}
    await add_rule(shop, name="vip", kind="context", condition=vip)
    later = {"any": ["vip-sale"], "of": "previous"}
    await add_rule(shop, name="again", kind="intent", condition=later)
    step = await route(shop, "hola", says("ok"), context={"customer": {"tier": "VIP"}})
    assert step.reason.startswith("Rule «vip»")
    talking = {"agents": ["sales"], "min_turns": 1, "max_turns": 1}
    await add_rule(shop, name="still", kind="session", condition=talking)
    stories, _ = await turns(shop, ["precio", "y de la otra"], says("ok"), says("ok"))
    second = stories[1].steps[0]
    assert second.reason == "Rule «still»: turn 2 with «sales»."
    assert second.input["session"]["num_turns"] == 1


async def test_the_intent_of_a_turn_is_known_in_the_next(shop: House) -> None:
    again = {"any": ["Price"], "of": "previous"}
    await add_rule(shop, name="again", kind="intent", condition=again)
    await add_rule(shop, "cost", name="cost", intent="price")
    stories, _ = await turns(shop, ["cost", "and the other"], says("ok"), says("ok"))
    assert stories[1].steps[0].reason == "Rule «again»: the turn before was «price»."

    def remembered() -> str:
        with tenant_scope(shop.id):
            return Session.objects.get().last_intent

    assert await sync_to_async(remembered)() == ""


async def test_what_rules_decide_is_counted_once(shop: House) -> None:
    await sync_to_async(flush_hits)()
    await turns(shop, ["precio", "hola"], says("ok"), decides(), says("ok"))

    def counted() -> list[tuple[str, int]]:
        flush_hits()
        with tenant_scope(shop.id):
            return list(RuleDay.objects.values_list("rule__name", "num_hits"))

    assert await sync_to_async(counted)() == [("rule 0", 1)]


@pytest.mark.parametrize(
    ("answers", "source", "agent"),
    [
        ([decides(agent_name="desk", confidence=0.6)], "sticky", "sales"),
        ([decides(agent_name="desk", confidence=0.75)], "llm", "desk"),
        ([decides(agent_name="sales", confidence=0.1)], "llm", "sales"),
        ([decides(action="respond", response="Bye", confidence=0.6)], "llm", "sales"),
        ([decides(agent_name=None, confidence=0.9)], "sticky", "sales"),
        ([says("x"), says("y")], "sticky", "sales"),
        ([status(401)], "sticky", "sales"),
    ],
)
async def test_the_agent_that_has_the_conversation_keeps_it(
    shop: House, answers: list[Behaviour], source: str, agent: str
) -> None:
    stories, _ = await turns(shop, ["precio", "hmm"], says("ok"), *answers, says("ok"))
    step = stories[1].steps[0]
    assert (step.output["source"], step.agent_slug) == (source, agent)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "said",
    [
        json.dumps(ANSWER | {"response": None, "agent_name": "nobody"}),
        json.dumps(ANSWER | {"response": None, "confidence": float("nan")}),
        json.dumps(ANSWER | {"response": None, "confidence": float("inf")}),
        json.dumps(ANSWER | {"response": None, "confidence": 10**400}),
        '{"confidence": ' + "9" * 5000 + "}",
        json.dumps(ANSWER | {"response": "x" * 60_000}),
        json.dumps(ANSWER | {"response": None, "intent": "x" * 64}),
        nested(100_000),
        "\x00",
        '"\\ud800"',
        "",
    ],
    ids=lambda said: said[:20].encode("unicode-escape").decode(),
)
async def test_hostile_decisions_are_asked_for_once_more_and_then_given_up(
    shop: House, said: str
) -> None:
    stories, fake = await turns(shop, ["hola"], says(said), says(said), says("ok"))
    step = stories[0].steps[0]
    assert (step.output["source"], step.agent_slug) == ("fallback", "desk")
    assert len(step.output["trace"]["llm_said"]) == 2
    assert all(len(one["text"]) <= 2000 for one in step.output["trace"]["llm_said"])
    assert stories[0].answer == "ok"
    assert "cannot be used" in fake.calls[1].body["messages"][-1]["content"]
    assert len(json.dumps(fake.calls[1].body)) < 20_000


async def test_what_json_hides_in_a_decision_can_be_stored(shop: House) -> None:
    hidden = json.dumps(ANSWER | {"response": None, "intent": "a\x00b\ud800c"})
    step = await route(shop, "hola", says(hidden), says("ok"))
    assert step.output["intent"] == "a\ufffdb\ufffdc"
    assert step.output["trace"]["answer"]["intent"] == "a\ufffdb\ufffdc"
