from typing import Any

import pytest

from routing.models import RoutingRule
from tenants.scope import tenant_scope
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House, make_rule
from tests.conversations.test_replay_rules import routed

TEST, REPLAY = "/api/v1/routing/test", "/api/v1/routing/replay"
HELP = {"examples": ["mi pedido no ha llegado"], "threshold": 0.9}


@pytest.fixture
def caller(acme: House) -> Caller:
    return Caller(make_key(acme.tenant, ["agents:read"]))


def draft(**values: Any) -> dict[str, Any]:
    rule = {"name": "Factura", "kind": "keyword", "condition": {"any": ["factura"]}}
    return rule | {"agent": "desk", "intent": "facturar"} | values


def test_a_message_is_tried_on_every_rule_in_order(acme: House, caller: Caller) -> None:
    make_rule(acme.tenant, acme.agents["desk"], [], name="help", kind="examples", condition=HELP)
    make_rule(acme.tenant, acme.agents["desk"], ["precio"], name="late")
    found = caller.post(TEST, {"message": "mi pedido no llega, ¿qué precio?"}).json()
    assert [rule["is_match"] for rule in found["rules"]] == [True, False, True]
    assert [rule["position"] for rule in found["rules"]] == [1, 2, 3]
    assert 0 < found["rules"][1]["score"] < 0.9
    assert found["winner"]["rule"] == "rule 0"
    assert found["next"] == {"source": "rule", "agent": "sales"}
    assert 0 < found["duration_ms"] < 100


def test_what_rules_see_besides_the_message_can_be_told(acme: House, caller: Caller) -> None:
    conditions: dict[str, dict[str, Any]] = {
        "context": {"path": "channel", "operator": "equals", "value": "web"},
        "time": {"windows": [{"days": ["sun"], "from": "09:00", "to": "10:00"}]},
        "session": {"agents": ["desk"], "min_turns": 2, "min_idle_minutes": 5},
        "intent": {"any": ["buy"], "of": "previous"},
    }
    for kind, condition in conditions.items():
        make_rule(acme.tenant, acme.agents["desk"], [], name=kind, kind=kind, condition=condition)
    session = {"num_turns": 2, "active_agent": "desk", "idle_minutes": 5, "last_intent": "buy"}
    asked = {"message": "x", "context": {"channel": "web"}, "session": session}
    told = caller.post(TEST, asked | {"at": "2026-11-22T09:30:00Z"}).json()
    assert [rule["is_match"] for rule in told["rules"]] == [False, True, True, True, True]
    told = caller.post(TEST, {"message": "x", "at": "2026-11-23T09:30:00Z"}).json()
    assert [rule["is_match"] for rule in told["rules"]] == [False] * 5
    assert told["next"] == {"source": "llm", "agent": "desk"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/message"),
        ({"message": "x" * 8001}, "/message"),
        ({"message": "x", "at": "yesterday"}, "/at"),
        ({"message": "x", "session": {"num_turns": -1}}, "/session/num_turns"),
        ({"message": "x", "context": []}, "/context"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    caller: Caller, body: dict[str, Any], pointer: str
) -> None:
    problem = assert_problem(caller.post(TEST, body), 422, "validation_failed")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_a_draft_of_all_rules_is_replayed(acme: House, caller: Caller) -> None:
    routed(acme, "¿qué precio tiene?", "sales", source="rule")
    routed(acme, "quiero factura", "desk")
    routed(acme, "hola", "desk")
    found = caller.post(REPLAY, {"rules": [draft()]}).json()
    changes = [(change["kind"], change["message"]) for change in found["changes"]]
    assert changes == [("caught", "quiero factura"), ("released", "¿qué precio tiene?")]
    assert found["changes"][0]["after"]["rule"] == "Factura"
    assert found["changes"][1]["after"]["agent"] == ""
    assert (found["num_messages"], found["num_unchanged"]) == (3, 1)
    assert (found["num_llm_before"], found["num_llm_after"]) == (2, 2)
    assert found["hits"] == {"Factura": 1}
    assert caller.post(REPLAY, {"rules": [], "limit": 1}).json()["num_messages"] == 1
    with tenant_scope(acme.id):
        assert RoutingRule.objects.count() == 1


def test_a_rule_on_the_intent_that_the_llm_found_is_replayed(acme: House, caller: Caller) -> None:
    answer = {"intent": "Facturar", "confidence": 0.9}
    routed(acme, "lo del SAT", "sales", trace={"answer": answer})
    routed(acme, "quizá", "sales", trace={"answer": answer | {"confidence": 0.2}})
    rules = [draft(kind="intent", condition={"any": ["facturar"]})]
    found = caller.post(REPLAY, {"rules": rules}).json()
    assert [(change["kind"], change["message"]) for change in found["changes"]] == [
        ("agent", "lo del SAT")
    ]


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        (draft(kind="telepathy"), "/rules/0/kind"),
        (draft(condition={"any": []}), "/rules/0/condition"),
        (draft(kind="regex", condition={"pattern": "(("}), "/rules/0/condition"),
        (draft(agent="nobody"), "/rules/0/agent"),
    ],
)
def test_a_rule_that_cannot_work_is_pointed_at(
    caller: Caller, rule: dict[str, Any], pointer: str
) -> None:
    response = caller.post(REPLAY, {"rules": [rule]})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_another_tenant_sees_neither_rules_nor_messages(acme: House, rival: House) -> None:
    routed(acme, "canary factura", "desk")
    theirs = Caller(make_key(rival.tenant, ["agents:read"]))
    assert theirs.post(REPLAY, {"rules": [draft()]}).json()["num_messages"] == 0
    assert_problem(
        Caller(make_key(acme.tenant, ["chat:write"])).post(TEST, {"message": "x"}),
        403,
        "scope_missing",
    )
