"""The filters a template may use: our own, since Jinja's know no bounds.

Each is called with the render's context first, is given whatever the template wrote, raises
TypeError, ValueError, ArithmeticError or LookupError when that does not fit, and pays for its work
before doing it (`RenderContext.spend`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from prompts.rendering.filters import data, lists, numbers, text
from prompts.rendering.operators import pairs

FILTERS: Mapping[str, Callable[..., Any]] = {
    "abs": numbers.absolute,
    "capitalize": text.capitalize,
    "count": lists.length,
    "d": data.default,
    "default": data.default,
    "dictsort": lists.dictsort,
    "e": text.escape,
    "escape": text.escape,
    "first": lists.first,
    "float": numbers.decimal,
    "int": numbers.integer,
    "items": pairs,
    "join": lists.join,
    "last": lists.last,
    "length": lists.length,
    "list": lists.as_list,
    "lower": text.lower,
    "map": data.apply,
    "max": lists.largest,
    "min": lists.smallest,
    "rejectattr": lists.reject_attribute,
    "replace": text.replace,
    "reverse": lists.reverse,
    "round": numbers.rounded,
    "selectattr": lists.select_attribute,
    "sort": lists.sort,
    "string": text.string,
    "sum": lists.total,
    "title": text.title,
    "tojson": data.tojson,
    "trim": text.trim,
    "truncate": text.truncate,
    "unique": lists.unique,
    "upper": text.upper,
    "wordcount": text.wordcount,
}
