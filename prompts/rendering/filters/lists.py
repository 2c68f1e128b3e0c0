"""Filters about lists and objects. Each weighs what it is given before it works on it."""

from collections.abc import Callable, Mapping
from typing import Any

from prompts.rendering import limits
from prompts.rendering.context import (
    RenderContext,
    check_size,
    check_text,
    defined,
    kind_of,
    list_of,
    number_of,
    text_of,
)
from prompts.rendering.operators import ORDER_OPERATORS, compare, pairs

MISSING = object()

# What selectattr and rejectattr may ask, in Jinja's words, and the operator it stands for.
_QUESTIONS: Mapping[str, str] = {
    "equalto": "eq",
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "lteq",
    ">": "gt",
    ">=": "gteq",
    "in": "in",
} | {name: name for name in ORDER_OPERATORS}


def length(context: RenderContext, value: Any) -> int:
    """How many characters, items or keys there are."""
    context.spend(2)
    if type(value) in (str, list, dict):
        return len(value)
    raise TypeError(f"{kind_of(value)} has no length")


def first(context: RenderContext, value: Any) -> Any:
    """The first item or character; undefined when there is none."""
    return _end(context, value, 0)


def last(context: RenderContext, value: Any) -> Any:
    """The last item or character; undefined when there is none."""
    return _end(context, value, -1)


def _end(context: RenderContext, value: Any, index: int) -> Any:
    context.spend(2)
    if type(value) is not str and type(value) is not list:
        raise TypeError(f"text or a list is needed here, not {kind_of(value)}")
    return value[index] if value else context.environment.undefined("there is no item at all")


def as_list(context: RenderContext, value: Any) -> list[Any]:
    """A list of the items, or of the keys of an object."""
    context.spend(2 + length(context, value))
    return list(value) if type(value) is dict else list(list_of(value))


def reverse(context: RenderContext, value: Any) -> Any:
    """The text or the list backwards."""
    context.spend(2 + length(context, value))
    return value[::-1] if type(value) is str else list_of(value)[::-1]


def join(context: RenderContext, value: Any, d: Any = "", attribute: Any = None) -> str:
    """The items, or one attribute of each, as one text with `d` between them."""
    between = text_of(d)
    items = list_of(value) if attribute is None else _column(context, value, attribute)
    size = context.weigh(items) + len(between) * len(items)
    check_size(size)
    context.spend_text(size)
    return check_text(between.join([text_of(item) for item in items]))


def sort(
    context: RenderContext,
    value: Any,
    reverse: Any = False,
    case_sensitive: Any = False,
    attribute: Any = None,
) -> list[Any]:
    """The items in order, of themselves or of one attribute; capitals count only if asked for."""
    items = list_of(value)
    ranks = _ranks(context, items, case_sensitive, attribute)
    order = sorted(range(len(items)), key=ranks.__getitem__, reverse=reverse is True)
    return [items[index] for index in order]


def unique(
    context: RenderContext, value: Any, case_sensitive: Any = False, attribute: Any = None
) -> list[Any]:
    """The items, each only the first time it (or its attribute) appears."""
    items = list_of(value)
    found: dict[Any, Any] = {}
    for rank, item in zip(_ranks(context, items, case_sensitive, attribute), items, strict=True):
        found.setdefault(rank, item)
    return list(found.values())


def smallest(
    context: RenderContext, value: Any, case_sensitive: Any = False, attribute: Any = None
) -> Any:
    """The smallest item; undefined when there is none."""
    return first(context, sort(context, value, False, case_sensitive, attribute))


def largest(
    context: RenderContext, value: Any, case_sensitive: Any = False, attribute: Any = None
) -> Any:
    """The largest item; undefined when there is none."""
    return first(context, sort(context, value, True, case_sensitive, attribute))


def total(context: RenderContext, value: Any, attribute: Any = None, start: Any = 0) -> float:
    """The sum of the items, or of one attribute of each."""
    items = list_of(value) if attribute is None else _column(context, value, attribute)
    context.spend(2 + 2 * len(items))
    return number_of(sum([number_of(item) for item in items], number_of(start)))


def select_attribute(
    context: RenderContext, value: Any, attribute: Any, test: Any = None, other: Any = None
) -> list[Any]:
    """The objects whose attribute is true, or compares to `other` as `test` asks."""
    return _where(context, value, attribute, test, other, True)


def reject_attribute(
    context: RenderContext, value: Any, attribute: Any, test: Any = None, other: Any = None
) -> list[Any]:
    """The objects whose attribute is not true, or does not compare to `other` as `test` asks."""
    return _where(context, value, attribute, test, other, False)


def dictsort(
    context: RenderContext,
    value: Any,
    case_sensitive: Any = False,
    by: Any = "key",
    reverse: Any = False,
) -> list[list[Any]]:
    """The [key, value] pairs of an object, in order of `by`: 'key' or 'value'."""
    if by not in ("key", "value"):
        raise ValueError("dictsort orders by 'key' or by 'value'")
    entries = pairs(context, value)
    ranks = _ranks(context, [entry[by == "value"] for entry in entries], case_sensitive, None)
    order = sorted(range(len(entries)), key=ranks.__getitem__, reverse=reverse is True)
    return [entries[index] for index in order]


def column(
    context: RenderContext, items: list[Any], attribute: Any, default: Any = MISSING
) -> list[Any]:
    """One attribute of each object, `default` where it is missing (or an error without one)."""
    path = _path(attribute)
    context.spend(2 + len(items) * (1 + len(path)))
    found = [_at(item, path) for item in items]
    if default is MISSING and MISSING in found:
        raise LookupError(f"an item has no {attribute!r}")
    return [default if item is MISSING else item for item in found]


def _column(context: RenderContext, value: Any, attribute: Any) -> list[Any]:
    return column(context, list_of(value), attribute)


def _ranks(
    context: RenderContext, items: list[Any], case_sensitive: Any, attribute: Any
) -> list[Any]:
    ranks = items if attribute is None else _column(context, items, attribute)
    weight = context.weigh(ranks)
    # Sorting compares each of 20,000 items about 15 times; that, and lowering, is paid for here.
    context.spend(8 * len(ranks))
    context.spend_text(4 * weight)
    if case_sensitive is True:
        return ranks
    return [rank.lower() if type(rank) is str else rank for rank in ranks]


def _where(
    context: RenderContext, value: Any, attribute: Any, test: Any, other: Any, wanted: bool
) -> list[Any]:
    items, path = list_of(value), _path(attribute)
    context.spend(2 + len(items) * (1 + len(path)))
    question = _question(context, test, defined(other))
    return [item for item in items if question(_at(item, path)) is wanted]


def _question(context: RenderContext, test: Any, other: Any) -> Callable[[Any], bool]:
    if test is None:
        return lambda found: found is not MISSING and bool(found)
    if test == "defined":
        return lambda found: found is not MISSING
    if type(test) is not str or test not in _QUESTIONS:
        raise ValueError(f"this test is not known: one of {', '.join(sorted(_QUESTIONS))} is")
    symbol = _QUESTIONS[test]
    return lambda found: found is not MISSING and compare(context, found, symbol, other)


def _path(attribute: Any) -> list[str]:
    if type(attribute) is not str or len(attribute) > limits.PATH_CHARACTERS:
        raise TypeError("the attribute is a short text, as in attribute='name'")
    return attribute.split(".")


def _at(item: Any, path: list[str]) -> Any:
    for key in path:
        if type(item) is not dict or key not in item:
            return MISSING
        item = item[key]
    return item
