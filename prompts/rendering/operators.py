"""The operators of the language, each paid for and each with a bound on what it makes."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from prompts.rendering import limits
from prompts.rendering.context import (
    RenderContext,
    check_text,
    defined,
    kind_of,
    list_of,
    number_of,
    text_of,
    whole_number_of,
)

_NUMBERS = (int, float, bool)

# No `**`: two characters of source must not buy an hour of multiplication.
_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}
ORDER_OPERATORS = frozenset(_COMPARISONS)
COMPARE_OPERATORS = ORDER_OPERATORS | {"in", "notin"}


def calculate(context: RenderContext, symbol: str, left: Any, right: Any) -> Any:
    """`left symbol right`: numbers within 10**30, or two texts with `+`."""
    if type(left) in _NUMBERS and type(right) in _NUMBERS and symbol in _ARITHMETIC:
        return number_of(_ARITHMETIC[symbol](left, right))
    if type(left) is str and type(right) is str and symbol == "+":
        return concat(context, left, right)
    raise TypeError(f"{symbol!r} does not work between {kind_of(left)} and {kind_of(right)}")


def concat(context: RenderContext, *values: Any) -> str:
    """`a ~ b ~ c` for single values."""
    texts = [text_of(value) for value in values]
    context.spend_text(sum(map(len, texts)))
    return check_text("".join(texts))


def compare(context: RenderContext, left: Any, symbol: str, right: Any) -> bool:
    """`left symbol right`, symbol being one of COMPARE_OPERATORS."""
    if type(left) in _NUMBERS and type(right) in _NUMBERS and symbol in _COMPARISONS:
        return _COMPARISONS[symbol](left, right)
    if symbol in _COMPARISONS:
        # Equality stops at the first difference, and so at the smaller of the two.
        context.weigh(left)
        context.weigh(right)
        return _COMPARISONS[symbol](left, right)
    is_inside = _contains(context, right, left)
    return is_inside if symbol == "in" else not is_inside


def _contains(context: RenderContext, whole: Any, part: Any) -> bool:
    if type(whole) is str:
        if type(part) is not str:
            raise TypeError(f"'in' looks for text in a text, not for {kind_of(part)}")
        spend_search(context, whole, part)
        return part in whole
    context.weigh(part)
    if type(whole) is dict:
        return type(part) is str and part in whole
    context.weigh(whole)
    return part in list_of(whole)


def spend_search(context: RenderContext, whole: str, part: str) -> None:
    """Pays for finding `part` in `whole`.

    CPython compares up to `len(whole) * len(part)` characters when the text is shorter than 30,000
    and the needle shorter than 100, and is linear beyond (two-way algorithm, since 3.10).
    """
    factor = min(len(part), 100) if len(whole) < 30_000 else 6
    context.spend(2 + len(whole) * factor // 64)


def each(context: RenderContext, value: Any, cost: int) -> list[Any]:
    """What a `for` walks over, all its rounds paid for in advance: `cost` units each."""
    items = list(value) if type(value) is dict else list_of(value)
    context.spend(1 + len(items) * cost)
    return items


def cut(context: RenderContext, value: Any, start: Any, stop: Any, step: Any) -> Any:
    """`value[start:stop:step]` of a text or a list."""
    if type(value) is not str and type(value) is not list:
        raise TypeError(f"a part of {kind_of(value)} cannot be taken")
    for bound in (start, stop, step):
        if bound is not None and type(defined(bound)) is not int:
            raise TypeError("whole numbers are needed in [from:to]")
    context.spend_text(len(value))
    return value[start:stop:step]


def numbers(context: RenderContext, first: Any, stop: Any = None, step: Any = 1) -> list[int]:
    """`range(stop)`, `range(start, stop)`, `range(start, stop, step)`: 1,000 items at most."""
    start, stop = (0, first) if stop is None else (first, stop)
    bounds = [whole_number_of(defined(bound), -(10**9), 10**9) for bound in (start, stop, step)]
    found = range(*bounds)
    if len(found) > limits.RANGE_ITEMS:
        raise ValueError(f"range() gives at most {limits.RANGE_ITEMS} numbers")
    context.spend(1 + len(found))
    return list(found)


def keys(context: RenderContext, value: Any) -> list[str]:
    """`value.keys()` of an object."""
    return [pair[0] for pair in pairs(context, value)]


def values(context: RenderContext, value: Any) -> list[Any]:
    """`value.values()` of an object."""
    return [pair[1] for pair in pairs(context, value)]


def pairs(context: RenderContext, value: Any) -> list[list[Any]]:
    """`value.items()` of an object, as two-element lists."""
    if type(value) is not dict:
        raise TypeError(f"an object is needed here, not {kind_of(value)}")
    context.spend(2 + 2 * len(value))
    return [[key, item] for key, item in value.items()]
