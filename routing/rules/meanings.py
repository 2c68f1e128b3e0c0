"""What examples mean, told by the vectors of an embedding model: the nearest one decides.

Pure, as all of the rules are: the vector of the message comes from whoever may ask a model for it.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import dist
from typing import Final, TypeAlias

from routing.rules.examples import ExamplesCondition
from routing.rules.intents import IntentCondition
from routing.rules.values import Near, Rule, Trial

#: Examples of one tenant that are compared by what they mean; the rest by their letters alone.
MAX_MEANINGS: Final = 500

Vector: TypeAlias = "array[float]"


@dataclass(frozen=True, slots=True)
class MeantExample:
    """An example of the rule at this position, and its vector of length 1."""

    position: int
    text: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class MeantRule:
    """How near the nearest example of a rule comes to what a message means."""

    rule: Rule
    position: int
    threshold: float
    near: Near

    @property
    def is_match(self) -> bool:
        return self.near.score >= self.threshold


def wanted_texts(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The examples that are compared by what they mean, each once, in the order of their rules."""
    texts = (
        text
        for rule in rules
        if isinstance(condition := rule.condition, ExamplesCondition)
        and condition.meaning is not None
        for text in condition.examples
    )
    return tuple(dict.fromkeys(texts))[:MAX_MEANINGS]


def meant_examples(
    rules: Sequence[Rule], vectors: Mapping[str, Vector]
) -> tuple[MeantExample, ...]:
    """Those that have vectors, which are of one length."""
    return tuple(
        MeantExample(position, text, vectors[text])
        for position, rule in enumerate(rules, start=1)
        if isinstance(condition := rule.condition, ExamplesCondition)
        and condition.meaning is not None
        for text in condition.examples
        if text in vectors
    )


def nearest_meanings(
    rules: Sequence[Rule], examples: Sequence[MeantExample], vector: Vector
) -> list[MeantRule]:
    """The rules with examples, the one that comes nearest first; of equals the first in order.

    For vectors of length 1 the cosine is 1 - d²/2, and their distance is what Python computes
    fastest: a vector of 1,536 numbers takes some 30 µs.
    """
    told = tuple(vector)
    best: dict[int, Near] = {}
    for example in examples:
        score = 1 - dist(told, example.vector) ** 2 / 2
        if example.position not in best or score > best[example.position].score:
            best[example.position] = Near(score, example.text)
    found = [_meant(rules[position - 1], position, near) for position, near in best.items()]
    return sorted(found, key=lambda one: (-one.near.score, one.position))


def remembered_meanings(rules: Sequence[Rule], near: Mapping[str, Near]) -> list[MeantRule]:
    """As `nearest_meanings`, from what was found then by the names of rules; those that ask for it
    no more, or are gone, are left out.
    """
    found = [
        _meant(rule, position, near[rule.name])
        for position, rule in enumerate(rules, start=1)
        if rule.name in near and wanted_texts([rule])
    ]
    return sorted(found, key=lambda one: (-one.near.score, one.position))


def by_meaning(rules: Sequence[Rule], found: Sequence[MeantRule]) -> Trial | None:
    """The rule that decides: the nearest that is near enough, or one on its intent before it."""
    won = next((one for one in found if one.is_match), None)
    if won is None:
        return None
    for position, rule in enumerate(rules[: won.position - 1], start=1):
        condition = rule.condition
        if isinstance(condition, IntentCondition) and condition.is_named(won.rule.intent):
            return Trial(rule, f"intent «{won.rule.intent}», by what it means", None, position)
    why = f"means what «{won.near.example[:80]}» does ({won.near.score:.2f})"
    return Trial(won.rule, why, won.near, won.position)


def _meant(rule: Rule, position: int, near: Near) -> MeantRule:
    condition = rule.condition
    meaning = condition.meaning if isinstance(condition, ExamplesCondition) else None
    return MeantRule(rule, position, 1.0 if meaning is None else meaning, near)
