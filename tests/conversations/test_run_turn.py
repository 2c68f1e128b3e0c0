import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from prompts.models import PromptVersion
from routing.models import Agent
from tenants.scope import tenant_scope
from tests.cast import House
from tests.engine import Story, apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import Behaviour, FakeLLM, raw, says, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


def decides(slug: str | None, **values: Any) -> Behaviour:
    answer = {
        "action": "delegate",
        "agent_name": slug,
        "intent": "buy",
        "confidence": 0.9,
        "response": None,
    }
    return says(json.dumps(answer | values))


async def turn(
    house: House, text: str, *behaviours: Behaviour, **values: Any
) -> tuple[Story, FakeLLM]:
    async with open_worker(*behaviours) as (worker, fake):
        posted = await apost(house, text, **values)
        await run_until_idle(worker)
        return await story_of(house, posted.task.id), fake


async def test_it_answers_with_the_agent_that_a_rule_names(shop: House) -> None:
    story, fake = await turn(shop, "¿Qué precios tienen?", says("Diez ", "pesos"))
    assert story.answer == "Diez pesos"
    assert [step.kind for step in story.steps] == ["route", "model"]
    assert "keyword «price»" in story.steps[0].reason or "keyword «precio»" in story.steps[0].reason
    assert story.steps[0].output["source"] == "rule"
    assert len(fake.calls) == 1


async def test_it_tells_the_agent_its_prompt_and_the_message(shop: House) -> None:
    _, fake = await turn(shop, "precio", says("ok"))
    system, user = fake.calls[0].body["messages"]
    assert system == {"role": "system", "content": "You are Sales."}
    assert user == {"role": "user", "content": "precio"}


async def test_it_records_tokens_times_and_the_prompt_version(shop: House) -> None:
    story, _ = await turn(shop, "precio", says("ok"))
    model = story.steps[1]
    assert (model.input_tokens, model.output_tokens, model.llm) == (11, 7, "fake-1")
    assert model.duration_ms > 0
    assert model.first_token_ms is not None
    assert model.input["prompt_version"] == "sales v1"


async def test_it_asks_the_llm_when_no_rule_decides(shop: House) -> None:
    story, fake = await turn(shop, "hola", decides("sales"), says("Hola"))
    assert story.steps[0].output["source"] == "llm"
    assert story.steps[0].agent_slug == "sales"
    assert story.answer == "Hola"
    names = fake.calls[0].body["response_format"]["json_schema"]["schema"]["properties"]
    assert names["agent_name"]["enum"] == ["desk", "sales", None]


async def test_it_lets_the_supervisor_answer_by_itself(shop: House) -> None:
    story, _ = await turn(shop, "hola", decides(None, action="respond", response="¡Buenas!"))
    assert story.answer == "¡Buenas!"
    assert [step.kind for step in story.steps] == ["route"]


async def test_it_falls_back_when_the_llm_is_not_sure(shop: House) -> None:
    story, _ = await turn(shop, "xyz", decides("sales", confidence=0.2), says("¿Perdón?"))
    assert (story.steps[0].agent_slug, story.steps[0].output["source"]) == ("desk", "fallback")


@pytest.mark.parametrize("nonsense", ["not json", "{}", '{"action": "dance"}', "[[[[", "null"])
async def test_it_asks_again_with_the_error_and_then_falls_back(shop: House, nonsense: str) -> None:
    story, fake = await turn(shop, "xyz", says(nonsense), says(nonsense), says("Hola"))
    assert (story.steps[0].agent_slug, story.steps[0].output["source"]) == ("desk", "fallback")
    assert "cannot be used" in fake.calls[1].body["messages"][-1]["content"]
    assert story.answer == "Hola"


async def test_it_follows_a_repaired_decision(shop: House) -> None:
    story, _ = await turn(shop, "xyz", says("oops"), decides("sales"), says("Hola"))
    assert story.steps[0].agent_slug == "sales"


