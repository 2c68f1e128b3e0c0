from array import array
from time import perf_counter
from typing import Any

import pytest

from routing.rules import (
    Near,
    RoutableMessage,
    Rule,
    RuleInvalid,
    compile_condition,
    first_match,
    know_each_other,
)
from routing.rules.meanings import (
    MAX_MEANINGS,
    Vector,
    by_meaning,
    meant_examples,
    nearest_meanings,
    remembered_meanings,
    wanted_texts,
)

EAST, NORTH, BETWEEN = array("f", [1, 0]), array("f", [0, 1]), array("f", [0.8, 0.6])


def rule(name: str, *examples: str, kind: str = "examples", **condition: Any) -> Rule:
    texts = {"examples": list(examples)} if kind == "examples" else {}
    return Rule(name, name, compile_condition(kind, texts | condition), "sales", f"intent {name}")


def decided(rules: list[Rule], **vectors: Vector) -> str | None:
    trial = by_meaning(rules, nearest_meanings(rules, meant_examples(rules, vectors), EAST))
    return trial.rule.name if trial else None


def test_the_nearest_of_those_that_are_near_enough_decides_and_of_equals_the_first() -> None:
    far = rule("far", "north", meaning=0.9)
    near = rule("near", "between", meaning=0.7)
    rules = [far, near, rule("nearest", "east", meaning=0.7)]
    assert decided(rules, north=NORTH, between=BETWEEN, east=EAST) == "nearest"
    assert decided(rules, north=NORTH, between=BETWEEN) == "near"
    assert decided(rules, north=NORTH) is None
    assert decided([*rules, rule("same", "too", meaning=0.7)], east=EAST, too=EAST) == "nearest"
    assert decided([rule("strict", "between", meaning=0.9), near], between=BETWEEN) == "near"
    assert decided([rule("letters", "east")], east=EAST) is None


def test_a_score_is_the_cosine() -> None:
    rules = [rule("a", "between", "north", meaning=0.5)]
    (found,) = nearest_meanings(
        rules, meant_examples(rules, {"between": BETWEEN, "north": NORTH}), EAST
    )
    assert found.near == Near(pytest.approx(0.8), "between")
    assert (found.position, found.threshold, found.is_match) == (1, 0.5, True)


def test_a_rule_on_the_intent_decides_when_it_stands_before() -> None:
    intent = rule("of intent", kind="intent", any=["intent a"])
    a = rule("a", "east", meaning=0.5)
    assert decided([intent, a], east=EAST) == "of intent"
    assert decided([a, intent], east=EAST) == "a"
    previous = rule("previous", kind="intent", any=["intent a"], of="previous")
    assert decided([previous, a], east=EAST) == "a"


def test_no_more_examples_are_compared_than_is_quick() -> None:
    rules = [
        rule(f"r{number}", *(f"example {number} {i}" for i in range(50)), meaning=0.5)
        for number in range(12)
    ]
    texts = wanted_texts([*rules, *rules])
    assert len(texts) == len(set(texts)) == MAX_MEANINGS
    assert wanted_texts([rule("off", "x")]) == ()


def test_what_was_found_then_counts_for_rules_that_still_ask_for_it() -> None:
    rules = [rule("a", "x", meaning=0.5), rule("b", "y"), rule("c", "z", meaning=0.9)]
    near = {name: Near(0.8, "x") for name in ("a", "b", "c", "gone")}
    found = remembered_meanings(rules, near)
    assert [(one.rule.name, one.is_match) for one in found] == [("a", True), ("c", False)]


@pytest.mark.parametrize("meaning", [0, 0.05, 1.1, True, "0.5", [0.5], float("nan")])
def test_how_near_is_a_number_that_can_be(meaning: Any) -> None:
    with pytest.raises(RuleInvalid, match="meaning"):
        rule("a", "x", meaning=meaning)


def test_rules_are_no_slower_for_it() -> None:
    def seconds(**condition: Any) -> float:
        rules = know_each_other(
            [
                rule(f"r{number}", *(f"number {number} of {i}" for i in range(5)), **condition)
                for number in range(200)
            ]
        )
        best = float("inf")
        for _ in range(20):
            started = perf_counter()
            assert first_match(rules, RoutableMessage.of("where is my parcel?")) is None
            best = min(best, perf_counter() - started)
        return best

    assert seconds(meaning=0.5) < 3 * seconds()
