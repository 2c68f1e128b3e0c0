from time import thread_time
from typing import Any

import pytest

from routing.tools.schema import (
    SchemaInvalid,
    check_parameters,
    check_schema,
    compile_schema,
    hash_of,
)


def doubling(levels: int) -> dict[str, Any]:
    """A few lines of schema that unfold to 2^levels parts."""
    definitions: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": definitions | {f"d{levels}": {"type": "string"}}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


REFUSED: dict[str, Any] = {
    "not an object": [],
    "unknown type": {"type": "text"},
    "remote reference": {"$ref": "https://evil.example/schema.json"},
    "file reference": {"$ref": "file:///etc/passwd"},
    "reference to the root": {"properties": {"a": {"$ref": "#"}}},
    "reference to itself": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    "reference in a circle": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}},
    },
    "reference to nowhere": {"$ref": "#/$defs/a"},
    "another base": {"$id": "https://evil.example/", "type": "object"},
    "dynamic reference": {"$dynamicRef": "#a"},
    "another dialect inside": {
        "properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}
    },
    "look-ahead": {"pattern": "(?=a)b"},
    "back-reference": {"pattern": r"(a)\1"},
    "long pattern": {"pattern": "a" * 501},
    "names by pattern": {"patternProperties": {"(a+)+$": {}}},
    "deep": nested(30),
    "large": {"description": "x" * 40_000},
    "unfolds without end": doubling(40),
    "hidden in a definition": {"$defs": {"a": {"pattern": "(?!x)"}}},
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_schema_that_could_hurt_is_not_saved(name: str) -> None:
    started = thread_time()
    with pytest.raises(SchemaInvalid):
        check_schema(REFUSED[name])
    assert thread_time() - started < 3


def test_arguments_are_an_object() -> None:
    with pytest.raises(SchemaInvalid):
        check_parameters({"type": "string"})


def test_a_pattern_takes_linear_time() -> None:
    checker = compile_schema({"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}})
    started = thread_time()
    assert checker.fault({"a": "a" * 30_000 + "!"}) is not None
    assert checker.fault({"a": "aaa"}) is None
    assert thread_time() - started < 3


def test_another_dialect_does_not_bring_back_its_own_patterns() -> None:
    dialect = {"$schema": "http://json-schema.org/draft-07/schema#"}
    checker = compile_schema(dialect | {"properties": {"a": {"pattern": "^(a+)+$"}}})
    started = thread_time()
    assert checker.fault({"a": "a" * 40 + "!"}) is not None
    assert thread_time() - started < 3


def test_references_within_the_document_are_followed() -> None:
    point = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    schema = {"$defs": {"point": point}, "type": "object"}
    schema["properties"] = {"at": {"$ref": "#/$defs/point"}}
    assert compile_schema(schema).fault({"at": {"x": 1}}) is None
    assert compile_schema(schema).fault({"at": {}}) == "at: 'x' is a required property"


def test_a_property_may_be_called_like_a_keyword() -> None:
    check_schema({"type": "object", "properties": {"$ref": {"type": "string"}, "pattern": {}}})


@pytest.mark.parametrize("value", [10**400, "x" * 100_000, [[[]]] * 1000, {"a": 1e308}])
def test_any_value_gets_an_answer(value: Any) -> None:
    checker = compile_schema({"properties": {"a": {"multipleOf": 0.01}}, "uniqueItems": True})
    for given in (value, {"a": value}):
        fault = checker.fault(given)
        assert fault is None or len(fault) < 500


def test_the_hash_is_of_what_a_model_is_told() -> None:
    told = ("price", "Prices.", {"type": "object", "properties": {}})
    same = ("price", "Prices.", {"properties": {}, "type": "object"})
    assert hash_of(*told) == hash_of(*same)
    assert len({hash_of(*told), hash_of("cost", *told[1:]), hash_of(*told[:1], "Costs.", {})}) == 3


def test_nothing_fits_a_schema_that_is_none() -> None:
    assert compile_schema({"type": "text"}).fault("text") is not None
