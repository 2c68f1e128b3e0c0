from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from routing.errors import LLMError
from routing.gateway import Gateway
from routing.llm.types import Completion, LLMTarget
from tenants.errors import BudgetExhausted, LLMNotAllowed
from tenants.models import Tier
from tenants.scope import in_tenant
from tenants.usage_models import Budget, UsageRecord
from tests.cast import House
from tests.fakes.llm_door import HELLO, TARGET, Door, open_door
from tests.fakes.llm_server import says, status

pytestmark = pytest.mark.django_db(transaction=True)


def target_of(house: House) -> LLMTarget:
    return replace(TARGET, tenant_id=str(house.id))


async def records(house: House) -> list[UsageRecord]:
    return await in_tenant(house.id, lambda: list(UsageRecord.objects.order_by("id")))


async def limit(house: House, dollars: Any) -> None:
    await in_tenant(house.id, Budget(money_per_month=Decimal(dollars)).save)


async def ask(house: House, door: Door) -> Completion:
    return await Gateway(door.client).complete(target_of(house), HELLO)


async def test_a_call_outside_of_any_task_is_written_at_once(acme: House) -> None:
    async with open_door(says("hola")) as door:
        await ask(acme, door)
    (row,) = await records(acme)
    assert (row.input_tokens, row.output_tokens, row.task_id) == (11, 7, None)


async def test_a_call_whose_caller_left_is_charged_by_estimate(acme: House) -> None:
    async with (
        open_door(says("Buenos ", "días", pause=0.05)) as door,
        aclosing(Gateway(door.client).stream(target_of(acme), HELLO)) as pieces,
    ):
        assert await anext(pieces) == "Buenos "
    (row,) = await records(acme)
    assert row.is_estimated
    assert (row.input_tokens, row.output_tokens) == (2, 2)
    assert row.cost_nano > 0


async def test_a_caller_who_takes_the_completion_and_leaves_is_charged_once(acme: House) -> None:
    async with open_door(says("hola")) as door:
        async for piece in Gateway(door.client).stream(target_of(acme), HELLO):
            if isinstance(piece, Completion):
                break
        assert [row.is_estimated for row in await records(acme)] == [False]
    assert len(await records(acme)) == 1


async def test_a_provider_that_does_not_count_is_estimated(acme: House) -> None:
    async with open_door(says("hola", usage=None)) as door:
        await ask(acme, door)
    assert [row.is_estimated for row in await records(acme)] == [True]


async def test_a_refused_call_costs_nothing_and_gives_its_hold_back(acme: House) -> None:
    await limit(acme, "0.05")  # one call holds 0.04
    async with open_door(status(400), status(400), says("hola")) as door:
        for _ in range(2):
            with pytest.raises(LLMError):
                await ask(acme, door)
        assert await records(acme) == []
        assert (await ask(acme, door)).text == "hola"


async def test_a_used_up_budget_refuses_before_the_call_and_only_its_own_tenant(
    acme: House, rival: House
) -> None:
    await limit(acme, 0)
    async with open_door(says("hola")) as door:
        with pytest.raises(BudgetExhausted):
            await ask(acme, door)
        assert door.fake.calls == []
        assert (await ask(rival, door)).text == "hola"
    assert await records(acme) == []


async def test_an_llm_that_the_tier_does_not_allow_is_not_asked(acme: House) -> None:
    tier: Tier = acme.tenant.tier
    tier.allowed_llms = ["gpt-5*"]
    await in_tenant(acme.id, tier.save)
    async with open_door(says("hola")) as door:
        with pytest.raises(LLMNotAllowed):
            await ask(acme, door)
        assert door.fake.calls == []
        tier.allowed_llms = ["gpt-5*", "fake-*"]
        await in_tenant(acme.id, tier.save)
        assert (await ask(acme, door)).text == "hola"
