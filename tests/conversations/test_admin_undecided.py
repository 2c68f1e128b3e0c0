import pytest

from routing.models import RoutingRule
from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import XSS, Desk, desk_of
from tests.cast import House, make_member, make_rule
from tests.conversations.test_replay_rules import routed, shown

LIST, ADD = "routing_routingrule_undecided", "routing_routingrule_add_example"


def examples_rule(house: House) -> RoutingRule:
    rule = make_rule(house.tenant, house.agents["sales"], ["x"], name="Delivery")
    with tenant_scope(house.id):
        rule.kind, rule.condition = "examples", {"examples": ["¿dónde viene mi pedido?"]}
        rule.save()
    return rule


def examples_of(rule: RoutingRule) -> list[str]:
    with tenant_scope(rule.tenant_id):
        rule.refresh_from_db()
    return list(rule.condition["examples"])


@pytest.fixture
def desk(acme: House, rival: House) -> Desk:
    routed(rival, "secreto del rival", "desk")
    routed(acme, "mi paquete no llegó", "desk")
    routed(acme, "hola", "desk", source="fallback")
    routed(acme, "¿qué precio tiene?", "sales", source="rule")
    routed(acme, "mi paquete no ha llegado", "desk")
    return desk_of(acme)


def test_what_no_rule_decided_is_listed_together_with_what_is_like_it(desk: Desk) -> None:
    groups = desk.get(LIST).context["groups"]
    assert [(group.text, group.num) for group in groups] == [
        ("mi paquete no ha llegado", 2),
        ("hola", 1),
    ]


def test_one_click_makes_it_an_example(desk: Desk, acme: House) -> None:
    rule = examples_rule(acme)
    assert "Add as an example" in shown(desk.get(LIST))
    version = acme.tenant.config_version
    for _ in range(2):
        said = shown(desk.post(ADD, rule=str(rule.pk), text="mi paquete no ha llegado"))
        assert "Added to “Delivery”" in said
    assert examples_of(rule) == ["¿dónde viene mi pedido?", "mi paquete no ha llegado"]
    acme.tenant.refresh_from_db()
    assert acme.tenant.config_version > version


def test_a_rule_that_is_full_or_gone_says_so(desk: Desk, acme: House) -> None:
    rule = examples_rule(acme)
    with tenant_scope(acme.id):
        rule.condition = {"examples": [f"ejemplo {number}" for number in range(50)]}
        rule.save()
    assert "50" in shown(desk.post(ADD, rule=str(rule.pk), text="uno más"))
    assert len(examples_of(rule)) == 50
    for gone in ("", "x", str(acme.rules[0].pk), str(acme.id)):
        assert "not there any more" in shown(desk.post(ADD, rule=gone, text="hola"))


def test_nobody_adds_to_what_is_not_theirs(desk: Desk, acme: House, rival: House) -> None:
    mine, theirs = examples_rule(acme), examples_rule(rival)
    assert "not there any more" in shown(desk.post(ADD, rule=str(theirs.pk), text="hola"))
    viewer = Desk(make_member(acme.tenant, "eye", Membership.Role.VIEWER), acme.tenant)
    assert viewer.get(LIST).status_code == 403
    assert viewer.post(ADD, rule=str(mine.pk), text="hola").status_code == 403
    assert Desk(acme.owner, rival.tenant).post(ADD, rule=str(mine.pk), text="a").status_code == 409
    assert len(examples_of(mine)) == len(examples_of(theirs)) == 1


def test_what_customers_wrote_is_shown_as_text(desk: Desk, acme: House) -> None:
    examples_rule(acme)
    routed(acme, XSS, "desk")
    page = shown(desk.get(LIST))
    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in page
