from typing import Any

import pytest

from prompts.errors import TemplateFailed, VariablesInvalid
from prompts.rendering import (
    VariableSpec,
    VariableType,
    parse_variables,
    resolve_variables,
    sample_variables,
)

DECLARED = [
    {"name": "bot", "type": "string", "default": "Luz", "description": "What the bot is called."},
    {"name": "total", "type": "number", "required": True, "sample": 12.5},
    {"name": "vip", "type": "boolean"},
    {"name": "orders", "type": "list"},
    {"name": "customer", "type": "object", "sample": {"name": "Ana"}},
    {"name": "note"},
]

FAULTS: list[tuple[Any, str]] = [
    ({}, ""),
    ("text", ""),
    (None, ""),
    ([{"name": "a"}] * 101, ""),
    (["a"], "/0"),
    ([{}], "/0/name"),
    ([{"name": ""}], "/0/name"),
    ([{"name": "_a"}], "/0/name"),
    ([{"name": "a-b"}], "/0/name"),
    ([{"name": "año"}], "/0/name"),
    ([{"name": "a\n"}], "/0/name"),
    ([{"name": "a" * 65}], "/0/name"),
    ([{"name": 1}], "/0/name"),
    ([{"name": "loop"}], "/0/name"),
    ([{"name": "a"}, {"name": "a"}], "/1/name"),
    ([{"name": "a", "type": "text"}], "/0/type"),
    ([{"name": "a", "type": ["string"]}], "/0/type"),
    ([{"name": "a", "type": None}], "/0/type"),
    ([{"name": "a", "default": 1}], "/0/default"),
    ([{"name": "a", "type": "number", "sample": "1"}], "/0/sample"),
    ([{"name": "a", "type": "number", "sample": True}], "/0/sample"),
    ([{"name": "a", "type": "number", "sample": float("nan")}], "/0/sample"),
    ([{"name": "a", "type": "boolean", "default": 0}], "/0/default"),
    ([{"name": "a", "type": "list", "default": {}}], "/0/default"),
    ([{"name": "a", "type": "object", "default": {"b": object()}}], "/0/default"),
    ([{"name": "a", "required": "yes"}], "/0/required"),
    ([{"name": "a", "description": 1}], "/0/description"),
    ([{"name": "a", "description": "x" * 501}], "/0/description"),
    ([{"name": "a", "kind": "string"}], "/0/kind"),
]


def test_a_declaration_is_read_with_its_defaults() -> None:
    specs = parse_variables(DECLARED)
    assert list(specs) == ["bot", "total", "vip", "orders", "customer", "note"]
    assert specs["note"] == VariableSpec("note", VariableType.STRING)
    assert specs["total"] == VariableSpec(
        "total", VariableType.NUMBER, default=None, sample=12.5, required=True
    )


def test_a_declaration_survives_being_written_and_read_again() -> None:
    specs = parse_variables(DECLARED)
    assert parse_variables([spec.as_json() for spec in specs.values()]) == specs


@pytest.mark.parametrize(("declared", "pointer"), FAULTS)
def test_a_faulty_declaration_says_where(declared: Any, pointer: str) -> None:
    with pytest.raises(VariablesInvalid) as caught:
        parse_variables(declared)
    assert [item["pointer"] for item in caught.value.details["errors"]] == [pointer]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(VariablesInvalid) as caught:
        parse_variables([{"name": "1", "type": "x"}, {"name": "ok"}, {"name": "b", "default": 1}])
    pointers = [item["pointer"] for item in caught.value.details["errors"]]
    assert pointers == ["/0/name", "/0/type", "/2/default"]


def test_values_are_given_by_default_or_left_empty() -> None:
    specs = parse_variables(DECLARED)
    given = {"total": 1, "vip": True, "note": None, "undeclared": "gone"}
    assert resolve_variables(specs, given) == {
        "bot": "Luz",
        "total": 1,
        "vip": True,
        "orders": None,
        "customer": None,
        "note": None,
    }


def test_a_required_variable_must_be_there() -> None:
    specs = parse_variables(DECLARED)
    for given in ({}, {"total": None}):
        with pytest.raises(TemplateFailed, match="'total' is required"):
            resolve_variables(specs, given)


@pytest.mark.parametrize(
    "given",
    [{"bot": 1}, {"vip": 1}, {"total": "1"}, {"total": True}, {"orders": {}}, {"customer": []}],
)
def test_a_value_must_be_of_the_declared_type(given: dict[str, Any]) -> None:
    with pytest.raises(TemplateFailed, match="must be a"):
        resolve_variables(parse_variables(DECLARED), {"total": 1} | given)


def test_previews_have_a_value_for_everything() -> None:
    assert sample_variables(parse_variables(DECLARED)) == {
        "bot": "Luz",
        "total": 12.5,
        "vip": False,
        "orders": [],
        "customer": {"name": "Ana"},
        "note": "[note]",
    }
