"""Bodies for requests, made of the API's own schema: what has to be there, and ids of rows."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from drf_spectacular.generators import SchemaGenerator

#: By the type that the schema names.
_SIMPLEST: Final[Mapping[str, Any]] = {
    "integer": 1,
    "number": 1,
    "boolean": False,
    "array": [],
    "null": None,
}


def body_for(path: str, method: str, ids: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest body that the address (`/api/v1/tasks/{task_id}`) asks for, with those of `ids`
    that it has a name for; empty when it takes none.
    """
    described = _schema()["paths"].get(path, {}).get(method.lower(), {})
    content = described.get("requestBody", {}).get("content", {})
    kind = content.get("application/json", {}).get("schema")
    made = _value(kind, ids) if kind else {}
    return made if isinstance(made, dict) else {}


def named_in(body: Any, ids: Mapping[str, Any]) -> bool:
    """Whether one of `ids` is anywhere in `body`."""
    if isinstance(body, dict):
        return any(name in ids or named_in(value, ids) for name, value in body.items())
    return isinstance(body, list) and any(named_in(value, ids) for value in body)


@cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


def _value(kind: Mapping[str, Any], ids: Mapping[str, Any]) -> Any:
    if "$ref" in kind:
        return _value(_schema()["components"]["schemas"][kind["$ref"].rpartition("/")[2]], ids)
    for joined in ("allOf", "oneOf", "anyOf"):
        if joined in kind:
            return _value(kind[joined][0], ids)
    if "enum" in kind:
        return kind["enum"][0]
    named = kind.get("type", "object")
    name = named if isinstance(named, str) else named[0]
    if name == "object":
        return _object(kind, ids)
    if name == "array" and "items" in kind:
        return [_value(kind["items"], ids)]
    return _SIMPLEST.get(name, "hola")


def _object(kind: Mapping[str, Any], ids: Mapping[str, Any]) -> dict[str, Any]:
    required = set(kind.get("required", ()))
    return {
        name: ids[name] if name in ids else _value(value, ids)
        for name, value in kind.get("properties", {}).items()
        if (name in required or name in ids) and not value.get("readOnly")
    }
