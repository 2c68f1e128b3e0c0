import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings

from conversations.services import resume_task
from tenants.models import TierOverride
from tenants.scope import tenant_scope
from tenants.usage.totals import read_spent_this_month
from tenants.usage_models import Budget, LLMPrice, UsageRecord
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import says, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(acme: House) -> House:
    """Its LLM costs 1 dollar per million tokens in, half when cached, and 2 out."""
    with tenant_scope(acme.id):
        LLMPrice.objects.create(llm="fake-1", input_price=1, cached_price="0.5", output_price=2)
    return ask_fake_llm(acme)


def records(house: House) -> list[UsageRecord]:
    with tenant_scope(house.id):
        return list(UsageRecord.objects.order_by("id"))


def set_budget(house: House, dollars: str, **values: Any) -> None:
    with tenant_scope(house.id):
        Budget.objects.update_or_create(defaults={"money_per_month": Decimal(dollars)} | values)


def resume(house: House, task_id: Any) -> None:
    with tenant_scope(house.id):
        resume_task(task_id=task_id)


async def test_a_call_leaves_one_row_with_its_price(shop: House) -> None:
    async with open_worker(says("Diez")) as (worker, _):
        posted = await apost(shop, "precio")
        await run_until_idle(worker)
    (row,) = await sync_to_async(records)(shop)
    assert (row.kind, row.agent_slug, row.llm, row.endpoint) == (
        "llm",
        "sales",
        "fake-1",
        "Offline",
    )
    assert (row.input_tokens, row.cached_tokens, row.output_tokens) == (11, 3, 7)
    assert row.cost_nano == 8 * 1000 + 3 * 500 + 7 * 2000
    assert (row.input_price, row.cached_price, row.output_price) == (1, Decimal("0.5"), 2)
    assert (row.price_source, row.is_estimated) == ("override", False)
    assert (row.task_id, row.session_id) == (posted.task.id, posted.session_id)
    assert row.step_number == 2


async def test_the_supervisors_call_is_nobodys_but_the_supervisors(shop: House) -> None:
    decision = {"action": "delegate", "agent_name": "desk", "intent": "x", "confidence": 0.9}
    answer = says(json.dumps(decision | {"response": None}))
    async with open_worker(answer, says("Hola")) as (worker, _):
        await apost(shop, "buenas")
        await run_until_idle(worker)
    rows = await sync_to_async(records)(shop)
    assert [(row.agent_slug, row.step_number) for row in rows] == [("", 1), ("desk", 2)]


async def test_an_unknown_price_is_assumed_and_never_zero(
    acme: House, settings: LazySettings
) -> None:
    settings.ORKESTA_ASSUMED_PRICE = 100.0
    async with open_worker(says("Diez")) as (worker, _):
        await apost(await sync_to_async(ask_fake_llm)(acme), "precio")
        await run_until_idle(worker)
    (row,) = await sync_to_async(records)(acme)
    assert row.price_source == "unknown"
    assert row.cost_nano == 18 * 100_000


async def test_a_call_that_failed_before_it_said_anything_costs_nothing(shop: House) -> None:
    async with open_worker(status(400)) as (worker, _):
        await apost(shop, "precio")
        await run_until_idle(worker)
    assert await sync_to_async(records)(shop) == []


async def test_a_used_up_budget_pauses_the_task_and_a_raised_one_lets_it_go_on(
    shop: House,
) -> None:
    await sync_to_async(set_budget)(shop, "0.00")
    async with open_worker(says("Diez")) as (worker, fake):
        posted = await apost(shop, "precio")
        await run_until_idle(worker)
        paused = await story_of(shop, posted.task.id)
        assert paused.task.status == "paused"
        assert paused.events[-1].data["reason"] == "budget"
        assert fake.calls == []
        await sync_to_async(set_budget)(shop, "5.00")
        await sync_to_async(resume)(shop, posted.task.id)
        await run_until_idle(worker)
    story = await story_of(shop, posted.task.id)
    assert (story.task.status, story.answer) == ("completed", "Diez")
    assert [step.kind for step in story.steps] == ["route", "model"]


async def test_it_pauses_where_the_supervisor_would_be_asked(shop: House) -> None:
    await sync_to_async(set_budget)(shop, "0.00")
    async with open_worker(says("Hola")) as (worker, fake):
        posted = await apost(shop, "buenas")
        await run_until_idle(worker)
    story = await story_of(shop, posted.task.id)
    assert (story.task.status, story.steps, fake.calls) == ("paused", [], [])


async def test_a_soft_budget_stops_nothing(shop: House) -> None:
    await sync_to_async(set_budget)(shop, "0.00", is_hard=False)
    async with open_worker(says("Diez")) as (worker, _):
        posted = await apost(shop, "precio")
        await run_until_idle(worker)
    assert (await story_of(shop, posted.task.id)).task.status == "completed"


async def test_tokens_have_a_limit_of_their_own(shop: House) -> None:
    with tenant_scope(shop.id):
        await sync_to_async(TierOverride.objects.create)(
            limit="tokens_per_month", value=20, reason="trial"
        )
    async with open_worker(says("Diez")) as (worker, _):
        first, second = await apost(shop, "precio"), await apost(shop, "precio")
        third = await apost(shop, "precio")
        await run_until_idle(worker)
    stories = [await story_of(shop, posted.task.id) for posted in (first, second, third)]
    assert sorted(story.task.status for story in stories) == ["completed", "completed", "paused"]


async def test_sixty_four_calls_at_once_overshoot_by_less_than_one(shop: House) -> None:
    await sync_to_async(set_budget)(shop, "0.01")
    costs = {"prompt_tokens": 100, "completion_tokens": 900}  # 1,900,000 nano each; five fit
    async with open_worker(says("Diez", usage=costs)) as (worker, fake):
        await asyncio.gather(*(apost(shop, "precio") for _ in range(64)))
        await run_until_idle(worker)
    with tenant_scope(shop.id):
        spent = await sync_to_async(read_spent_this_month)(shop.id)
    assert 10_000_000 <= spent.nano < 10_000_000 + 1_900_000
    assert len(fake.calls) == 6