async def test_it_keeps_the_active_agent_when_the_llm_is_half_sure(shop: House) -> None:
    async with open_worker(says("uno"), decides("desk", confidence=0.6), says("dos")) as (
        worker,
        _,
    ):
        first = await apost(shop, "precio")
        await run_until_idle(worker)
        second = await apost(shop, "¿y entonces?", first.session_id)
        await run_until_idle(worker)
        story = await story_of(shop, second.task.id)
    assert (story.steps[0].agent_slug, story.steps[0].output["source"]) == ("sales", "sticky")


async def test_it_obeys_a_request_for_an_agent(shop: House) -> None:
    story, _ = await turn(shop, "precio", says("ok"), agent="desk")
    assert (story.steps[0].agent_slug, story.steps[0].output["source"]) == ("desk", "asked_for")


async def test_it_writes_every_durable_event_in_order_and_one_end(shop: House) -> None:
    story, _ = await turn(shop, "precio", says("ok"))
    assert story.event_types == [
        "message.created",
        "task.status_changed",
        "task.status_changed",
        "step.recorded",
        "step.recorded",
        "chat.response",
        "task.status_changed",
    ]
    assert story.statuses == ["queued", "processing", "completed"]
    assert [event.seq for event in story.events] == list(range(1, 8))
    assert story.session.last_seq == 7


async def test_it_lets_the_fallback_agent_answer_for_a_failing_one(shop: House) -> None:
    story, _ = await turn(shop, "precio", status(400), says("Yo ayudo"))
    assert [step.status for step in story.steps] == ["succeeded", "failed", "succeeded"]
    assert (story.answer, story.steps[2].agent_slug) == ("Yo ayudo", "desk")


async def test_it_fails_with_a_typed_error_when_everybody_fails(shop: House) -> None:
    story, _ = await turn(shop, "precio", status(400))
    assert (story.task.status, story.task.error_code) == ("failed", "llm_rejected")
    assert story.answer is None
    error = next(event for event in story.events if event.type == "error")
    assert error.data["code"] == "llm_rejected"
    assert story.statuses[-1] == "failed"


async def test_it_does_not_repeat_a_call_after_the_first_token(shop: House) -> None:
    cut = raw(b'data: {"choices":[{"index":0,"delta":{"content":"Ho"}}]}\n\n', is_cut=True)
    story, fake = await turn(shop, "precio", cut, says("Hola"))
    assert len(fake.calls) == 2
    assert [step.agent_slug for step in story.steps] == ["sales", "sales", "desk"]
    assert story.answer == "Hola"


async def test_it_remembers_the_conversation_in_the_order_of_its_turns(shop: House) -> None:
    async with open_worker(says("uno"), says("dos")) as (worker, fake):
        first = await apost(shop, "precio A")
        await apost(shop, "precio B", first.session_id)
        await run_until_idle(worker)
    said = [message["content"] for message in fake.calls[1].body["messages"][1:]]
    assert said == ["precio A", "uno", "precio B"]


async def test_it_answers_messages_of_one_session_one_after_another(shop: House) -> None:
    async with open_worker(says("uno"), says("dos")) as (worker, _):
        first = await apost(shop, "precio A")
        second = await apost(shop, "precio B", first.session_id)
        await worker.run_once()
        assert (await story_of(shop, first.task.id)).task.status == "completed"
        assert (await story_of(shop, second.task.id)).task.status == "queued"
        await worker.run_once()
        assert (await story_of(shop, second.task.id)).answer == "dos"


async def test_it_says_so_when_an_agent_has_no_published_prompt(shop: House) -> None:
    def retire() -> None:
        with tenant_scope(shop.id):
            PromptVersion.objects.update(status=PromptVersion.Status.RETIRED)

    await sync_to_async(retire)()
    story, _ = await turn(shop, "precio", says("ok"))
    assert (story.task.status, story.task.error_code) == ("failed", "agent_not_ready")


async def test_it_says_so_when_no_agent_is_active(shop: House) -> None:
    def close() -> None:
        with tenant_scope(shop.id):
            Agent.objects.update(is_active=False)

    await sync_to_async(close)()
    story, _ = await turn(shop, "precio", says("ok"))
    assert (story.task.status, story.task.error_code) == ("failed", "no_agent")
