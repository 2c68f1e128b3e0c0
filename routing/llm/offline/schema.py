"""Fills a JSON Schema with what a conversation holds."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from routing.llm.offline.conversation import Conversation
from routing.llm.offline.fields import (
    member_for,
    members_for,
    neutral_member,
    number_for,
    text_for,
    truth_for,
)
from routing.llm.offline.material import Material

MAX_DEPTH: Final = 6
#: No list or text grows beyond this to please a lower bound.
MAX_SIZE: Final = 1000

Schema = Mapping[str, Any]


class _Missing:
    """The message does not say."""


MISSING: Final = _Missing()


def fill(schema: Schema, talk: Conversation) -> Any:
    """A value that fits `schema`, from the last message; empty values where it says nothing.

    Understood: type (also lists), properties, required, items, enum, const, default, `$ref` into
    the schema itself, anyOf/oneOf/allOf, and the simple bounds. Other keywords are not looked at.
    """
    return Form(schema).complete(schema, talk)


class Form:
    """One schema being filled; `root` is where its `$ref`s point into."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def complete(self, schema: Schema, talk: Conversation) -> Any:
        """A whole value: what is missing becomes null or empty."""
        value = self.find(schema, "", Material(talk))
        return self.empty(schema) if value is MISSING else value

    def find(self, schema: Schema, name: str, material: Material, depth: int = 0) -> Any:
        """The value that the material has for the field `name`, or MISSING."""
        schema = self.resolve(schema)
        if depth > MAX_DEPTH:
            return MISSING
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            found = member_for(schema["enum"], material)
            return schema.get("default", MISSING) if found is None else found
        for option in _options(schema):
            found = self.find(option, name, material, depth + 1)
            if found is not MISSING:
                return found
        return self._find_by_type(schema, name, material, depth)

    def _find_by_type(self, schema: Schema, name: str, material: Material, depth: int) -> Any:
        match type_of(schema):
            case "object":
                return self._object(schema, material, depth)
            case "array":
                return self._array(schema, name, material, depth)
            case "string":
                return _text(schema, name, material)
            case "integer" | "number" as kind:
                return _number(schema, name, material, is_whole=kind == "integer")
            case "boolean":
                found = truth_for(name, material)
                return schema.get("default", MISSING) if found is None else found
        return MISSING

    def _object(self, schema: Schema, material: Material, depth: int) -> dict[str, Any]:
        """Required fields always, others when the material has something for them."""
        properties = schema.get("properties")
        filled: dict[str, Any] = {}
        if not isinstance(properties, Mapping):
            return filled
        required = schema.get("required", ())
        for name, field in properties.items():
            value = self.find(field, name, material, depth + 1)
            if value is not MISSING:
                filled[name] = value
            elif name in required:
                filled[name] = self.empty(field, depth + 1)
        return filled

    def _array(self, schema: Schema, name: str, material: Material, depth: int) -> Any:
        items = self.resolve(schema.get("items") or {})
        if isinstance(items.get("enum"), list):
            found: list[Any] = members_for(items["enum"], material)
        elif type_of(items) == "object":
            found = self._rows(items, material, depth)
        else:
            value = self.find(items, name, material, depth + 1)
            found = [] if value is MISSING else [value]
        if not found:
            return MISSING
        found = found[: _size(schema, "maxItems", len(found))]
        missing = _size(schema, "minItems", 0) - len(found)
        return found + [self.empty(items, depth + 1) for _ in range(max(missing, 0))]

    def _rows(self, items: Schema, material: Material, depth: int) -> list[Any]:
        """One object per product that was spoken of."""
        rows = []
        for mention in material.mentions:
            count = f"{mention.quantity} " if mention.quantity is not None else ""
            said = f"{count}{mention.product.name}"
            alone = Material(material.talk, about=(mention,), said=said)
            rows.append(self.find(items, "", alone, depth + 1))
        return rows

    def empty(self, schema: Schema, depth: int = 0) -> Any:
        """The least value that fits: null where allowed, else an empty one of its type."""
        schema = self.resolve(schema)
        if "default" in schema:
            return schema["default"]
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return neutral_member(schema["enum"])
        options = _options(schema)
        if is_nullable(schema) or depth > MAX_DEPTH:
            return None
        if options:
            return self.empty(options[0], depth + 1)
        return self._empty_by_type(schema, depth)

    def _empty_by_type(self, schema: Schema, depth: int) -> Any:
        match type_of(schema):
            case "object":
                properties = schema.get("properties") or {}
                required = [name for name in schema.get("required", ()) if name in properties]
                return {name: self.empty(properties[name], depth + 1) for name in required}
            case "array":
                count = _size(schema, "minItems", 0)
                return [self.empty(schema.get("items") or {}, depth + 1) for _ in range(count)]
            case "string":
                return "-" * _size(schema, "minLength", 0)
            case "integer":
                return int(_bounded(Decimal(0), schema))
            case "number":
                return float(_bounded(Decimal(0), schema))
            case "boolean":
                return False
        return None

    def resolve(self, schema: Any) -> Schema:
        """`schema` with a `$ref` followed and an allOf merged."""
        for _ in range(MAX_DEPTH):
            if not isinstance(schema, Mapping):
                return {}
            if isinstance(schema.get("$ref"), str):
                schema = self._target(schema["$ref"])
            elif isinstance(schema.get("allOf"), list):
                schema = _merged(schema)
            else:
                return schema
        return {}

    def _target(self, ref: str) -> Any:
        found: Any = self._root
        for part in ref.lstrip("#/").split("/"):
            if part:
                found = found.get(part) if isinstance(found, Mapping) else None
        return found


def type_of(schema: Schema) -> str:
    """The type of a schema; of several, the first that is not null; guessed from its keywords."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else ""


def is_nullable(schema: Schema) -> bool:
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    choices = schema.get("anyOf") or schema.get("oneOf") or ()
    return any(isinstance(choice, Mapping) and is_nullable(choice) for choice in choices)


def _options(schema: Schema) -> Sequence[Schema]:
    """The alternatives of a schema that are not null."""
    choices = schema.get("anyOf") or schema.get("oneOf") or ()
    return [c for c in choices if isinstance(c, Mapping) and c.get("type") != "null"]


def _merged(schema: Schema) -> Schema:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        if isinstance(part, Mapping):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", ()), *part.get("required", ())]
            merged |= {**part, "properties": properties, "required": required}
    return merged


def _text(schema: Schema, name: str, material: Material) -> Any:
    by_format = {"email": material.email, "date": material.date, "uri": material.url}
    text = by_format.get(schema.get("format", "")) or text_for(name, material)
    text = text[: _size(schema, "maxLength", len(text))]
    if not text or len(text) < _size(schema, "minLength", 0):
        return schema.get("default", MISSING)
    return text


def _number(schema: Schema, name: str, material: Material, *, is_whole: bool) -> Any:
    found = number_for(name, material)
    if found is None:
        return schema.get("default", MISSING)
    bounded = _bounded(found, schema)
    return int(bounded) if is_whole else float(bounded)


def _bounded(value: Decimal, schema: Schema) -> Decimal:
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, int | float) and math.isfinite(low):
        value = max(value, Decimal(str(low)))
    if isinstance(high, int | float) and math.isfinite(high):
        value = min(value, Decimal(str(high)))
    return value


def _size(schema: Schema, keyword: str, default: int) -> int:
    """A length from the schema, within reason; JSON Schema also writes 3 as 3.0."""
    size = schema.get(keyword, default)
    return int(min(size, max(default, MAX_SIZE)))
