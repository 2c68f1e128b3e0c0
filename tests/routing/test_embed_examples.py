import asyncio
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from conversations.triggers.examples import ExampleTicker
from routing.embedding import find_embedding_tenants
from routing.errors import LLMError
from routing.gateway import Gateway
from routing.models import LLMEndpoint
from routing.snapshot import get_snapshot
from tenants.errors import BudgetExhausted
from tenants.scope import in_tenant, tenant_scope
from tenants.usage.money import Tokens
from tenants.usage.prices import find_price
from tenants.usage_models import Budget, UsageRecord
from tests.cast import House
from tests.fakes.embeddings import embeds
from tests.fakes.llm_door import open_door
from tests.fakes.llm_server import status
from tests.routing.meanings import (
    EMBEDS,
    change_endpoint,
    change_rule,
    embed,
    let_it_embed,
    vectors,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(acme: House) -> House:
    return let_it_embed(acme)


async def version_of(house: House) -> int:
    await sync_to_async(house.tenant.refresh_from_db)()
    return house.tenant.config_version


async def test_every_example_gets_its_vector_once_and_the_configuration_is_touched(
    shop: House,
) -> None:
    before = await version_of(shop)
    found, asked = await embed(shop)
    assert (found.num_made, found.num_known) == (2, 0)
    assert asked == [["mi pedido no llega", "quiero factura"]]
    assert [(row.llm, len(bytes(row.vector))) for row in await vectors(shop)] == [
        ("embedder-1", 12)
    ] * 2
    assert await version_of(shop) == before + 1
    again, asked = await embed(shop)
    assert (again.num_made, again.num_known, asked) == (0, 2, [])
    assert await version_of(shop) == before + 1


async def test_a_changed_text_model_or_address_is_embedded_anew(shop: House) -> None:
    await embed(shop)
    condition = {"examples": ["mi pedido no llega", "mi pedido se perdió"], "meaning": 0.8}
    await change_rule(shop, "lost", condition=condition)
    found, asked = await embed(shop)
    assert asked == [["mi pedido se perdió"]]
    assert (found.num_made, found.num_known, found.num_forgotten) == (1, 2, 0)
    await change_endpoint(shop, embedding_llm="embedder-2")
    found, asked = await embed(shop)
    assert (found.num_made, found.num_forgotten, len(asked[0])) == (3, 3, 3)
    await change_rule(shop, "lost", is_active=False)
    assert (await embed(shop))[0].num_forgotten == 2
    await change_rule(shop, "bill", condition={"examples": ["quiero factura"]})
    assert (await embed(shop))[0].num_forgotten == 1


async def test_another_number_of_dimensions_displaces_what_was_there(shop: House) -> None:
    await embed(shop)
    await change_rule(
        shop, "lost", condition={"examples": ["otra cosa"], "threshold": 0.9, "meaning": 0.8}
    )
    await embed(shop, embeds({"otra": (1.0, 0.0)}))
    found, asked = await embed(shop, embeds({"quiero": (0.0, 1.0)}))
    assert (found.num_made, asked) == (1, [["quiero factura"]])
    assert {len(bytes(row.vector)) for row in await vectors(shop)} == {8}


async def test_of_two_processes_one_does_it_and_a_dead_one_keeps_it_no_longer_than_its_claim(
    shop: House,
) -> None:
    (one, _), (two, _) = await asyncio.gather(embed(shop), embed(shop))
    assert one.num_made + two.num_made == 2
    await change_endpoint(
        shop,
        embedding_llm="embedder-2",
        embedding_claimed_until=timezone.now() + timedelta(minutes=1),
    )
    found, asked = await embed(shop)
    assert (found.is_done, asked) == (False, [])
    await change_endpoint(shop, embedding_claimed_until=timezone.now() - timedelta(seconds=1))
    assert (await embed(shop))[0].num_made == 2


async def test_a_failure_gives_the_work_back(shop: House) -> None:
    with pytest.raises(LLMError):
        await embed(shop, status(400))
    assert await vectors(shop) == []
    assert (await embed(shop))[0].num_made == 2


async def test_a_spent_budget_makes_no_vectors(shop: House) -> None:
    await in_tenant(shop.id, Budget(money_per_month=0).save)
    with pytest.raises(BudgetExhausted):
        await embed(shop)
    assert await vectors(shop) == []


async def test_what_it_costs_is_a_record_of_its_own_kind(shop: House) -> None:
    await embed(shop)
    rows = await in_tenant(shop.id, lambda: list(UsageRecord.objects.all()))
    assert [(row.kind, row.llm, row.input_tokens, row.output_tokens) for row in rows] == [
        ("embedding", "embedder-1", 6, 0)
    ]
    assert rows[0].price_source == "unknown"
    assert rows[0].cost_nano > 0


def test_the_price_list_knows_embedding_models() -> None:
    price = find_price(
        ["text-embedding-3-small"], "https://api.openai.com/v1", own={}, tokens=Tokens(input=10)
    )
    assert (price.source, price.rates.input) == ("catalogue", Decimal("0.02"))


async def test_nobody_has_the_vectors_of_another_tenant(shop: House, rival: House) -> None:
    await sync_to_async(let_it_embed)(rival)
    await embed(shop)
    assert await vectors(rival) == []
    found, asked = await embed(rival)
    assert (found.num_made, len(asked[0])) == (2, 2)
    await change_endpoint(rival, embedding_llm="embedder-9")
    await embed(rival)
    assert {row.llm for row in await vectors(shop)} == {"embedder-1"}
    of_shop = await in_tenant(shop.id, get_snapshot, shop.id, 10**6)
    assert of_shop.meanings is not None
    assert of_shop.meanings.target.tenant_id == str(shop.id)


async def test_the_loop_beside_a_worker_finds_them_and_waits_after_a_failure(
    shop: House, rival: House, caplog: Any
) -> None:
    assert [tenant_id for tenant_id, _ in await sync_to_async(find_embedding_tenants)()] == [
        shop.id
    ]
    async with open_door(status(500), EMBEDS) as door:
        ticker = ExampleTicker(gateway=Gateway(door.client))
        await ticker.run_once()
        await ticker.settled()
        assert "acme" not in caplog.text
        assert str(shop.id) in caplog.text
        ticker.look_again()
        await ticker.run_once()
        await ticker.settled()
        assert len(door.fake.calls) == 1
        await change_rule(shop, "lost", position=7)
        ticker.look_again()
        await ticker.run_once()
        await ticker.settled()
    assert len(await vectors(shop)) == 2


def test_the_command_makes_forgets_and_makes_anew(shop: House, rival: House) -> None:
    with tenant_scope(shop.id):
        LLMEndpoint.objects.update(base_url="offline://")

    def told(*args: str) -> str:
        out = StringIO()
        call_command("embed_examples", *args, stdout=out)
        return out.getvalue()

    assert told("--tenant", "acme") == "acme: 2 made, 0 known, 0 forgotten\n"
    assert told("--all").splitlines() == [
        "acme: 0 made, 2 known, 0 forgotten",
        "rival: 0 made, 0 known, 0 forgotten",
    ]
    assert "2 made" in told("--tenant", "acme", "--anew")
    with tenant_scope(shop.id):
        LLMEndpoint.objects.update(embedding_llm="")
    assert told("--tenant", "acme") == "acme: 0 made, 0 known, 2 forgotten\n"


def test_one_endpoint_of_a_tenant_embeds(shop: House, rival: House) -> None:
    with tenant_scope(shop.id):
        second = LLMEndpoint(tenant=shop.tenant, name="Second", embedding_llm="x")
        with pytest.raises(ValidationError) as caught:
            second.full_clean()
        assert list(caught.value.message_dict) == ["__all__"]
    with tenant_scope(rival.id):
        LLMEndpoint(tenant=rival.tenant, name="Second", embedding_llm="x").full_clean()
