"""Trying rules on a message, in order: the first that matches decides."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from routing.rules.context import context_condition
from routing.rules.conversation import session_condition
from routing.rules.examples import ExamplesCondition, examples_condition
from routing.rules.hours import time_condition
from routing.rules.intents import IntentCondition, intent_condition
from routing.rules.keywords import keyword_condition
from routing.rules.patterns import regex_condition
from routing.rules.values import Condition, RoutableMessage, Rule, RuleInvalid, Trial

#: Every kind of rule, by the name it is stored with.
KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Condition]]] = {
    "keyword": keyword_condition,
    "regex": regex_condition,
    "examples": examples_condition,
    "intent": intent_condition,
    "context": context_condition,
    "time": time_condition,
    "session": session_condition,
}
#: A rule came near when it reached this part of its threshold.
NEAR: Final = 0.7


def compile_condition(kind: str, condition: Any) -> Condition:
    """The condition of a rule as stored. Raises `RuleInvalid` with the reason."""
    if not isinstance(condition, dict):
        raise RuleInvalid("The condition must be an object.")
    if not isinstance(kind, str) or kind not in KINDS:
        raise RuleInvalid(f"There is no kind of rule called {str(kind)[:40]!r}.")
    return KINDS[kind](condition)


def first_match(rules: Iterable[Rule], message: RoutableMessage) -> Trial | None:
    """The first rule, in order, that matches, with its reason."""
    for position, rule in enumerate(rules, start=1):
        reason = rule.condition.match(message)
        if reason is not None:
            return Trial(rule, reason, position=position)
    return None


def first_for_intent(rules: Iterable[Rule], intent: str) -> Trial | None:
    """The first rule on the intent of the message that names this one, which the LLM found."""
    for position, rule in enumerate(rules, start=1):
        condition = rule.condition
        if isinstance(condition, IntentCondition) and condition.is_named(intent):
            why = f"intent «{intent}», which the LLM found"
            return Trial(rule, why, position=position)
    return None


def try_all(rules: Iterable[Rule], message: RoutableMessage) -> list[Trial]:
    """What every rule says of the message, in order; for testers and traces."""
    return [
        Trial(
            rule,
            rule.condition.match(message),
            rule.condition.near(message) if isinstance(rule.condition, ExamplesCondition) else None,
            position,
        )
        for position, rule in enumerate(rules, start=1)
    ]


def came_near(rules: Iterable[Rule], message: RoutableMessage, *, limit: int) -> list[Trial]:
    """The rules that came near without matching, nearest first; only of what was looked up."""
    found = []
    for rule in rules:
        condition = rule.condition
        if isinstance(condition, ExamplesCondition) and condition.index in message.looked_up:
            near = condition.near(message)
            if near and NEAR * condition.threshold <= near.score < condition.threshold:
                found.append(Trial(rule, None, near))
    return sorted(found, key=lambda trial: -trial.near.score if trial.near else 0.0)[:limit]
