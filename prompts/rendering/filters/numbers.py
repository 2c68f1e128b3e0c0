"""Filters about numbers. Numbers are bounded, so each costs the same."""

import math
from typing import Any, Literal

from prompts.rendering.context import RenderContext, defined, number_of, text_of, whole_number_of

DIGITS = 40


def absolute(context: RenderContext, value: Any) -> float:
    """The number without its sign."""
    context.spend(2)
    return abs(number_of(value))


def rounded(
    context: RenderContext,
    value: Any,
    precision: Any = 0,
    method: Literal["common", "ceil", "floor"] = "common",
) -> float:
    """The number with `precision` (0 to 15) decimals."""
    context.spend(4)
    number, places = number_of(value), whole_number_of(precision, 0, 15)
    if method == "common":
        return round(number, places)
    if method not in ("ceil", "floor"):
        raise ValueError("round knows the methods 'common', 'ceil' and 'floor'")
    factor: int = 10**places
    turn = math.ceil if method == "ceil" else math.floor
    return number_of(turn(number * factor) / factor)


def integer(context: RenderContext, value: Any, default: Any = 0) -> Any:
    """The value as a whole number, `default` when it is not a number."""
    number = decimal(context, value, None)
    if number is None:
        return default
    if type(value) is str and value.strip().isdecimal():
        return int(value)  # all its digits, where a float keeps about sixteen
    return int(value) if type(value) is int else int(number)


def decimal(context: RenderContext, value: Any, default: Any = 0.0) -> Any:
    """The value as a number with decimals, `default` when it is not a number."""
    context.spend(4)
    if isinstance(defined(value), list | dict) or value is None:
        return default
    text = text_of(value)
    if len(text) > DIGITS:
        return default
    try:
        return number_of(float(text) if type(value) is not bool else float(value))
    except (ValueError, OverflowError):
        return default
