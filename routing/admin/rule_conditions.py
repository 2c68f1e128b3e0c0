"""Between the condition of a rule, as it is stored, and the fields of its form."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from routing.rules import MAX_KEYWORDS
from routing.rules.context import Operator
from routing.rules.examples import DEFAULT_THRESHOLD, MAX_EXAMPLE_CHARS, MAX_EXAMPLES


def _intent_condition(asked: Mapping[str, Any]) -> dict[str, Any]:
    of = asked.get("intent_of")
    condition = {"any": asked.get("intents") or []}
    return {**condition, "of": "previous"} if of == "previous" else condition


def _examples_condition(asked: Mapping[str, Any]) -> dict[str, Any]:
    condition = {
        "examples": asked.get("examples") or [],
        "threshold": asked.get("threshold") or DEFAULT_THRESHOLD,
    }
    meaning = asked.get("meaning")
    return condition if meaning is None else {**condition, "meaning": meaning}


def _context_condition(asked: Mapping[str, Any]) -> dict[str, Any]:
    operator, value = asked.get("operator") or Operator.EQUALS.value, asked.get("value") or ""
    condition = {"path": asked.get("path") or "", "operator": operator}
    if operator in (Operator.EXISTS, Operator.MISSING):
        return condition
    if operator == Operator.ONE_OF:
        return {**condition, "value": [part.strip() for part in value.split(",") if part.strip()]}
    return {**condition, "value": value}


def _session_condition(asked: Mapping[str, Any]) -> dict[str, Any]:
    place = asked.get("message_place")
    given = {
        "is_first_message": {"first": True, "later": False}.get(str(place)),
        "min_turns": asked.get("min_turns"),
        "max_turns": asked.get("max_turns"),
        "agents": asked.get("session_agents") or None,
        "min_idle_minutes": asked.get("min_idle_minutes"),
    }
    return {name: value for name, value in given.items() if value is not None}


_STORED: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "keyword": lambda asked: {"any": asked.get("keywords") or []},
    "examples": _examples_condition,
    "regex": lambda asked: {"pattern": asked.get("pattern") or ""},
    "intent": _intent_condition,
    "context": _context_condition,
    "time": lambda asked: {
        "windows": asked.get("windows") or [],
        "outside": bool(asked.get("is_outside")),
    },
    "session": _session_condition,
}


def condition_of(kind: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The condition that the fields of a form ask for."""
    return _STORED[kind](asked)


#: Named alike in the form and in the condition.
_SAME: Final = (
    "examples",
    "threshold",
    "meaning",
    "pattern",
    "path",
    "operator",
    "windows",
    "min_turns",
    "max_turns",
    "min_idle_minutes",
)


def fields_of(condition: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fields for a condition; those of other kinds find nothing of theirs."""
    first, value = condition.get("is_first_message"), condition.get("value", "")
    shown = {
        "keywords": condition.get("any", []),
        "intents": condition.get("any", []),
        "intent_of": condition.get("of", "message"),
        "value": ", ".join(map(str, value)) if isinstance(value, list) else value,
        "is_outside": condition.get("outside", False),
        "message_place": "" if first is None else "first" if first else "later",
        "session_agents": condition.get("agents", []),
    }
    return shown | {name: condition[name] for name in _SAME if name in condition}


def refusal(kind: str, condition: Mapping[str, Any]) -> Any:
    """Why the commonest mistakes are refused, in the language of the page; None of others."""
    nothing = {
        "keyword": ("any", _("Write at least one keyword.")),
        "examples": ("examples", _("Write at least one example.")),
        "regex": ("pattern", _("Write a regular expression.")),
        "intent": ("any", _("Write at least one intent.")),
        "context": ("path", _("Write the path of a value.")),
        "time": ("windows", _("Write at least one time window.")),
    }
    if kind == "session":
        return _("Choose at least one of these.") if not condition else _("These cannot all be.")
    name, message = nothing[kind]
    if not condition.get(name):
        return message
    if kind == "regex":
        return None
    return _too_much(kind, condition)


def _too_much(kind: str, condition: Mapping[str, Any]) -> Any:
    if kind == "keyword" and len(condition["any"]) > MAX_KEYWORDS:
        return _("These are too many keywords for one rule.")
    if kind == "examples" and len(condition["examples"]) > MAX_EXAMPLES:
        return _("These are too many examples for one rule.")
    if kind == "examples" and max(map(len, condition["examples"])) > MAX_EXAMPLE_CHARS:
        return _("An example is too long: write it as a customer would.")
    if kind == "context":
        return _("The value does not fit the comparison.")
    if kind == "time":
        return _("Times go from 00:00 to 24:00, and a window ends after it begins.")
    return None
