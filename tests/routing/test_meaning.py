import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test.utils import CaptureQueriesContext

from routing.gateway import Gateway
from routing.meaning import ask_meaning, forget_meanings
from routing.snapshot import forget_snapshots, get_snapshot
from tenants.errors import BudgetExhausted
from tenants.models import Tier
from tenants.scope import in_tenant, tenant_scope
from tenants.services import touch_configuration
from tenants.usage.spending import current_spending, open_spending
from tenants.usage_models import Budget, UsageRecord
from tests.cast import House, make_rule
from tests.engine import Story, apost, open_worker, run_until_idle, story_of
from tests.fakes.embeddings import addresses, beside, embeds
from tests.fakes.llm_door import open_door
from tests.fakes.llm_server import Behaviour, FakeLLM, hangs, says, status
from tests.routing.meanings import EMBEDS, change_endpoint, change_rule, embed, let_it_embed

pytestmark = pytest.mark.django_db(transaction=True)
ANSWER = {"action": "delegate", "agent_name": "desk", "intent": "buy", "confidence": 0.9}
DECIDES = says(json.dumps(ANSWER | {"response": None}))
NEAR = "where is my parcel?"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    forget_meanings()
    yield
    forget_meanings()


@pytest.fixture
async def shop(acme: House) -> House:
    await sync_to_async(let_it_embed)(acme)
    await embed(acme)
    return acme


async def told(
    house: House, text: str, *, embedding: Behaviour = EMBEDS, deciding: Behaviour = DECIDES
) -> tuple[Story, FakeLLM]:
    async with open_worker(beside(embedding, deciding, says("ok"))) as (worker, fake):
        posted = await apost(house, text)
        await run_until_idle(worker)
        return await story_of(house, posted.task.id), fake


async def test_what_a_message_means_decides_before_the_llm_is_asked(shop: House) -> None:
    story, fake = await told(shop, NEAR, deciding=says("It is on its way."))
    route = story.steps[0]
    assert (route.agent_slug, route.output["source"], route.output["intent"]) == (
        "sales",
        "rule",
        "lost",
    )
    assert route.reason.startswith("Rule «lost»: means what «mi pedido no llega» does (0.9")
    assert addresses(fake.calls) == ["embeddings", "completions"]
    trace = route.output["trace"]
    assert trace["rule"] == "lost"
    assert trace["meaning"]["decides"] is True
    assert (trace["meaning"]["endpoint"], trace["meaning"]["llm"]) == ("Offline", "embedder-1")
    (first, second) = trace["meaning"]["near"]
    assert (first["rule"], first["threshold"]) == ("lost", 0.8)
    assert first["score"] > 0.95 > 0.2 > second["score"]


async def test_what_is_not_near_enough_is_left_to_the_llm(shop: House) -> None:
    story, fake = await told(shop, "algo más")
    assert (story.steps[0].agent_slug, story.steps[0].output["source"]) == ("desk", "llm")
    meaning = story.steps[0].output["trace"]["meaning"]
    assert meaning["decides"] is False
    assert 0.5 < meaning["near"][0]["score"] < 0.8
    assert addresses(fake.calls) == ["embeddings", "completions", "completions"]


async def test_nobody_is_asked_when_a_rule_decides_or_there_is_no_choice(shop: House) -> None:
    _, fake = await told(shop, "¿qué precio tiene?")
    assert addresses(fake.calls) == ["completions"]
    _, fake = await told(shop, "mi pedido no llega")
    assert addresses(fake.calls) == ["completions"]
    await sync_to_async(_switch_off)(shop, "sales")
    _, fake = await told(shop, NEAR)
    assert addresses(fake.calls) == ["completions"]


def _switch_off(house: House, slug: str) -> None:
    with tenant_scope(house.id):
        house.agents[slug].is_active = False
        house.agents[slug].save()
        touch_configuration(house.id)


@pytest.mark.parametrize(
    ("embedding", "problem"),
    [
        (status(500), "HTTP 500"),
        (status(429, retry_after="1"), "slow down"),
        (embeds({"where": (1.0, 0.0)}), "It has 2 dimensions, the examples have 3."),
        (embeds({"where": ("x", 0.0, 1.0)}), "not a number"),
    ],
)
async def test_trouble_is_traced_and_the_llm_is_asked(
    shop: House, embedding: Behaviour, problem: str
) -> None:
    story, fake = await told(shop, NEAR, embedding=embedding)
    assert (story.task.status, story.answer) == ("completed", "ok")
    assert story.steps[0].output["source"] == "llm"
    assert problem in story.steps[0].output["trace"]["meaning"]["problem"]
    assert addresses(fake.calls).count("embeddings") == 1


