"""Templates written to hurt: `PAYLOADS` maps a readable id to a source.

`REFUSED` must end in a typed error; `TOLERATED` may also end in text, which then must be harmless.
"""

from collections.abc import Iterable
from typing import TypeAlias

from jinja2 import filters as jinja_filters
from jinja2 import tests as jinja_tests

from prompts.rendering.filters import FILTERS
from prompts.rendering.predicates import PREDICATES
from tests.prompts.payloads import expressions, structures

# What the payloads find when they look around.
DATA = {
    "x": "abc",
    "n": 7,
    "d": {"a": 1, "b": {"c": "deep"}},
    "items": ["a", "b", "c"],
    "people": [{"name": "Ana", "age": 30}, {"name": "Luz", "age": 40}],
    "big": "a" * 100_000,
    "long": ["word"] * 1_000,
    "stored": "{{ 7 * 7 }}{% for i in range(9) %}{{ i }}{% endfor %}",
}


# An empty list has no item whose attribute could be missing; an `if` may do without `else`.
HARMLESS = frozenset({"[]|map(attribute='__class__')|list", "d|dictsort", "x if false"})

WALKS = [base + walk for base in expressions.BASES for walk in expressions.WALKS]
SHAPES = ("{{ %s }}", "{{ %s() }}", "{{ %s.__globals__ }}", "{%% set q = %s(1) %%}")
UNKNOWN_FILTERS = sorted(jinja_filters.FILTERS.keys() - FILTERS.keys())
UNKNOWN_TESTS = sorted(
    name for name in jinja_tests.TESTS.keys() - PREDICATES.keys() if name.isidentifier()
)

Found: TypeAlias = "Iterable[tuple[str, bool]]"


def _printed(found: Iterable[str]) -> Found:
    return [("{{ " + expression + " }}", expression not in HARMLESS) for expression in found]


def _refused(sources: Iterable[str]) -> Found:
    return [(source, True) for source in sources]


FAMILIES: dict[str, Found] = {
    "walk": _printed(WALKS),
    "name": _refused(shape % name for name in expressions.NAMES for shape in SHAPES),
    "call": _printed(expressions.CALLS),
    "format": _printed(expressions.FORMATS),
    "bomb": _printed(expressions.BOMBS),
    "argument": _printed(expressions.ARGUMENTS),
    "filter": _printed(f"x|{name}" for name in UNKNOWN_FILTERS),
    "test": _printed(f"x is {name}(x)" for name in UNKNOWN_TESTS),
    "tag": _refused(structures.TAGS),
    "loop": _refused(structures.LOOPS),
    "growth": _refused(structures.GROWTH),
    "unicode": structures.unicode(),
    "huge": structures.huge(),
    "nested": structures.nested(),
    "classic": structures.classics(),
}

REFUSED: dict[str, str] = {}
TOLERATED: dict[str, str] = {}
for _family, _found in FAMILIES.items():
    for _number, (_source, _is_refused) in enumerate(_found):
        (REFUSED if _is_refused else TOLERATED)[f"{_family}-{_number}"] = _source
PAYLOADS = REFUSED | TOLERATED
