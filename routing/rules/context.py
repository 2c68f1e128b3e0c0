"""A value of the context that the session or the request was given.

Low-code clients send `"1"` for 1 and `"true"` for true, so values are compared as what they say:
numbers as numbers, texts without case and accents.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from math import isfinite
from typing import Any, Final

from routing.rules.values import RoutableMessage, RuleInvalid, check_keys
from routing.words import fold

MAX_PATH_CHARS: Final = 200
MAX_DEPTH: Final = 10
MAX_VALUES: Final = 100
MAX_VALUE_CHARS: Final = 500
#: No more than this of a list or a text of the context is looked at.
MAX_ITEMS: Final = 1000
_STEP: Final = re.compile(r"""\.?([^\W\d][\w-]*)|\[(\d{1,6})\]|\["([^"\]]{1,100})"\]""")
_NUMERIC: Final = frozenset("0123456789+-.")
_MISSING: Final = object()


class Operator(StrEnum):
    EQUALS = "equals"
    DIFFERS = "differs"
    ONE_OF = "one_of"
    CONTAINS = "contains"
    MORE_THAN = "more_than"
    AT_LEAST = "at_least"
    LESS_THAN = "less_than"
    AT_MOST = "at_most"
    EXISTS = "exists"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Expected:
    """What to compare with, prepared."""

    said: frozenset[str | None] = frozenset()
    number: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class ContextCondition:
    """The value at the path is there and stands in the relation; for DIFFERS and MISSING it need
    not be there.
    """

    path: str
    steps: tuple[str | int, ...]
    operator: Operator
    expected: Expected

    def match(self, message: RoutableMessage) -> str | None:
        found = find_value(message.context, self.steps)
        if found is _MISSING:
            holds = self.operator in (Operator.MISSING, Operator.DIFFERS)
            return f"context {self.path} is missing" if holds else None
        if not _HOLDS[self.operator](found, self.expected):
            return None
        return f"context {self.path} is «{_shown(found)}»"


def find_value(context: Any, steps: Sequence[str | int]) -> Any:
    """The value at the path; a mark of its own, that equals nothing, when there is none."""
    value = context
    for step in steps:
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return _MISSING
        elif not isinstance(value, list) or step >= len(value):
            return _MISSING
        value = value[step]
    return value


def read_path(path: Any) -> tuple[str | int, ...]:
    """The steps of `customer.tags[0]`, `$.customer` or `["a key"]`. Raises `RuleInvalid`."""
    if not isinstance(path, str) or not 0 < len(path) <= MAX_PATH_CHARS:
        raise RuleInvalid(f"The path has between 1 and {MAX_PATH_CHARS} characters.")
    rest = path.strip().removeprefix("$")
    steps: list[str | int] = []
    position = 0
    while position < len(rest):
        found = _STEP.match(rest, position)
        if found is None:
            raise RuleInvalid("The path must look like customer.tags[0].")
        name, number, quoted = found.groups()
        steps.append(int(number) if number else name or quoted)
        position = found.end()
    if not 0 < len(steps) <= MAX_DEPTH:
        raise RuleInvalid(f"The path has between 1 and {MAX_DEPTH} steps.")
    return tuple(steps)


def context_condition(condition: Mapping[str, Any]) -> ContextCondition:
    """From `{"path": "…", "operator": "…", "value": …}`. Raises `RuleInvalid`."""
    check_keys(condition, ["path", "operator", "value"])
    path = condition.get("path")
    steps = read_path(path)
    try:
        operator = Operator(condition.get("operator", Operator.EQUALS))
    except ValueError as exc:
        raise RuleInvalid(f"The operator is one of: {', '.join(Operator)}.") from exc
    return ContextCondition(str(path), steps, operator, _read_expected(operator, condition))


def _read_expected(operator: Operator, condition: Mapping[str, Any]) -> Expected:
    if operator in (Operator.EXISTS, Operator.MISSING):
        return Expected()
    value = condition.get("value", _MISSING)
    if value is _MISSING:
        raise RuleInvalid("A value to compare with is needed.")
    values = value if operator is Operator.ONE_OF and isinstance(value, list) else [value]
    if not 0 < len(values) <= MAX_VALUES:
        raise RuleInvalid(f"Between 1 and {MAX_VALUES} values are needed.")
    if any(isinstance(value, str) and len(value) > MAX_VALUE_CHARS for value in values):
        raise RuleInvalid(f"A value has at most {MAX_VALUE_CHARS} characters.")
    said = frozenset(map(_said, values))
    number = _number(values[0])
    if operator in _ORDERED and number is None:
        raise RuleInvalid("The value must be a number.")
    if None in said:
        raise RuleInvalid("A value is a text, a number, true, false or null.")
    return Expected(said, number or 0.0, fold(str(values[0]).strip()))


def _said(value: Any) -> str | None:
    """A plain value as text that equals what says the same; None for lists and objects."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    number = _number(value)
    if number is not None:
        return repr(number)
    return fold(value[:MAX_VALUE_CHARS].strip()) if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    """The finite number that a value is or spells; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    # Asking `float` what is plainly a word costs ten times as much.
    if isinstance(value, str) and (len(value) > 40 or value.strip()[:1] not in _NUMERIC):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _contains(found: Any, expected: Expected) -> bool:
    if isinstance(found, str):
        return expected.text in fold(found[:MAX_ITEMS])
    if isinstance(found, list | dict):
        return any(_said(item) in expected.said for item in islice(found, MAX_ITEMS))
    return False


def _is(found: Any, expected: Expected) -> bool:
    return _said(found) in expected.said


def _ordered(holds: Callable[[float, float], bool]) -> Callable[[Any, Expected], bool]:
    def compare(found: Any, expected: Expected) -> bool:
        number = _number(found)
        return number is not None and holds(number, expected.number)

    return compare


_ORDERED: Final = {
    Operator.MORE_THAN: _ordered(float.__gt__),
    Operator.AT_LEAST: _ordered(float.__ge__),
    Operator.LESS_THAN: _ordered(float.__lt__),
    Operator.AT_MOST: _ordered(float.__le__),
}
_HOLDS: Final[Mapping[Operator, Callable[[Any, Expected], bool]]] = {
    Operator.EQUALS: _is,
    Operator.ONE_OF: _is,
    Operator.DIFFERS: lambda found, expected: not _is(found, expected),
    Operator.CONTAINS: _contains,
    Operator.EXISTS: lambda found, expected: True,
    Operator.MISSING: lambda found, expected: False,
    **_ORDERED,
}


def _shown(value: Any) -> str:
    return str(value)[:80] if isinstance(value, str | int | float | None) else "…"
