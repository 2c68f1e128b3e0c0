"""Example utterances: the rule whose examples come nearest to the message, by the pieces of words
that both have. No model and no vocabulary, so it knows any language and forgives typing errors.

The measure is the cosine of two sets: of stems, and of groups of three letters, the edges of words
among them. It depends on the message and the example alone, never on the other rules, so that a
threshold keeps its meaning while rules come and go.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import sqrt
from typing import Any, Final

from routing.rules.values import Near, RoutableMessage, RuleInvalid, check_keys, read_texts
from routing.words import stems

MAX_EXAMPLES: Final = 50
MAX_EXAMPLE_CHARS: Final = 200
DEFAULT_THRESHOLD: Final = 0.5


class ExampleIndex:
    """The examples of many rules, by what they consist of: one look serves all of the rules."""

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self._examples: list[tuple[int, float, str]] = []
        postings: dict[str, list[int]] = {}
        for group, examples in enumerate(groups):
            for example in examples:
                found = pieces(example)
                for piece in found:
                    postings.setdefault(piece, []).append(len(self._examples))
                self._examples.append((group, 1 / sqrt(len(found)), example))
        self._postings = {piece: tuple(numbers) for piece, numbers in postings.items()}

    def nearest(self, message: RoutableMessage) -> Mapping[int, Near]:
        """The nearest example of each group that has anything in common with the message."""
        seen: Mapping[int, Near] | None = message.looked_up.get(self)
        if seen is None:
            seen = message.looked_up[self] = self._look_up(message)
        return seen

    def _look_up(self, message: RoutableMessage) -> Mapping[int, Near]:
        is_short = len(message.text) <= MAX_EXAMPLE_CHARS
        found = _pieces(message.words) if is_short else pieces(message.text)
        known = self._postings
        shared = Counter(chain.from_iterable([known[p] for p in found if p in known]))
        best: dict[int, tuple[float, str]] = {}
        for number, count in shared.items():
            group, weight, example = self._examples[number]
            score = count * weight
            if group not in best or score > best[group][0]:
                best[group] = (score, example)
        scale = 1 / sqrt(len(found) or 1)
        return {group: Near(score * scale, example) for group, (score, example) in best.items()}


@dataclass(frozen=True, slots=True)
class ExamplesCondition:
    """The nearest of the examples is at least as near as the threshold. `meaning` is how near an
    embedding model has to find them, which is asked when no rule has decided; None: it is not.
    """

    examples: tuple[str, ...]
    threshold: float
    index: ExampleIndex
    group: int = 0
    meaning: float | None = None

    def match(self, message: RoutableMessage) -> str | None:
        near = self.index.nearest(message).get(self.group)
        if near is None or near.score < self.threshold:
            return None
        return f"like «{near.example[:80]}» ({near.score:.2f})"

    def near(self, message: RoutableMessage) -> Near | None:
        return self.index.nearest(message).get(self.group)


def pieces(text: str) -> frozenset[str]:
    """What a text is compared by. Only its head counts: a long message is like no example."""
    return _pieces(stems(text[:MAX_EXAMPLE_CHARS]))


def _pieces(words: Sequence[str]) -> frozenset[str]:
    found = set(words)
    for word in words:
        edged = f" {word} "
        found.update([edged[i : i + 3] for i in range(len(edged) - 2)])
    return frozenset(found)


def examples_condition(condition: Mapping[str, Any]) -> ExamplesCondition:
    """From `{"examples": [texts], "threshold": 0.5, "meaning": 0.6}`. Raises `RuleInvalid`."""
    check_keys(condition, ["examples", "threshold", "meaning"])
    examples = read_texts(
        condition.get("examples"),
        what="Examples",
        max_count=MAX_EXAMPLES,
        max_chars=MAX_EXAMPLE_CHARS,
    )
    if not all(pieces(example) for example in examples):
        raise RuleInvalid("Every example needs at least one letter or digit.")
    threshold = _read_nearness(condition.get("threshold", DEFAULT_THRESHOLD), "threshold")
    meaning = condition.get("meaning")
    return ExamplesCondition(
        examples,
        threshold,
        ExampleIndex([examples]),
        meaning=None if meaning is None else _read_nearness(meaning, "meaning"),
    )


def _read_nearness(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleInvalid(f"The {name} must be a number.")
    if not 0.1 <= value <= 1:
        raise RuleInvalid(f"The {name} must be between 0.1 and 1.")
    return float(value)
