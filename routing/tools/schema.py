"""JSON Schemas that tenants and MCP servers write: judged when saved, then asked about values.

A schema is code of a stranger that runs on every call, so only a part of the language is let in
(`check_schema`): no reference leaves the document or leads back to itself, what references unfold
to is bounded, and patterns are RE2, which takes linear time whatever they say.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import jsonschema
import orjson
import re2
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from orkesta.errors import Invalid

MAX_SCHEMA_BYTES: Final = 32_000
MAX_SCHEMA_DEPTH: Final = 24
MAX_UNFOLDED: Final = 2_000
MAX_PATTERN_CHARS: Final = 500

#: Keywords whose value is a schema, a list of schemas, or schemas by name.
_ONE: Final = (
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_LISTED: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("$defs", "definitions", "dependentSchemas", "properties")
#: They change what a reference means, load what is elsewhere, or run `re` on the model's text.
_REFUSED: Final = (
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
    "dependencies",
    "patternProperties",
)
_REFERENCE: Final = re.compile(r"#(?:/(?:\$defs|definitions)/[^/]{1,200})?\Z")


class SchemaInvalid(Invalid):
    """This JSON Schema cannot be used."""

    code = "schema_invalid"


def check_schema(schema: Any) -> None:
    """Return when `schema` may be saved as the schema of a tool's arguments or result; otherwise
    raise `SchemaInvalid`, whose message says why.
    """
    _check_shape(schema)
    reason = _fault_of_schema(canonical(schema))
    if reason:
        raise SchemaInvalid(f"This is not a JSON Schema (2020-12): {reason}.")


def _check_shape(schema: Any) -> None:
    """What keeps a schema from doing harm; quick, unlike asking whether it is one."""
    if not isinstance(schema, dict):
        raise SchemaInvalid("The schema must be a JSON object.")
    if len(canonical(schema)) > MAX_SCHEMA_BYTES:
        raise SchemaInvalid(f"The schema is larger than {MAX_SCHEMA_BYTES} bytes.")
    _check_depth(schema)
    for part in _unfolded(schema):
        _check_part(part, is_root=part is schema)


@lru_cache(maxsize=4096)
def _fault_of_schema(text: bytes) -> str:
    """Why the JSON in `text` is no schema, by the metaschema; empty when it is one."""
    try:
        _Draft.check_schema(_without_dialect(orjson.loads(text)))
    except jsonschema.SchemaError as exc:
        return exc.message[:200]
    except RecursionError:
        return "too deep"
    return ""


def check_parameters(schema: Any) -> None:
    """`check_schema`, and arguments are always an object."""
    check_schema(schema)
    if schema.get("type") != "object":
        raise SchemaInvalid('The schema of arguments must have "type": "object".')


def canonical(value: Any) -> bytes:
    """The one way to write a JSON value. Raises SchemaInvalid for what is not JSON."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError, RecursionError) as exc:
        raise SchemaInvalid("The schema is not JSON.") from exc


def hash_of(name: str, description: str, parameters: Any) -> str:
    """The SHA-256, in hexadecimal, of what a model is told of a tool."""
    told = canonical([name, description, parameters])
    return hashlib.sha256(told).hexdigest()


@dataclass(frozen=True, slots=True)
class SchemaChecker:
    """A schema, compiled; `compile_schema` makes them."""

    _text: bytes
    _validator: Validator

    def fault(self, value: Any) -> str | None:
        """The first fault of `value` as `<place>: <what is wrong>`; None when it fits."""
        if _fault_of_schema(self._text):
            return "the schema itself is not valid"
        try:
            found = jsonschema.exceptions.best_match(self._validator.iter_errors(value))
        except (RecursionError, OverflowError, ValueError):
            return "the value is too deep or too large to be checked"
        if found is None:
            return None
        place = "/".join(map(str, found.absolute_path))
        return f"{place or 'value'}: {found.message[:300]}"


