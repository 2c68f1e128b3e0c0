from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command

from routing.meaning import forget_meanings
from routing.models import LLMEndpoint, RoutingRule
from tenants.scope import tenant_scope
from tenants.usage_models import Budget, UsageRecord
from tests.admin import desk_of
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House
from tests.conversations.test_replay_rules import routed
from tests.routing.meanings import let_it_embed

TEST, REPLAY = "/api/v1/routing/test", "/api/v1/routing/replay"
NEAR = "mi paquete no llega"


@pytest.fixture
def shop(transactional_db: None, acme: House) -> Iterator[House]:
    forget_meanings()
    let_it_embed(acme, base_url="offline://", embedding_llm="orkesta-offline")
    with tenant_scope(acme.id):
        for rule in RoutingRule.objects.filter(kind="examples"):
            rule.condition |= {"meaning": 0.3}
            rule.save()
    call_command("embed_examples", "--tenant", "acme")
    yield acme
    forget_meanings()


def caller_of(house: House, *scopes: str) -> Caller:
    return Caller(make_key(house.tenant, list(scopes)))


def embeddings(house: House) -> int:
    with tenant_scope(house.id):
        return UsageRecord.objects.filter(kind="embedding").count()


def test_a_message_is_embedded_only_when_that_is_asked_for(shop: House) -> None:
    caller = caller_of(shop, "agents:read", "agents:write")
    told = caller.post(TEST, {"message": NEAR}).json()
    assert (told["winner"], told["next"]["source"]) == (None, "llm")
    assert told["meaning"]["is_asked"] is False
    assert embeddings(shop) == 1
    told = caller.post(TEST, {"message": NEAR, "embed": True}).json()
    assert (told["winner"]["rule"], told["next"]) == ("lost", {"source": "rule", "agent": "sales"})
    assert told["meaning"]["llm"] == "orkesta-offline"
    near = told["meaning"]["near"][0]
    assert near["score"] >= near["threshold"] == 0.3
    assert embeddings(shop) == 2
    again = caller.post(TEST, {"message": NEAR}).json()
    assert (again["winner"]["rule"], embeddings(shop)) == ("lost", 2)
    assert caller.post(TEST, {"message": "precio", "embed": True}).json()["meaning"] is None


def test_a_key_that_may_only_read_spends_nothing(shop: House) -> None:
    answer = caller_of(shop, "agents:read").post(TEST, {"message": NEAR, "embed": True})
    assert_problem(answer, 403, "scope_missing")
    assert embeddings(shop) == 1


def test_trouble_is_told_in_the_place_of_scores(shop: House) -> None:
    with tenant_scope(shop.id):
        Budget.objects.create(tenant=shop.tenant, money_per_month=0)
    caller = caller_of(shop, "agents:read", "agents:write")
    told = caller.post(TEST, {"message": NEAR, "embed": True}).json()
    assert told["next"]["source"] == "llm"
    assert "budget" in told["meaning"]["problem"]


def test_the_tester_shows_what_it_means_when_that_is_ticked(shop: House) -> None:
    desk = desk_of(shop)
    page = desk.post("routing_routingrule_try", message=NEAR).content.decode()
    assert "orkesta-offline would be asked what it means" in page
    page = desk.post("routing_routingrule_try", message=NEAR, may_embed="on").content.decode()
    assert "By meaning, with orkesta-offline" in page
    assert "“lost” decides: Sales answers." in page
    assert 'name="may_embed"' in desk.get("routing_routingrule_changelist").content.decode()


def test_a_replay_counts_what_was_found_then_and_embeds_nothing(shop: House) -> None:
    near = [{"rule": "lost", "rule_id": "1", "score": 0.6, "threshold": 0.3, "example": "x"}]
    meaning: dict[str, Any] = {"meaning": {"near": near, "decides": True}}
    routed(shop, "dónde anda mi caja", "sales", source="rule", trace=meaning)
    routed(shop, "hola", "desk")
    routed(shop, "precio", "sales", source="rule")

    def replayed(meaning: float | None) -> Any:
        condition = {"examples": ["mi pedido no llega"]}
        condition |= {} if meaning is None else {"meaning": meaning}  # type: ignore[dict-item]
        rule = {"name": "lost", "kind": "examples", "condition": condition, "agent": "sales"}
        price = {"name": "p", "kind": "keyword", "condition": {"any": ["precio"]}, "agent": "sales"}
        caller = caller_of(shop, "agents:read")
        return caller.post(REPLAY, {"rules": [rule, price]}).json()

    same = replayed(0.5)
    assert (same["changes"], same["num_embeddings"], same["hits"]) == ([], 2, {"lost": 1, "p": 1})
    stricter = replayed(0.7)
    assert [change["kind"] for change in stricter["changes"]] == ["released"]
    assert stricter["num_llm_after"] == stricter["num_llm_before"] + 1
    assert replayed(None)["num_embeddings"] == 0
    assert embeddings(shop) == 1
    page = desk_of(shop).post("routing_routingrule_replay").content.decode()
    assert "messages would be routed differently" in page
    with tenant_scope(shop.id):
        LLMEndpoint.objects.update(embedding_llm="")
    assert replayed(0.5)["num_embeddings"] == 0
