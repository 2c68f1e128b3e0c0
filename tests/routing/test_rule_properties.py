"""Any rules on any text: they answer, the same each time, and soon."""

from datetime import UTC, datetime
from time import thread_time
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.rules import (
    KINDS,
    RoutableMessage,
    Rule,
    RuleInvalid,
    SessionState,
    compile_condition,
    first_match,
    know_each_other,
    try_all,
)

TEXT: Final = st.text(st.characters(codec=None), max_size=60)
PLAIN: Final = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON: Final = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
DAY: Final = st.sampled_from(["mon", "tue", "sun"])
TIME: Final = st.sampled_from(["00:00", "09:30", "23:59", "24:00"])
LIKELY: Final = {
    "keyword": st.fixed_dictionaries({"any": st.lists(TEXT, min_size=1, max_size=4)}),
    "regex": st.fixed_dictionaries({"pattern": TEXT | st.from_regex(r"[a-z(|)*+?.\[\]]{1,12}")}),
    "examples": st.fixed_dictionaries(
        {"examples": st.lists(TEXT, min_size=1, max_size=4), "threshold": st.floats(0.1, 1)}
    ),
    "intent": st.fixed_dictionaries(
        {"any": st.lists(TEXT, min_size=1), "of": st.sampled_from(["message", "previous"])}
    ),
    "context": st.fixed_dictionaries(
        {
            "path": st.sampled_from(["a", "a.b", "a[0]", '["x y"]']),
            "operator": st.sampled_from(["equals", "differs", "contains", "more_than", "one_of"]),
            "value": JSON,
        }
    ),
    "time": st.fixed_dictionaries(
        {
            "windows": st.lists(
                st.fixed_dictionaries({"days": st.lists(DAY), "from": TIME, "to": TIME})
            )
        }
    ),
    "session": st.fixed_dictionaries({"min_turns": st.integers(-1, 12), "agents": st.lists(TEXT)}),
}
CONDITIONS: Final = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: st.tuples(st.just(kind), LIKELY[kind] | JSON)
)
HOSTILE: Final = {
    "nested repeats": "(a*)*b",
    "alternatives": "(a|aa)+$",
    "counted": "(a{1,30}){1,30}b",
    "letters of everything": r"(\p{L}|\p{L}\p{L})+1",
    "dots": ".*.*.*.*=.*",
}


def compiled(written: list[tuple[str, Any]]) -> tuple[Rule, ...]:
    rules = []
    for number, (kind, condition) in enumerate(written):
        try:
            found = compile_condition(kind, condition)
        except RuleInvalid:
            continue
        rules.append(Rule(str(number), str(number), found, "sales", f"intent {number}"))
    return know_each_other(rules)


@settings(max_examples=150, deadline=None)
@given(
    written=st.lists(CONDITIONS, max_size=6),
    text=TEXT | st.text(max_size=400),
    context=st.dictionaries(st.sampled_from(["a", "b", "x y"]), JSON, max_size=3),
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
    state=st.builds(SessionState, st.integers(0, 50), TEXT, st.none() | st.floats(0, 1e9), TEXT),
)
def test_any_rules_answer_any_message(
    written: list[tuple[str, Any]],
    text: str,
    context: dict[str, Any],
    at: datetime | None,
    state: SessionState,
) -> None:
    rules = compiled(written)
    message = RoutableMessage.of(text, at=at, context=context, session=state)
    trials = try_all(rules, message)
    assert [trial.rule for trial in trials] == list(rules)
    first = next((trial for trial in trials if trial.reason is not None), None)
    again = RoutableMessage.of(text, at=at, context=context, session=state)
    match = first_match(rules, again)
    assert (match and match.rule) == (first and first.rule)
    assert all(0 <= t.near.score <= 1.000001 for t in trials if t.near is not None)
    for trial in trials:
        str(trial.reason).encode()  # reasons are stored


@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("text", ["a" * 8000, "á" * 8000, "=" * 8000, "a b" * 400_000])
def test_no_pattern_takes_long(pattern: str, text: str) -> None:
    try:
        rules = compiled([("regex", {"pattern": pattern})])
    except RuleInvalid:
        return
    started = thread_time()
    first_match(rules, RoutableMessage.of(text))
    assert thread_time() - started < 1


def test_many_alike_examples_take_their_time_but_not_more() -> None:
    examples = [f"quiero saber dónde está mi pedido número {n}" for n in range(50)]
    rules = compiled([("examples", {"examples": examples, "threshold": 1.0})] * 100)
    started = thread_time()
    first_match(rules, RoutableMessage.of("quiero saber dónde está mi pedido número x"))
    assert thread_time() - started < 2
