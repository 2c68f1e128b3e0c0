"""The tests a template may ask (`x is defined`): about types, and three about numbers.

Our own, since Jinja's `odd` computes `value % 2`, which for a text is a format string.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined

from prompts.rendering.context import defined, number_of


def _is_type(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(defined(value)) in kinds


def is_defined(value: Any) -> bool:
    """Whether the value was given."""
    return not isinstance(value, Undefined)


def is_undefined(value: Any) -> bool:
    """Whether the value was not given."""
    return isinstance(value, Undefined)


def is_odd(value: Any) -> bool:
    """Whether the number is odd."""
    return number_of(value) % 2 == 1


def is_even(value: Any) -> bool:
    """Whether the number is even."""
    return number_of(value) % 2 == 0


def is_divisible_by(value: Any, num: Any) -> bool:
    """Whether the number is a multiple of `num`."""
    return number_of(value) % number_of(num) == 0


PREDICATES: Mapping[str, Callable[..., bool]] = {
    "boolean": _is_type(bool),
    "defined": is_defined,
    "divisibleby": is_divisible_by,
    "even": is_even,
    "false": lambda value: defined(value) is False,
    "float": _is_type(float),
    "integer": _is_type(int),
    "mapping": _is_type(dict),
    "none": lambda value: defined(value) is None,
    "number": _is_type(int, float),
    "odd": is_odd,
    "sequence": _is_type(list, str),
    "string": _is_type(str),
    "true": lambda value: defined(value) is True,
    "undefined": is_undefined,
}