async def test_a_server_that_hangs_is_waited_for_no_longer_than_is_worth_it(
    shop: House, monkeypatch: Any
) -> None:
    monkeypatch.setattr("routing.meaning.MAX_SECONDS", 0.1)
    for number in range(6):
        forget_meanings()
        story, fake = await told(shop, NEAR, embedding=hangs(starts=False))
        assert story.steps[0].output["source"] == "llm", number
        assert story.task.status == "completed"
    # Then it is left alone; what the endpoint answers to chats is another matter.
    assert addresses(fake.calls) == ["completions", "completions"]
    assert "left alone" in story.steps[0].output["trace"]["meaning"]["problem"]


async def test_a_spent_budget_skips_the_tier_and_is_not_what_pauses_the_task(shop: House) -> None:
    await in_tenant(shop.id, Budget(money_per_month=0).save)
    open_spending()
    async with open_door(EMBEDS) as door:
        snapshot = await in_tenant(shop.id, get_snapshot, shop.id, 10**6)
        assert snapshot.meanings is not None
        gateway = Gateway(door.client)
        meant = await ask_meaning(snapshot.meanings, snapshot.rules, NEAR, gateway)
    assert door.fake.calls == []
    assert (meant.trial, meant.problem) == (None, BudgetExhausted().message)
    spending = current_spending()
    assert spending is not None
    assert spending.refusal is None


async def test_an_llm_that_the_tier_does_not_allow_is_not_asked(shop: House) -> None:
    tier: Tier = shop.tenant.tier
    tier.allowed_llms = ["fake-*"]
    await in_tenant(shop.id, tier.save)
    story, fake = await told(shop, NEAR)
    assert addresses(fake.calls) == ["completions", "completions"]
    assert "embedder-1" in story.steps[0].output["trace"]["meaning"]["problem"]
    assert story.answer == "ok"


async def test_it_is_charged_to_the_task_once_and_what_is_known_again_is_free(shop: House) -> None:
    story, _ = await told(shop, NEAR)
    again, fake = await told(shop, NEAR)
    assert addresses(fake.calls) == ["completions"]
    assert again.steps[0].output["trace"]["meaning"]["is_remembered"] is True
    assert again.steps[0].agent_slug == "sales"
    rows = await in_tenant(
        shop.id, lambda: list(UsageRecord.objects.filter(kind="embedding").exclude(task_id=None))
    )
    assert [(row.task_id, row.step_number, row.agent_slug) for row in rows] == [
        (story.task.id, 1, "")
    ]


async def test_what_is_remembered_is_remembered_of_one_tenant(shop: House, rival: House) -> None:
    await sync_to_async(let_it_embed)(rival)
    await embed(rival)
    await told(shop, NEAR)
    _, fake = await told(rival, NEAR)
    assert addresses(fake.calls)[0] == "embeddings"


async def test_a_rule_on_the_intent_that_stands_before_it_decides(shop: House) -> None:
    def put_before() -> None:
        condition = {"any": ["lost"]}
        make_rule(shop.tenant, shop.agents["desk"], [], kind="intent", condition=condition)

    await sync_to_async(put_before)()
    await change_rule(shop, "lost", position=9)
    story, _ = await told(shop, NEAR)
    assert story.steps[0].agent_slug == "desk"
    assert story.steps[0].reason == "Rule «rule 3»: intent «lost», by what it means."


async def test_without_vectors_or_a_model_nobody_is_asked(shop: House) -> None:
    await change_endpoint(shop, embedding_llm="")
    story, fake = await told(shop, NEAR)
    assert addresses(fake.calls) == ["completions", "completions"]
    assert "meaning" not in story.steps[0].output["trace"]
    await change_endpoint(shop, embedding_llm="embedder-2")
    story, fake = await told(shop, NEAR)
    assert "meaning" not in story.steps[0].output["trace"]


def test_the_snapshot_reads_vectors_only_where_they_are_wanted(acme: House, rival: House) -> None:
    def num_queries(house: House) -> int:
        forget_snapshots()
        with tenant_scope(house.id), CaptureQueriesContext(connection) as queries:
            get_snapshot(house.id, 0)
        return len(queries)

    off = num_queries(rival)
    let_it_embed(acme, embedding_llm="")
    assert num_queries(acme) == off
    let_it_embed(rival)
    assert num_queries(rival) == off + 1
