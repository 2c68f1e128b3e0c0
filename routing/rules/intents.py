"""The intent of a message, as the cheapest tier that knows it has found it.

* `of: message`: the intent of the example rule that comes nearest to the message, at or above its
  own threshold, wherever it stands in the order. When no rule decides, the LLM is asked, and the
  intent that it names is tried on these rules once more: they have the last word on the agent.
* `of: previous`: the intent that the session's turn before this one was routed with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from routing.rules.examples import ExampleIndex, ExamplesCondition
from routing.rules.values import RoutableMessage, Rule, RuleInvalid, check_keys, read_texts
from routing.words import fold

MAX_INTENTS: Final = 50
MAX_INTENT_CHARS: Final = 63


@dataclass(frozen=True, slots=True, eq=False)
class KnownIntents:
    """The intents that example rules stand for."""

    index: ExampleIndex
    #: By group: the threshold and the intent.
    groups: Sequence[tuple[float, str]]

    def find(self, message: RoutableMessage) -> str:
        """The intent of the nearest examples that are near enough; empty when there are none."""
        seen: str | None = message.looked_up.get(self)
        if seen is None:
            seen = message.looked_up[self] = self._look_up(message)
        return seen

    def _look_up(self, message: RoutableMessage) -> str:
        best, intent = 0.0, ""
        for group, near in self.index.nearest(message).items():
            threshold, name = self.groups[group]
            if name and near.score >= threshold and near.score > best:
                best, intent = near.score, name
        return intent


_NONE_KNOWN: Final = KnownIntents(ExampleIndex(()), ())


@dataclass(frozen=True, slots=True)
class IntentCondition:
    """The intent of the message, or of the turn before it, is one of these."""

    intents: frozenset[str]
    is_of_previous: bool
    known: KnownIntents = _NONE_KNOWN

    def match(self, message: RoutableMessage) -> str | None:
        if self.is_of_previous:
            last = message.session.last_intent
            return f"the turn before was «{last}»" if self.has(last) else None
        found = self.known.find(message)
        return f"intent «{found}» by its examples" if self.has(found) else None

    def is_named(self, intent: str) -> bool:
        """Whether the LLM's intent of the message is meant."""
        return not self.is_of_previous and self.has(intent)

    def has(self, intent: str) -> bool:
        return bool(intent) and intent_key(intent) in self.intents


def intent_key(intent: str) -> str:
    """By what intents are compared: «Estado del pedido» is `estado_del_pedido`."""
    return "_".join(fold(intent).replace("-", " ").replace("_", " ").split())


def intent_condition(condition: Mapping[str, Any]) -> IntentCondition:
    """From `{"any": [intents], "of": "message" | "previous"}`. Raises `RuleInvalid`."""
    check_keys(condition, ["any", "of"])
    intents = read_texts(
        condition.get("any"), what="Intents", max_count=MAX_INTENTS, max_chars=MAX_INTENT_CHARS
    )
    of = condition.get("of", "message")
    if of not in ("message", "previous"):
        raise RuleInvalid('"of" is "message" or "previous".')
    return IntentCondition(frozenset(map(intent_key, intents)), of == "previous")


def know_each_other(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The same rules: example rules with one index for all, intent rules with what they know."""
    examples = [c for rule in rules if isinstance(c := rule.condition, ExamplesCondition)]
    index = ExampleIndex([condition.examples for condition in examples])
    groups: list[tuple[float, str]] = []
    known = KnownIntents(index, groups)
    joined = []
    for rule in rules:
        condition = rule.condition
        if isinstance(condition, ExamplesCondition):
            condition = replace(condition, index=index, group=len(groups))
            groups.append((condition.threshold, rule.intent))
        elif isinstance(condition, IntentCondition):
            condition = replace(condition, known=known)
        joined.append(replace(rule, condition=condition))
    return tuple(joined)
