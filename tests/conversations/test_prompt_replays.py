import asyncio
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from conversations.drafts.loop import MAX_GIVEN_WAY
from conversations.models import Message, Session, Task
from conversations.services.retention import purge_sessions
from prompts.errors import NothingToReplay, ReplayConflict
from prompts.models import PromptVersion
from prompts.replay_models import PromptReplay, PromptReplayMessage
from prompts.replays import cancel_replay, estimate_replays, resume_replay
from prompts.runs import RunLost, claim_run, renew_run
from prompts.services import edit_draft
from routing.models import RoutingRule
from tenants.scope import in_tenant
from tenants.services import touch_configuration
from tenants.usage_models import UsageRecord
from tests.cast import House, make_rule
from tests.conversations.test_charging import set_budget
from tests.conversations.tools import open_scene
from tests.drafts import answer_in_the_past, begin_replay, draft_of, open_drafts, replay_of
from tests.engine import apost, ask_fake_llm
from tests.fakes.llm_server import calls_tools, hangs, says, status

pytestmark = pytest.mark.django_db(transaction=True)

abegin, afind = sync_to_async(begin_replay), sync_to_async(replay_of)


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


async def test_real_messages_are_answered_under_the_draft_and_nobody_hears(shop: House) -> None:
    await answer_in_the_past(shop, "precio 1", "precio 2", "precio 3")
    replay = await abegin(shop, limit=2)
    before = await in_tenant(shop.id, lambda: (Task.objects.count(), Message.objects.count()))
    async with open_drafts(says("Hola, cuesta 20."), says("Cuesta 20.")) as (loop, fake):
        await loop.run_until_idle()
    replay, messages = await afind(replay)
    assert (replay.status, replay.num_done, replay.num_parts) == ("completed", 2, 2)
    assert (replay.num_same, replay.num_equal) == (2, 1)
    assert [message.message for message in messages] == ["precio 3", "precio 2"]
    assert [message.new_answer for message in messages] == ["Hola, cuesta 20.", "Cuesta 20."]
    assert {message.old_answer for message in messages} == {"Cuesta 20."}
    assert fake.calls[0].body["messages"][0]["content"].startswith("Eres Ana.")
    after = await in_tenant(shop.id, lambda: (Task.objects.count(), Message.objects.count()))
    assert after == before


async def test_calls_are_charged_as_replays_and_compared_with_what_was_paid(shop: House) -> None:
    await answer_in_the_past(shop, "precio 1")
    replay = await abegin(shop)
    async with open_drafts(says("Caro.")) as (loop, _):
        await loop.run_until_idle()
    replay, _ = await afind(replay)
    rows = await in_tenant(shop.id, lambda: list(UsageRecord.objects.filter(kind="replay")))
    assert [(row.agent_slug, row.task_id) for row in rows] == [("sales", None)]
    assert replay.new_tokens == rows[0].input_tokens + rows[0].output_tokens
    assert replay.new_cost_nano == rows[0].cost_nano > 0
    assert replay.old_tokens == 18
    # A draft that is longer than what is published costs more with every call.
    draft = await in_tenant(shop.id, PromptVersion.objects.get, pk=replay.version_id)
    more = draft.num_tokens * int(rows[0].input_price * 1000)
    assert replay.estimated_nano == replay.old_cost_nano + more


async def test_it_says_who_else_would_answer_and_who_would_fall_back(shop: House) -> None:
    await answer_in_the_past(shop, "precio 1", "precio 2")
    await in_tenant(shop.id, _route_to_desk, shop)
    replay = await abegin(shop)
    # The newest is routed to the desk, as a rule now says; for the other one the LLM is down once.
    async with open_drafts(says("Mesa."), status(400), says("Mesa.")) as (loop, _):
        await loop.run_until_idle()
    replay, messages = await afind(replay)
    assert [message.outcome for message in messages] == ["changed", "fell_back"]
    assert {message.new_agent for message in messages} == {"desk"}
    assert (replay.num_changed, replay.num_fell_back, replay.num_same) == (1, 1, 0)


