from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from routing.rules import (
    RoutableMessage,
    Rule,
    RuleInvalid,
    SessionState,
    came_near,
    compile_condition,
    first_for_intent,
    first_match,
    know_each_other,
    try_all,
)

MEXICO = ZoneInfo("America/Mexico_City")
MADRID = ZoneInfo("Europe/Madrid")
HELP = {"examples": ["mi pedido no ha llegado", "¿dónde viene mi paquete?"], "threshold": 0.5}
OFFICE = {"windows": [{"days": ["mon", "tue"], "from": "09:00", "to": "18:00"}]}
NIGHT = {"windows": [{"days": ["fri"], "from": "22:00", "to": "02:00"}]}


def rule(kind: str, condition: dict[str, Any], name: str = "one", intent: str = "") -> Rule:
    return Rule(name, name, compile_condition(kind, condition), "sales", intent)


def matches(kind: str, condition: dict[str, Any], text: str = "hola", **seen: Any) -> bool:
    return first_match([rule(kind, condition)], RoutableMessage.of(text, **seen)) is not None


@pytest.mark.parametrize(
    ("text", "is_like"),
    [
        ("Mi pedido no ha llegado", True),
        ("oiga, mi pedidoo todavía no llega", True),
        ("donde viene mi paqete", True),
        ("¿Tienen tubos de PVC?", False),
        ("hola", False),
        ("", False),
        ("¡¿?!", False),
        ("mi pedido no ha llegado " * 400, True),
    ],
)
def test_examples_forgive_spelling_and_words_around(text: str, is_like: bool) -> None:
    assert matches("examples", HELP, text) is is_like


def test_an_example_scores_the_same_whatever_the_other_rules_are() -> None:
    message = "mi pedido no llega"
    alone = try_all([rule("examples", HELP)], RoutableMessage.of(message))[0].near
    crowd = [rule("examples", {"examples": [f"mi pedido {n}"]}, str(n)) for n in range(5)]
    among = try_all(know_each_other([*crowd, rule("examples", HELP)]), RoutableMessage.of(message))
    assert alone is not None
    assert among[-1].near == alone


def test_rules_that_came_near_are_told_nearest_first() -> None:
    rules = know_each_other(
        [
            rule("examples", {"examples": ["quiero devolver un taladro"], "threshold": 0.7}, "far"),
            rule(
                "examples", {"examples": ["quiero devolver una sierra"], "threshold": 0.9}, "near"
            ),
            rule("examples", {"examples": ["horario"], "threshold": 0.9}, "nowhere"),
        ]
    )
    message = RoutableMessage.of("quiero devolver esta sierra")
    assert came_near(rules, message, limit=5) == [], "nothing has been looked up yet"
    assert first_match(rules, message) is None
    assert [trial.rule.name for trial in came_near(rules, message, limit=5)] == ["near", "far"]
    assert len(came_near(rules, message, limit=1)) == 1


def test_an_intent_is_the_one_of_the_nearest_examples_wherever_they_stand() -> None:
    rules = know_each_other(
        [
            rule("intent", {"any": ["Envío perdido"]}, "by intent"),
            rule("examples", HELP, "lost", intent="envio-perdido"),
        ]
    )
    found = first_match(rules, RoutableMessage.of("mi pedido no ha llegado"))
    assert found is not None
    assert found.rule.name == "by intent"
    assert "envio-perdido" in str(found.reason)
    assert first_match(rules, RoutableMessage.of("buenas tardes")) is None


def test_an_intent_of_the_previous_turn_or_of_the_llm() -> None:
    before = rule("intent", {"any": ["cotizar"], "of": "previous"}, "before")
    now = rule("intent", {"any": ["cotizar"]}, "now")
    state = SessionState(num_turns=1, last_intent="Cotizar")
    assert first_match([before, now], RoutableMessage.of("sí", session=state)).rule is before  # type: ignore[union-attr]
    assert first_match([before, now], RoutableMessage.of("sí")) is None
    assert first_for_intent([before, now], "COTIZAR").rule is now  # type: ignore[union-attr]
    assert first_for_intent([before, now], "") is None


CONTEXT = {
    "customer": {"tier": "Oro", "age": "42", "tags": ["nuevo", "vip"], "debt": 0, "ok": True},
    "a key": [{"n": 1.0}],
    "none": None,
}


@pytest.mark.parametrize(
    ("path", "operator", "value", "holds"),
    [
        ("customer.tier", "equals", "ORO", True),
        ("$.customer.tier", "equals", "plata", False),
        ("customer.age", "equals", 42, True),
        ("customer.age", "more_than", "41.5", True),
        ("customer.age", "less_than", 42, False),
        ("customer.age", "at_most", 42, True),
        ("customer.tier", "at_least", 1, False),
        ("customer.ok", "equals", "true", True),
        ("customer.ok", "equals", 1, False),
        ("customer.tags", "contains", "VIP", True),
        ("customer.tier", "contains", "or", True),
        ("customer", "contains", "tier", True),
        ("customer.tags[1]", "equals", "vip", True),
        ("customer.tags[9]", "equals", "vip", False),
        ('["a key"][0].n', "equals", 1, True),
        ("customer.tier", "one_of", ["plata", "oro"], True),
        ("customer.tier", "differs", "plata", True),
        ("customer.nothing", "differs", "plata", True),
        ("customer.nothing", "equals", "plata", False),
        ("customer.nothing", "missing", None, True),
        ("none", "exists", None, True),
        ("none", "equals", None, True),
        ("customer.tier.deeper", "exists", None, False),
        ("customer", "equals", "x", False),
    ],
)
def test_a_context_value_is_compared_as_what_it_says(
    path: str, operator: str, value: Any, holds: bool
) -> None:
    condition = {"path": path, "operator": operator, "value": value}
    assert matches("context", condition, context=CONTEXT) is holds


