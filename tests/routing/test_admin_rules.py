from typing import Any

import pytest

from routing.models import RoutingRule
from tenants.scope import tenant_scope
from tests.admin import XSS, desk_of
from tests.cast import House, make_rule


def form_of(house: House, **values: Any) -> dict[str, Any]:
    form = {"name": "New", "kind": "keyword", "keywords": "cement", "pattern": ""}
    return form | {"agent": house.agents["sales"].pk, "is_active": "on"} | values


def rules(house: House) -> list[RoutingRule]:
    with tenant_scope(house.id):
        return list(RoutingRule.objects.order_by("position"))


def errors_of(response: Any) -> Any:
    return response.context["adminform"].form.errors


def tried(house: House, message: str) -> str:
    return desk_of(house).post("routing_routingrule_try", message=message).content.decode()


def test_keywords_are_written_one_per_line(acme: House) -> None:
    keywords = "cemento\ncal, yeso\n\n cemento "
    desk = desk_of(acme)
    desk.post("routing_routingrule_add", **form_of(acme, keywords=keywords))
    rule = rules(acme)[-1]
    assert rule.condition == {"any": ["cemento", "cal", "yeso"]}
    assert rule.position == 1, "a new rule comes last"
    page = desk.get("routing_routingrule_change", rule.pk).content.decode()
    assert "cemento\ncal\nyeso" in page


def test_a_rule_becomes_a_pattern_and_tells_the_workers(acme: House) -> None:
    before = acme.tenant.config_version
    form = form_of(acme, name="rule 0", kind="regex", pattern=r"\bpedido\s+\d+", keywords="")
    desk_of(acme).post("routing_routingrule_change", acme.rules[0].pk, **form)
    assert rules(acme)[0].condition == {"pattern": r"\bpedido\s+\d+"}
    acme.tenant.refresh_from_db()
    assert acme.tenant.config_version == before + 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"keywords": ""}, "keywords"),
        ({"keywords": "---"}, "keywords"),
        ({"keywords": "\n".join(f"word{n}" for n in range(201))}, "keywords"),
        ({"kind": "regex", "pattern": ""}, "pattern"),
        ({"kind": "regex", "pattern": "(((("}, "pattern"),
        ({"kind": "regex", "pattern": "(?=look)"}, "pattern"),
        ({"kind": "regex", "pattern": "a" * 1001}, "pattern"),
        ({"kind": "telepathy"}, "kind"),
        ({"name": "rule 0"}, "name"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_beside_its_field(
    acme: House, values: dict[str, Any], field: str
) -> None:
    response = desk_of(acme).post("routing_routingrule_add", **form_of(acme, **values))
    assert response.status_code == 200
    assert field in errors_of(response)
    assert len(rules(acme)) == 1


def test_dragging_saves_the_new_order(acme: House) -> None:
    make_rule(acme.tenant, acme.agents["desk"], ["hours"], name="second")
    first, second = rules(acme)
    form = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 2, "_save": "Save"}
    for number, (rule, position) in enumerate(((first, 1), (second, 0))):
        form |= {f"form-{number}-id": rule.pk, f"form-{number}-position": position}
        form |= {f"form-{number}-is_active": "on"}
    assert desk_of(acme).post("routing_routingrule_changelist", **form).status_code == 302
    assert [rule.name for rule in rules(acme)] == ["second", "rule 0"]


def test_a_rule_gone_bad_can_still_be_switched_off_or_be_told(acme: House) -> None:
    rule = acme.rules[0]
    RoutingRule._base_manager.filter(pk=rule.pk).update(condition={"any": []})
    form = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "_save": "Save"}
    form |= {"form-0-id": rule.pk, "form-0-position": 0}
    response = desk_of(acme).post("routing_routingrule_changelist", **form)
    assert response.status_code == 200
    assert "between 1 and 200 keywords" in response.content.decode()


def test_the_tester_shows_every_rule_and_the_winner(acme: House) -> None:
    make_rule(acme.tenant, acme.agents["desk"], ["tubo", "precio"], name="pipes")
    page = tried(acme, "¿Qué precio tienen los tubos?")
    assert "1 rule 0 ✓ keyword «precio» → Sales" in page
    assert "2 pipes ✓" in page
    assert "“rule 0” decides: Sales answers." in page
    assert "Desk answers when it does not know either" in tried(acme, "good morning")


def test_the_tester_tries_only_what_is_switched_on_and_works(acme: House, rival: House) -> None:
    with tenant_scope(acme.id):
        RoutingRule.objects.update(is_active=False)
    assert "no active rule" in tried(acme, "precio")
    broken = make_rule(acme.tenant, acme.agents["desk"], ["x"], name="broken")
    RoutingRule._base_manager.filter(pk=broken.pk).update(condition={"oops": 1})
    assert "no active rule" in tried(acme, "precio")


def test_the_tester_stores_nothing_and_escapes_everything(acme: House) -> None:
    make_rule(acme.tenant, acme.agents["sales"], ["script"], name=XSS[:100])
    page = tried(acme, XSS)
    assert "&lt;script&gt;" in page
    assert "<img src=x" not in page
    assert tried(acme, "a" * 100_000)
    assert tried(acme, "\x00")
    assert desk_of(acme).get("routing_routingrule_try").status_code == 405