def _route_to_desk(house: House) -> None:
    make_rule(house.tenant, house.agents["desk"], ["precio 2"])
    RoutingRule.objects.filter(pk=house.rules[0].pk).update(position=9)
    touch_configuration(house.id)


@pytest.mark.usefixtures("tool_calls")
async def test_tools_say_what_they_said_then_and_are_never_called(shop: House) -> None:
    price = ("price", {"sku": "a"})
    async with open_scene(shop, calls_tools(price), says("45")) as scene:
        scene.shop.say(200, b'{"price": 45}')
        await scene.ask()
        num_calls = len(scene.shop.asked)
        replay = await abegin(shop)
        script = (calls_tools(price), calls_tools(("order", {"sku": "a"})), says("Listo."))
        async with open_drafts(*script) as (loop, fake):
            await loop.run_until_idle()
        assert len(scene.shop.asked) == num_calls, "nothing reached the shop"
    replay, (message,) = await afind(replay)
    assert message.new_answer == "Listo."
    assert [(call["name"], call["source"]) for call in message.calls] == [
        ("price", "recorded"),
        ("order", "not_made"),
    ]
    assert '"price":45' in fake.calls[1].body["messages"][-1]["content"].replace(" ", "")
    assert "the call was noted and not made" in fake.calls[2].body["messages"][-1]["content"]


async def test_it_goes_on_where_a_dead_process_left_it(shop: House) -> None:
    await answer_in_the_past(shop, "precio 1", "precio 2")
    replay = await abegin(shop)
    async with open_drafts(says("Uno.")) as (loop, _):
        await loop.run_once()
    dead = await sync_to_async(claim_run)()
    assert dead is not None
    assert await sync_to_async(claim_run)() is None, "it has a lease"
    past = timezone.now() - timedelta(seconds=1)
    await in_tenant(shop.id, lambda: PromptReplay.objects.update(lease_until=past))
    async with open_drafts(says("Dos.")) as (loop, fake):
        await loop.run_until_idle()
    with pytest.raises(RunLost):
        await in_tenant(shop.id, renew_run, dead)
    replay, messages = await afind(replay)
    assert (replay.status, [m.new_answer for m in messages]) == ("completed", ["Uno.", "Dos."])
    assert len(fake.calls) == 1, "what was done is not done again"


async def test_a_message_that_kills_its_process_is_passed_over(shop: House) -> None:
    await answer_in_the_past(shop, "precio 1")
    replay = await abegin(shop)
    for _ in range(3):
        assert await sync_to_async(claim_run)()
        past = timezone.now() - timedelta(seconds=1)
        await in_tenant(shop.id, lambda at=past: PromptReplay.objects.update(lease_until=at))
    async with open_drafts(says("Uno.")) as (loop, fake):
        await loop.run_until_idle()
    replay, (message,) = await afind(replay)
    assert (replay.status, message.outcome, fake.calls) == ("completed", "failed", [])
    assert "three times" in message.problem


async def test_cancelling_closes_the_call_under_way(shop: House, settings: Any) -> None:
    settings.ORKESTA_WORKER_SLEEP_SECONDS = 0.05
    await answer_in_the_past(shop, "precio 1", "precio 2")
    replay = await abegin(shop)
    async with open_drafts(hangs()) as (loop, fake):
        working = asyncio.create_task(loop.run_once())
        while not fake.calls:
            await asyncio.sleep(0.01)
        await in_tenant(shop.id, cancel_replay, replay)
        await asyncio.wait_for(working, 10)
        assert fake.calls[0].was_closed
        assert not await loop.run_once()
    replay, _ = await afind(replay)
    assert (replay.status, replay.num_done) == ("cancelled", 0)


