"""Tools out of an OpenAPI 3 document: its operations, each as what an HTTP tool is made of."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import urljoin

import orjson
import yaml

from orkesta.errors import Invalid
from routing.tools.http_plan import METHODS, Place
from routing.tools.schema import SchemaInvalid, check_parameters
from routing.tools.storing import storable_data
from routing.tools.values import Recovery, Risk

MAX_DOCUMENT_CHARS: Final = 500_000
MAX_OPERATIONS: Final = 300
MAX_INLINED: Final = 3_000
MAX_DEPTH: Final = 40

#: Keywords that JSON Schema shares with OpenAPI; the others (`xml`, `example`, …) say nothing here.
_KEPT: Final = frozenset({
    "$defs", "additionalProperties", "allOf", "anyOf", "const", "default", "description", "enum",
    "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maxLength",
    "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum", "multipleOf",
    "not", "oneOf", "pattern", "properties", "required", "title", "type", "uniqueItems",
})  # fmt: skip
#: OpenAPI says that parameters of these names are to be ignored: other parts describe them.
_IGNORED_HEADERS: Final = frozenset({"accept", "authorization", "content-type"})
_UNNAMEABLE: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_BODIES: Final = (("application/json", "json"), ("application/x-www-form-urlencoded", "form"))


class OpenApiInvalid(Invalid):
    """This OpenAPI document cannot be read."""

    code = "openapi_invalid"


@dataclass(slots=True)
class Operation:
    """An operation that can become a tool, or the reason why it cannot."""

    name: str
    title: str = ""
    description: str = ""
    method: str = ""
    url: str = ""
    path: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    places: dict[str, dict[str, str]] = field(default_factory=dict)
    body_format: str = "json"
    fault: str = ""

    @property
    def risk(self) -> Risk:
        return Risk.READ if self.method == "GET" else Risk.WRITE

    @property
    def recovery(self) -> Recovery:
        # RFC 9110 §9.2.2: of these methods only POST and PATCH are not idempotent.
        is_once = self.method in ("POST", "PATCH")
        return Recovery.NEVER if is_once else Recovery.IDEMPOTENT


class _PlainLoader(yaml.CSafeLoader):
    """YAML in which a date is a text, as it is in JSON."""


_PlainLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in known if not tag.endswith(":timestamp")]
    for letter, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def read_operations(text: str, *, base_url: str = "") -> list[Operation]:
    """The operations of an OpenAPI 3 document in JSON or YAML; `base_url` stands for a missing or
    relative server. Raises OpenApiInvalid when the document as a whole cannot be read.
    """
    document = _parsed(text)
    base = _base_of(document, base_url)
    found = []
    for path, item, method in _listed(document):
        found.append(_read_one(document, path, item, method=method, base=base))
        if len(found) > MAX_OPERATIONS:
            raise OpenApiInvalid(f"The document has more than {MAX_OPERATIONS} operations.")
    if not found:
        raise OpenApiInvalid("The document has no operations.")
    return _named_apart(found)


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > MAX_DOCUMENT_CHARS:
        raise OpenApiInvalid(f"The document is longer than {MAX_DOCUMENT_CHARS} characters.")
    try:
        document = orjson.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except (orjson.JSONDecodeError, yaml.YAMLError, RecursionError, ValueError) as exc:
        raise OpenApiInvalid("The document is neither JSON nor YAML without aliases.") from exc
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise OpenApiInvalid("The document must be OpenAPI 3.")
    return document


def _yaml(text: str) -> Any:
    # A few lines of aliases unfold to gigabytes, and the parser's time grows with the square of
    # the nesting, so both are looked for first.
    depth = 0
    for event in yaml.parse(text, _PlainLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > MAX_DEPTH * 2:
            raise yaml.YAMLError("aliases, or nested too deep")
    return yaml.load(text, _PlainLoader)  # noqa: S506 - a safe loader


def _base_of(document: Mapping[str, Any], base_url: str) -> str:
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {}
    url = str(first.get("url", "")) if isinstance(first, dict) else ""
    return urljoin(base_url, url).rstrip("/") if base_url else url.rstrip("/")


def _listed(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for method in METHODS:
            if isinstance(item, dict) and isinstance(item.get(method.lower()), dict):
                yield str(path), item, method


def _read_one(
    document: Mapping[str, Any], path: str, item: Mapping[str, Any], *, method: str, base: str
) -> Operation:
    entry = item[method.lower()]
    name = str(entry.get("operationId") or f"{method.lower()}_{path.strip('/')}")
    operation = Operation(
        name=_UNNAMEABLE.sub("_", name).strip("_")[:64] or "operation",
        title=str(entry.get("summary") or "")[:100],
        description=str(entry.get("description") or entry.get("summary") or name)[:4000],
        method=method,
        url=base + path,
        path=path,
        parameters={"type": "object", "properties": {}, "required": []},
    )
    try:
        if not base.startswith(("http://", "https://")):
            _refuse("The document names no server: give its address.")
        _Reader(document, operation).read(item, entry)
        operation.parameters = storable_data(operation.parameters) or {}
        check_parameters(operation.parameters)
    except (OpenApiInvalid, SchemaInvalid) as exc:
        operation.fault = exc.message
    return operation


class _Reader:
    """Reads one operation; references into the document are replaced by what they stand for."""

    def __init__(self, document: Mapping[str, Any], operation: Operation) -> None:
        self._document = document
        self._operation = operation
        self._inlined = 0

    def read(self, item: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
        listed = [*(item.get("parameters") or []), *(entry.get("parameters") or [])]
        by_place = {}
        for raw in listed:
            parameter = self._resolved(raw)
            by_place[(parameter.get("in"), parameter.get("name"))] = parameter
        for parameter in by_place.values():
            self._parameter(parameter)
        if entry.get("requestBody") and self._operation.method in ("POST", "PUT", "PATCH"):
            self._body(self._resolved(entry["requestBody"]))

    def _parameter(self, parameter: Mapping[str, Any]) -> None:
        name, where = str(parameter.get("name", "")), parameter.get("in")
        if where == "cookie" or (where == "header" and name.lower() in _IGNORED_HEADERS):
            if where == "cookie" and parameter.get("required"):
                _refuse("Parameters in cookies are not supported.")
            return
        if where not in ("path", "query", "header") or not name:
            _refuse("A parameter has no place or no name.")
        schema = self._schema(parameter.get("schema") or {"type": "string"})
        if parameter.get("description"):
            schema.setdefault("description", str(parameter["description"])[:1000])
        is_required = where == "path" or bool(parameter.get("required"))
        argument = self._add(name, schema, is_required=is_required)
        if where == "path":
            url = self._operation.url.replace(f"{{{name}}}", f"{{{argument}}}")
            self._operation.url = url
        else:
            self._operation.places[argument] = {"in": str(where), "name": name}

    def _body(self, body: Mapping[str, Any]) -> None:
        content = body.get("content") or {}
        found = next(((kind, way) for kind, way in _BODIES if kind in content), None)
        if found is None:
            _refuse("The body is neither JSON nor a form.")
        kind, self._operation.body_format = found
        schema = self._schema((content[kind] or {}).get("schema") or {"type": "object"})
        properties = schema.get("properties")
        if schema.get("type") == "object" and isinstance(properties, dict) and properties:
            required = schema.get("required") or []
            for name, part in properties.items():
                argument = self._add(str(name), part, is_required=name in required)
                self._operation.places[argument] = {"in": Place.BODY, "name": str(name)}
        elif self._operation.body_format == "form":
            _refuse("The fields of the form are not described.")
        else:
            argument = self._add("body", schema, is_required=bool(body.get("required")))
            self._operation.places[argument] = {"in": Place.PAYLOAD, "name": argument}

    def _add(self, name: str, schema: Any, *, is_required: bool) -> str:
        """The name of the new argument; another one than `name` where that is taken or odd."""
        properties = self._operation.parameters["properties"]
        argument = wanted = _UNNAMEABLE.sub("_", name).strip("_")[:60] or "argument"
        number = 1
        while argument in properties:
            number += 1
            argument = f"{wanted}_{number}"
        properties[argument] = schema
        if is_required:
            self._operation.parameters["required"].append(argument)
        return argument

    def _schema(self, raw: Any, depth: int = 0) -> dict[str, Any]:
        """An OpenAPI schema as plain JSON Schema 2020-12, without references."""
        self._inlined += 1
        if depth > MAX_DEPTH or self._inlined > MAX_INLINED:
            _refuse("Its schema refers to itself, or is too large.")
        schema = self._resolved(raw)
        plain = {name: value for name, value in schema.items() if name in _KEPT}
        for name in ("items", "additionalProperties", "not"):
            if isinstance(plain.get(name), dict):
                plain[name] = self._schema(plain[name], depth + 1)
        for name in ("allOf", "anyOf", "oneOf"):
            if name in plain:
                plain[name] = [self._schema(part, depth + 1) for part in _list(plain[name])]
        if isinstance(plain.get("properties"), dict):
            plain["properties"] = {
                str(name): self._schema(part, depth + 1)
                for name, part in plain["properties"].items()
            }
        return _modern(plain, is_nullable=bool(schema.get("nullable")))

    def _resolved(self, raw: Any) -> dict[str, Any]:
        for _ in range(10):
            if not isinstance(raw, dict):
                _refuse("A part of the operation is not an object.")
            if "$ref" not in raw:
                return raw
            raw = self._looked_up(str(raw["$ref"]))
        _refuse("A reference leads to references only.")

    def _looked_up(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            _refuse("References may only lead into the document: nothing is loaded.")
        found: Any = self._document
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return found


def _modern(schema: dict[str, Any], *, is_nullable: bool) -> dict[str, Any]:
    """OpenAPI 3.0 said with booleans what JSON Schema says with numbers and types."""
    for limit, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(limit), bool):
            is_exclusive = schema.pop(limit)
            if is_exclusive and bound in schema:
                schema[limit] = schema.pop(bound)
    if is_nullable and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _named_apart(operations: list[Operation]) -> list[Operation]:
    seen: dict[str, int] = {}
    for operation in operations:
        seen[operation.name] = seen.get(operation.name, 0) + 1
        if seen[operation.name] > 1:
            operation.name = f"{operation.name[:60]}_{seen[operation.name]}"
    return operations


def _refuse(reason: str) -> NoReturn:
    raise OpenApiInvalid(reason)