@pytest.mark.parametrize(
    ("condition", "at", "is_open"),
    [
        (OFFICE, datetime(2026, 11, 23, 9, 0, tzinfo=MEXICO), True),
        (OFFICE, datetime(2026, 11, 23, 8, 59, 59, tzinfo=MEXICO), False),
        (OFFICE, datetime(2026, 11, 23, 18, 0, tzinfo=MEXICO), False),
        (OFFICE, datetime(2026, 11, 25, 12, 0, tzinfo=MEXICO), False),
        (OFFICE | {"outside": True}, datetime(2026, 11, 25, 12, 0, tzinfo=MEXICO), True),
        (NIGHT, datetime(2026, 11, 20, 23, 0, tzinfo=MEXICO), True),
        (NIGHT, datetime(2026, 11, 21, 1, 59, tzinfo=MEXICO), True),
        (NIGHT, datetime(2026, 11, 21, 2, 0, tzinfo=MEXICO), False),
        (NIGHT, datetime(2026, 11, 20, 1, 0, tzinfo=MEXICO), False),
        ({"windows": [{"from": "00:00", "to": "24:00"}]}, datetime(2026, 11, 22, tzinfo=UTC), True),
    ],
)
def test_a_window_is_open_by_the_clock_on_the_wall(
    condition: dict[str, Any], at: datetime, is_open: bool
) -> None:
    assert matches("time", condition, at=at) is is_open
    assert matches("time", condition) is False, "without a clock nothing is known"


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        (datetime(2026, 7, 6, 7, 0, tzinfo=UTC), True),  # 09:00 in summer
        (datetime(2026, 1, 5, 7, 59, tzinfo=UTC), False),  # 08:59 in winter
        (datetime(2026, 1, 5, 8, 0, tzinfo=UTC), True),
    ],
)
def test_a_window_opens_at_nine_in_summer_and_in_winter(utc: datetime, is_open: bool) -> None:
    assert matches("time", OFFICE, at=utc.astimezone(MADRID)) is is_open


def test_the_hour_that_comes_twice_is_in_the_window_twice() -> None:
    window = {"windows": [{"days": ["sun"], "from": "02:00", "to": "03:00"}]}
    for hour in (0, 1):
        at = datetime(2026, 10, 25, hour, 30, tzinfo=UTC).astimezone(MADRID)
        assert (at.hour, at.fold) == (2, hour)
        assert matches("time", window, at=at)


@pytest.mark.parametrize(
    ("condition", "state", "holds"),
    [
        ({"is_first_message": True}, SessionState(), True),
        ({"is_first_message": True}, SessionState(num_turns=1), False),
        ({"is_first_message": False}, SessionState(num_turns=1), True),
        ({"min_turns": 10}, SessionState(num_turns=40), True),
        ({"min_turns": 2, "max_turns": 3}, SessionState(num_turns=4), False),
        ({"agents": ["sales", "desk"]}, SessionState(2, "desk"), True),
        ({"agents": ["sales"]}, SessionState(2, "desk"), False),
        ({"min_idle_minutes": 30}, SessionState(2, "desk", 1800.0), True),
        ({"min_idle_minutes": 30}, SessionState(2, "desk", 1799.0), False),
        ({"min_idle_minutes": 30}, SessionState(), False),
        ({"agents": ["desk"], "min_turns": 3}, SessionState(2, "desk"), False),
    ],
)
def test_the_state_of_a_session_is_all_that_is_asked_for(
    condition: dict[str, Any], state: SessionState, holds: bool
) -> None:
    assert matches("session", condition, session=state) is holds


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        ("keyword", {"any": ["x"], "all": ["y"]}),
        ("examples", {"examples": []}),
        ("examples", {"examples": ["…"]}),
        ("examples", {"examples": ["x"] * 51}),
        ("examples", {"examples": ["x" * 201]}),
        ("examples", {"examples": ["x"], "threshold": 1.1}),
        ("examples", {"examples": ["x"], "threshold": float("nan")}),
        ("examples", {"examples": ["x"], "threshold": True}),
        ("intent", {"any": []}),
        ("intent", {"any": ["x"], "of": "next"}),
        ("context", {"path": "a..b", "operator": "exists"}),
        ("context", {"path": "", "operator": "exists"}),
        ("context", {"path": "a" + ".a" * 10, "operator": "exists"}),
        ("context", {"path": "a", "operator": "like", "value": 1}),
        ("context", {"path": "a"}),
        ("context", {"path": "a", "value": {"b": 1}}),
        ("context", {"path": "a", "operator": "more_than", "value": "many"}),
        ("context", {"path": "a", "operator": "more_than", "value": float("inf")}),
        ("time", {"windows": []}),
        ("time", {"windows": [{"from": "9", "to": "10:00"}]}),
        ("time", {"windows": [{"from": "09:00", "to": "09:00"}]}),
        ("time", {"windows": [{"from": "09:00", "to": "24:01"}]}),
        ("time", {"windows": [{"days": ["lun"], "from": "09:00", "to": "10:00"}]}),
        ("time", {"windows": [{"from": "09:00", "to": "10:00"}], "outside": "yes"}),
        ("session", {}),
        ("session", {"min_turns": 3, "max_turns": 2}),
        ("session", {"min_turns": -1}),
        ("session", {"is_first_message": "yes"}),
        ("session", {"min_idle_minutes": float("nan")}),
        ("telepathy", {}),
        ("regex", {"pattern": "\ud800"}),
        (["regex"], {}),
        ("regex", None),
    ],
)
def test_a_condition_that_cannot_work_is_refused(kind: Any, condition: Any) -> None:
    with pytest.raises(RuleInvalid):
        compile_condition(kind, condition)
