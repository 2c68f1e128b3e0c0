"""The variables a prompt declares: their names, their types, and what stands in for them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from prompts.errors import TemplateFailed, TemplateTooLarge, VariablesInvalid
from prompts.rendering import limits
from prompts.rendering.values import JSONValue, plain_copy

MOST_VARIABLES = 100
DESCRIPTION_CHARACTERS = 500

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_KEYS = frozenset({"name", "type", "default", "sample", "required", "description"})
_RESERVED = frozenset({"self", "super", "caller", "varargs", "kwargs", "loop", "range"})


class VariableType(StrEnum):
    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"

    def fits(self, value: JSONValue) -> bool:
        """Whether `value` is of this type; true and false are not numbers."""
        return type(value) in _PYTHON_TYPES[self]


_PYTHON_TYPES: Mapping[VariableType, tuple[type, ...]] = {
    VariableType.STRING: (str,),
    VariableType.NUMBER: (int, float),
    VariableType.BOOLEAN: (bool,),
    VariableType.LIST: (list,),
    VariableType.OBJECT: (dict,),
}


@dataclass(frozen=True, slots=True)
class VariableSpec:
    """One declared variable. `default` and `sample` are of its type, or None for none."""

    name: str
    type: VariableType = VariableType.STRING
    default: JSONValue = None
    sample: JSONValue = None
    required: bool = False
    description: str = ""

    def as_json(self) -> dict[str, JSONValue]:
        """The declaration in the form `parse_variables` reads."""
        return {
            "name": self.name,
            "type": self.type.value,
            "default": self.default,
            "sample": self.sample,
            "required": self.required,
            "description": self.description,
        }

    def stand_in(self) -> JSONValue:
        """A value for previews: the sample, else the default, else the name or nothing."""
        for value in (self.sample, self.default):
            if value is not None:
                return value
        empty: dict[VariableType, JSONValue] = {
            VariableType.STRING: f"[{self.name}]",
            VariableType.NUMBER: 0,
            VariableType.BOOLEAN: False,
            VariableType.LIST: [],
            VariableType.OBJECT: {},
        }
        return empty[self.type]


def parse_variables(declared: object) -> dict[str, VariableSpec]:
    """The specs in a JSON list of `{name, type, default, sample, required, description}`, by name.

    Only `name` must be there; the type is then "string". Raises VariablesInvalid with one entry in
    `details["errors"]` for each fault, whose `pointer` leads into the list.
    """
    if not isinstance(declared, list) or len(declared) > MOST_VARIABLES:
        raise _invalid([("", f"This must be a list of at most {MOST_VARIABLES} variables.")])
    faults: list[tuple[str, str]] = []
    specs: dict[str, VariableSpec] = {}
    for index, item in enumerate(declared):
        found = [(f"/{index}{pointer}", detail) for pointer, detail in _faults(item)]
        if not found and item["name"] in specs:
            found = [(f"/{index}/name", "Two variables have this name.")]
        faults.extend(found)
        if not found:
            specs[item["name"]] = _spec(item)
    if faults:
        raise _invalid(faults)
    return specs


def resolve_variables(
    specs: Mapping[str, VariableSpec], given: Mapping[str, JSONValue]
) -> dict[str, JSONValue]:
    """A value for every declared variable: what was given, else its default, else None.

    What was given but not declared is left out. Raises TemplateFailed when a required variable is
    missing or a value is not of the declared type; None counts as missing.
    """
    resolved: dict[str, JSONValue] = {}
    for name, spec in specs.items():
        value = given.get(name)
        if value is None:
            if spec.required and spec.default is None:
                raise TemplateFailed(f"The variable {name!r} is required.", variable=name)
            value = spec.default
        elif not spec.type.fits(value):
            raise TemplateFailed(f"The variable {name!r} must be a {spec.type}.", variable=name)
        resolved[name] = value
    return resolved


def sample_variables(specs: Mapping[str, VariableSpec]) -> dict[str, JSONValue]:
    """A value for every declared variable that a preview can show."""
    return {name: spec.stand_in() for name, spec in specs.items()}


def _spec(item: Mapping[str, Any]) -> VariableSpec:
    return VariableSpec(
        name=item["name"],
        type=VariableType(item.get("type", VariableType.STRING)),
        default=item.get("default"),
        sample=item.get("sample"),
        required=item.get("required", False),
        description=item.get("description", ""),
    )


def _faults(item: object) -> Iterator[tuple[str, str]]:
    if not isinstance(item, dict):
        yield "", "A variable is an object with a name."
        return
    for key in item.keys() - _KEYS:
        yield f"/{str(key)[:80]}", "A variable has no such field."
    name = item.get("name")
    if not isinstance(name, str) or len(name) > limits.NAME_LENGTH or not _NAME.fullmatch(name):
        yield "/name", "A name takes letters a-z, digits and _, and begins with a letter."
    elif name in _RESERVED:
        yield "/name", "This name is a word of the template language."
    if not isinstance(item.get("required", False), bool):
        yield "/required", "This must be true or false."
    description = item.get("description", "")
    if not isinstance(description, str) or len(description) > DESCRIPTION_CHARACTERS:
        yield "/description", f"This must be text of at most {DESCRIPTION_CHARACTERS} characters."
    yield from _value_faults(item)


def _value_faults(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    try:
        kind = VariableType(item.get("type", VariableType.STRING))
    except ValueError:
        yield "/type", f"The types are {', '.join(VariableType)}."
        return
    for key in ("default", "sample"):
        value = item.get(key)
        if value is None:
            continue
        if not kind.fits(value):
            yield f"/{key}", f"This must be a {kind}."
            continue
        try:
            plain_copy({key: value})
        except (TemplateFailed, TemplateTooLarge) as error:
            yield f"/{key}", error.message


def _invalid(faults: list[tuple[str, str]]) -> VariablesInvalid:
    code = VariablesInvalid.code
    errors = [{"pointer": where, "code": code, "detail": detail} for where, detail in faults]
    return VariablesInvalid(faults[0][1], errors=errors)
