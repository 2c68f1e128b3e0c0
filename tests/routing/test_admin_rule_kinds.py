from typing import Any

import pytest

from routing.models import RoutingRule
from tenants.scope import tenant_scope
from tests.admin import desk_of
from tests.cast import House, make_rule

HOURS = [
    {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "18:00"},
    {"days": ["sat", "sun"], "from": "22:00", "to": "02:00"},
    {"from": "00:00", "to": "24:00"},
]


def form_of(house: House, **values: Any) -> dict[str, Any]:
    form = {"name": "New", "agent": house.agents["sales"].pk, "is_active": "on"}
    return form | values


def saved(house: House) -> RoutingRule:
    with tenant_scope(house.id):
        return RoutingRule.objects.get(name="New")


@pytest.mark.parametrize(
    ("values", "condition"),
    [
        (
            {"kind": "examples", "examples": "hola, ¿y mi pedido?\nno llega", "threshold": "0.6"},
            {"examples": ["hola, ¿y mi pedido?", "no llega"], "threshold": 0.6},
        ),
        ({"kind": "intent", "intents": "buy, sell"}, {"any": ["buy", "sell"]}),
        (
            {"kind": "intent", "intents": "buy", "intent_of": "previous"},
            {"any": ["buy"], "of": "previous"},
        ),
        (
            {"kind": "context", "path": "a.b[0]", "operator": "one_of", "value": "x, y"},
            {"path": "a.b[0]", "operator": "one_of", "value": ["x", "y"]},
        ),
        (
            {"kind": "context", "path": "a", "operator": "exists", "value": "left over"},
            {"path": "a", "operator": "exists"},
        ),
        (
            {
                "kind": "time",
                "windows": "Lunes a Viernes 9:00 - 18:00\nsáb y dom 22:00–02:00\n00:00-24:00",
                "is_outside": "on",
            },
            {"windows": HOURS, "outside": True},
        ),
        (
            {
                "kind": "session",
                "message_place": "later",
                "max_turns": "3",
                "session_agents": ["desk"],
                "min_idle_minutes": "30",
            },
            {"is_first_message": False, "max_turns": 3, "agents": ["desk"], "min_idle_minutes": 30},
        ),
    ],
)
def test_each_kind_is_asked_for_in_words_and_shown_as_it_was_written(
    acme: House, values: dict[str, Any], condition: dict[str, Any]
) -> None:
    desk = desk_of(acme)
    assert desk.post("routing_routingrule_add", **form_of(acme, **values)).status_code == 302
    rule = saved(acme)
    assert rule.condition == condition
    form = desk.get("routing_routingrule_change", rule.pk).context["adminform"].form
    shown = {name: form[name].value() for name in values}
    again = {name: value for name, value in shown.items() if value not in (None, "", False)}
    assert (
        desk.post("routing_routingrule_change", rule.pk, **form_of(acme, **again)).status_code
        == 302
    )
    assert saved(acme).condition == condition


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"kind": "examples", "examples": ""}, "examples", "at least one example"),
        ({"kind": "examples", "examples": "x" * 201}, "examples", "too long"),
        ({"kind": "examples", "examples": "x", "threshold": "7"}, "threshold", "less than"),
        ({"kind": "intent", "intents": ""}, "intents", "at least one intent"),
        ({"kind": "context", "path": ""}, "path", "path of a value"),
        ({"kind": "context", "path": "a..b"}, "path", "like customer.tags[0]"),
        (
            {"kind": "context", "path": "a", "operator": "more_than", "value": "x"},
            "path",
            "does not fit",
        ),
        ({"kind": "time", "windows": ""}, "windows", "at least one time window"),
        ({"kind": "time", "windows": "mon 9-18"}, "windows", "like this"),
        ({"kind": "time", "windows": "xyz 09:00-18:00"}, "windows", "no day"),
        ({"kind": "time", "windows": "09:00-25:00"}, "windows", "24:00"),
        ({"kind": "session"}, "message_place", "at least one"),
        ({"kind": "session", "min_turns": "3", "max_turns": "2"}, "message_place", "cannot all"),
        ({"kind": "session", "session_agents": ["ghost"]}, "session_agents", "ghost"),
    ],
)
def test_what_cannot_work_is_refused_beside_its_field(
    acme: House, values: dict[str, Any], field: str, said: str
) -> None:
    response: Any = desk_of(acme).post("routing_routingrule_add", **form_of(acme, **values))
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert said in str(errors[field])


