"""Filters about any value: defaults, JSON, and `map`, which applies the others to each item."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined

from prompts.rendering.context import (
    RenderContext,
    check_size,
    check_text,
    list_of,
    text_of,
    whole_number_of,
)
from prompts.rendering.filters import lists, numbers, text

_APPLICABLE: Mapping[str, Callable[[RenderContext, Any], Any]] = {
    "upper": text.upper,
    "lower": text.lower,
    "title": text.title,
    "capitalize": text.capitalize,
    "trim": text.trim,
    "escape": text.escape,
    "string": text.string,
    "wordcount": text.wordcount,
    "int": numbers.integer,
    "float": numbers.decimal,
    "round": numbers.rounded,
    "abs": numbers.absolute,
    "length": lists.length,
    "first": lists.first,
    "last": lists.last,
}


def default(
    context: RenderContext, value: Any, default_value: Any = "", boolean: Any = False
) -> Any:
    """`default_value` when the value is undefined, or with `boolean` also when it is empty."""
    context.spend(1)
    if isinstance(value, Undefined) or (boolean is True and not value):
        return default_value
    return value


def tojson(context: RenderContext, value: Any, indent: Any = None) -> str:
    """The value as JSON, readable characters kept; `indent` of 0 to 4 spaces."""
    size = context.weigh(value)
    check_size(size)
    # A character is written as six (\\u0000) at most; an encoder costs some microseconds.
    context.spend(20)
    context.spend_text(6 * size)
    spaces = None if indent is None else whole_number_of(indent, 0, 4)
    return check_text(json.dumps(value, ensure_ascii=False, indent=spaces))


def apply(
    context: RenderContext,
    value: Any,
    name: Any = None,
    *,
    attribute: Any = None,
    default: Any = lists.MISSING,
) -> list[Any]:
    """`map('upper')` applies a filter to each item, `map(attribute='name')` takes one of each."""
    items = list_of(value)
    if attribute is not None:
        return lists.column(context, items, attribute, default)
    if type(name) is not str or name not in _APPLICABLE:
        raise ValueError(f"map applies only: {', '.join(sorted(_APPLICABLE))}")
    context.spend(2 + len(items))
    function = _APPLICABLE[name]
    return [function(context, item) for item in items]


def to_output(context: RenderContext, value: Any) -> str:
    """What `{{ value }}` writes: none writes nothing, lists and objects as Python shows them."""
    if type(value) is str:
        return value
    if type(value) is list or type(value) is dict:
        # A character may be shown as ten: \\U0001f600.
        context.spend_text(10 * context.weigh(value))
        return check_text(str(value))
    return text_of(value)