def compile_schema(schema: Mapping[str, Any]) -> SchemaChecker:
    """The checker of a schema; raises `SchemaInvalid` for one that could do harm.

    Whether it is a schema at all takes a millisecond to find out, so that is looked at when it is
    first used: nothing fits a schema that is none. Equal schemas share one checker, so a snapshot
    that is built anew compiles only what has changed.
    """
    return _compiled(canonical(schema))


@lru_cache(maxsize=4096)
def _compiled(text: bytes) -> SchemaChecker:
    schema = orjson.loads(text)
    _check_shape(schema)
    return SchemaChecker(text, _Draft(_without_dialect(schema)))


def _without_dialect(schema: Mapping[str, Any]) -> dict[str, Any]:
    # jsonschema would switch to the dialect that `$schema` names, and its patterns run on `re`.
    return {name: value for name, value in schema.items() if name != "$schema"}


def _check_depth(schema: Any) -> None:
    level, depth = [schema], 0
    while level:
        depth += 1
        if depth > MAX_SCHEMA_DEPTH:
            raise SchemaInvalid(f"The schema is nested deeper than {MAX_SCHEMA_DEPTH} levels.")
        level = [part for item in level for part in _members(item)]


def _members(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []


def _unfolded(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema in `root`, as often as references lead to it: that is what checking a value can
    cost. Raises SchemaInvalid for a reference into itself and for too many.
    """
    waiting: list[tuple[Any, tuple[str, ...]]] = [(root, ())]
    seen = 0
    while waiting:
        part, on_the_way = waiting.pop()
        if not isinstance(part, dict):
            continue  # True and False are schemas, too
        seen += 1
        if seen > MAX_UNFOLDED:
            raise SchemaInvalid(f"The schema unfolds to more than {MAX_UNFOLDED} parts.")
        yield part
        waiting += [(child, on_the_way) for child in _children(part)]
        if "$ref" in part:
            reference = str(part["$ref"])
            if reference in on_the_way or reference == "#":
                raise SchemaInvalid("A reference may not lead back to itself.")
            waiting.append((_resolved(root, reference), (*on_the_way, reference)))


def _children(part: dict[str, Any]) -> list[Any]:
    found = [part[name] for name in _ONE if name in part]
    for name in _LISTED:
        found += part[name] if isinstance(part.get(name), list) else []
    for name in _NAMED:
        found += part[name].values() if isinstance(part.get(name), dict) else []
    return found


def _resolved(root: dict[str, Any], reference: str) -> Any:
    if not _REFERENCE.match(reference):
        raise SchemaInvalid("A reference may only be #/$defs/<name>: nothing is loaded.")
    _, place, name = reference.split("/")
    try:
        return root[place][name.replace("~1", "/").replace("~0", "~")]
    except (KeyError, TypeError) as exc:
        raise SchemaInvalid(f"The reference {reference[:100]} leads nowhere.") from exc


def _check_part(part: dict[str, Any], *, is_root: bool) -> None:
    for name in _REFUSED:
        if name in part:
            raise SchemaInvalid(f"The keyword {name} is not supported.")
    if "$schema" in part and not is_root:
        raise SchemaInvalid("The keyword $schema belongs at the top.")
    if "pattern" in part:
        _check_pattern(part["pattern"])


def _check_pattern(pattern: Any) -> None:
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN_CHARS:
        raise SchemaInvalid(f"A pattern is a text of at most {MAX_PATTERN_CHARS} characters.")
    try:
        _linear(pattern)
    except (re2.error, UnicodeError) as exc:
        raise SchemaInvalid(
            f"The pattern {pattern[:80]!r} is not RE2 (no look-around, no back-references)."
        ) from exc


@cache
def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return options


@lru_cache(maxsize=4096)
def _linear(pattern: str) -> Any:
    return re2.compile(pattern, _options())


def _pattern(
    validator: Validator, pattern: str, instance: Any, schema: Any
) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and not _linear(pattern).search(instance):
        yield jsonschema.ValidationError(f"{instance[:80]!r} does not match {pattern!r}")


_Draft: Final = extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": _pattern}
)