def test_the_list_tells_every_condition_in_the_language_of_the_page(acme: House) -> None:
    conditions: dict[str, Any] = {
        "time": {"windows": HOURS, "outside": True},
        "context": {"path": "tier", "operator": "at_least", "value": 3},
        "session": {"min_turns": 2},
        "examples": {"oops": 1},
    }
    for kind, condition in conditions.items():
        make_rule(acme.tenant, acme.agents["desk"], [], name=kind, kind=kind, condition=condition)
    desk = desk_of(acme)
    page = desk.get("routing_routingrule_changelist").content.decode()
    assert "outside of mon-fri 09:00-18:00; sat-sun 22:00-02:00; 00:00-24:00" in page
    assert "tier is at least 3" in page
    assert "Turns before it, at least: 2" in page
    desk.client.cookies["django_language"] = "es"
    page = desk.get("routing_routingrule_changelist").content.decode()
    assert "fuera de lun-vie 09:00-18:00" in page


@pytest.mark.parametrize("context", ["{", "[]", "[" * 5000])
def test_a_context_that_is_no_object_is_refused_by_the_tester(acme: House, context: str) -> None:
    desk = desk_of(acme)
    response = desk.post("routing_routingrule_try", message="x", context=context)
    assert "Write the context as JSON" in response.content.decode()


def test_the_tester_says_what_a_rule_saw_in_the_language_of_the_page(acme: House) -> None:
    make_rule(acme.tenant, acme.agents["desk"], [], name="k", condition={"any": ["factura"]})
    desk = desk_of(acme)
    desk.client.cookies["django_language"] = "es"
    page = desk.post("routing_routingrule_try", message="una factura").content.decode()
    assert "palabra clave «factura»" in page


def test_the_tester_takes_time_context_and_session(acme: House) -> None:
    with tenant_scope(acme.id):
        RoutingRule.objects.all().delete()
    for kind, condition in (
        ("time", {"windows": [{"days": ["sun"], "from": "09:00", "to": "10:00"}]}),
        ("context", {"path": "channel", "value": "web"}),
        ("session", {"min_turns": 2, "min_idle_minutes": 5}),
    ):
        make_rule(acme.tenant, acme.agents["desk"], [], name=kind, kind=kind, condition=condition)
    told = {"at": "2026-11-22T09:30", "context": '{"channel": "web"}'}
    told |= {"num_turns": "2", "idle_minutes": "5"}
    desk = desk_of(acme)
    page = desk.post("routing_routingrule_try", message="x", **told).content.decode()
    assert page.count("✓") == 3
    page = desk.post("routing_routingrule_try", message="x").content.decode()
    assert page.count("✓") == 0


def test_how_near_in_meaning_is_said_beside_the_examples(acme: House) -> None:
    desk = desk_of(acme)
    form = {"name": "lost", "kind": "examples", "examples": "mi pedido no llega"}
    form |= {"agent": acme.agents["desk"].pk, "is_active": "on", "threshold": "0.5"}
    assert desk.post("routing_routingrule_add", **form, meaning="0.6").status_code == 302
    with tenant_scope(acme.id):
        rule = RoutingRule.objects.get(name="lost")
    assert rule.condition["meaning"] == 0.6
    page = desk.get("routing_routingrule_change", rule.pk).content.decode()
    assert 'name="meaning" value="0.6"' in page
    assert desk.post("routing_routingrule_change", rule.pk, **form, meaning="").status_code == 302
    with tenant_scope(acme.id):
        rule.refresh_from_db()
    assert "meaning" not in rule.condition
    refused = desk.post("routing_routingrule_change", rule.pk, **form, meaning="7")
    assert "meaning" in refused.context["adminform"].form.errors