async def test_stopping_leaves_the_part_to_somebody_else_at_once(shop: House) -> None:
    await answer_in_the_past(shop, "precio 1")
    replay = await abegin(shop)
    async with open_drafts(hangs()) as (loop, fake):
        working = asyncio.create_task(loop.run_forever())
        while not fake.calls:
            await asyncio.sleep(0.01)
        loop.stop()
        await asyncio.wait_for(working, 10)
    replay, _ = await afind(replay)
    assert (replay.status, replay.lease_until) == ("running", None)


async def test_it_waits_when_the_budget_is_spent_and_goes_on_when_told(shop: House) -> None:
    await answer_in_the_past(shop, "precio 1")
    replay = await abegin(shop)
    await sync_to_async(set_budget)(shop, "0.00")
    async with open_drafts(says("Uno.")) as (loop, fake):
        await loop.run_until_idle()
        assert fake.calls == []
        replay, _ = await afind(replay)
        assert (replay.status, replay.reason) == ("paused", "budget")
        await sync_to_async(set_budget)(shop, "5.00")
        await in_tenant(shop.id, resume_replay, replay)
        await loop.run_until_idle()
    replay, _ = await afind(replay)
    assert (replay.status, replay.num_same) == ("completed", 1)


async def test_other_words_than_those_that_were_begun_with_end_it(shop: House) -> None:
    await answer_in_the_past(shop, "precio 1")
    replay = await abegin(shop)
    await in_tenant(shop.id, _edit, replay)
    async with open_drafts(says("Uno.")) as (loop, fake):
        await loop.run_until_idle()
    replay, _ = await afind(replay)
    assert (replay.status, replay.reason, fake.calls) == ("cancelled", "edited", [])


def _edit(replay: PromptReplay) -> None:
    edit_draft(version=PromptVersion.objects.get(pk=replay.version_id), source="Eres Eva.")


async def test_one_at_a_time_and_nothing_without_messages(shop: House) -> None:
    with pytest.raises(NothingToReplay):
        await abegin(shop)
    await answer_in_the_past(shop, "precio 1")
    await abegin(shop)
    with pytest.raises(ReplayConflict):
        await abegin(shop)


async def test_messages_are_forgotten_with_their_session(shop: House) -> None:
    await answer_in_the_past(shop, "precio 1")
    await abegin(shop)
    await in_tenant(shop.id, _age, shop)
    await in_tenant(shop.id, purge_sessions, shop.id)
    assert await in_tenant(shop.id, PromptReplayMessage.objects.count) == 0
    async with open_drafts(says("Uno.")) as (loop, fake):
        await loop.run_until_idle()
    statuses = await in_tenant(shop.id, lambda: set(PromptReplay.objects.values_list("status")))
    assert (statuses, fake.calls) == ({("completed",)}, [])


def _age(house: House) -> None:
    Session.objects.update(status="closed", last_activity_at=timezone.now() - timedelta(days=4000))


async def test_another_house_sees_nothing_of_it(shop: House, rival: House) -> None:
    await answer_in_the_past(shop, "precio 1")
    with pytest.raises(NothingToReplay):
        await abegin(rival)
    draft = await sync_to_async(draft_of)(rival)
    estimates = await in_tenant(rival.id, estimate_replays, draft, [50])
    assert [estimate.num_messages for estimate in estimates] == [0]


async def test_live_traffic_goes_first(shop: House, settings: Any) -> None:
    await answer_in_the_past(shop, "precio 1")
    await abegin(shop)
    await apost(shop, "precio 2")
    await in_tenant(shop.id, _wait_long)
    async with open_drafts(says("Uno.")) as (loop, fake):
        assert not await loop.run_once()
        assert fake.calls == []
        for _ in range(MAX_GIVEN_WAY):
            await loop.run_once()
    assert len(fake.calls) == 1, "but not for ever"


def _wait_long() -> None:
    Task.objects.filter(status="queued").update(available_at=timezone.now() - timedelta(seconds=9))
