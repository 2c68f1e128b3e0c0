"""How well a tool suits a message, what it is for, and which arguments the conversation has."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator

from routing.llm.offline.conversation import Tool
from routing.llm.offline.fields import QUANTITY, name_roots
from routing.llm.offline.intents import weigh
from routing.llm.offline.knowledge import value_of
from routing.llm.offline.lexicon import GREETING, INTENTS
from routing.llm.offline.material import Material
from routing.llm.offline.schema import MISSING, Form, Schema, type_of
from routing.llm.offline.synonyms import ideas_in
from routing.llm.offline.tool_names import (
    CREATE_IDEA,
    LINK_IDEA,
    ORDER_IDEA,
    QUOTE_IDEA,
    ideas_of,
    own_name,
)
from routing.llm.offline.vocabulary import vocabulary
from routing.llm.offline.words import root_set, words

#: A tool is called from here on: the matter of the message, and some idea or word more.
THRESHOLD: Final = 1.2
IN_NAME: Final = 1.0
IN_DESCRIPTION: Final = 0.5
OF_THE_MATTER: Final = 1.0
#: Every idea of the tool's name was said.
WHOLE_NAME: Final = 0.5
MAX_DEPTH: Final = 6

QUERY: Final = root_set(vocabulary("consulta busqueda buscar query search q term termino texto"))
CODES: Final = root_set(
    vocabulary("folio pedido orden order invoice factura id numero code codigo")
)
PRODUCT_IDEA: Final = ideas_in("producto")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to be run; the same call always has the same id."""

    id: str
    name: str
    arguments: str


def call_of(tool: Tool, arguments: Mapping[str, Any]) -> Call:
    text = json.dumps(arguments, ensure_ascii=False)
    digest = hashlib.sha256(f"{tool.name}{text}".encode()).hexdigest()
    return Call(f"call_{digest[:24]}", tool.name, text)


def score(tool: Tool, text: str) -> float:
    """How clearly `text` calls for `tool`: ideas it shares with its name and description."""
    said, name = ideas_in(text), ideas_of(tool.name)
    description = ideas_in(tool.description) - name
    shared = IN_NAME * len(said & name) + IN_DESCRIPTION * len(said & description)
    if name and name <= said:
        shared += WHOLE_NAME
    return shared + OF_THE_MATTER * _of_the_matter(tool, text)


def _of_the_matter(tool: Tool, text: str) -> float:
    """The weight of the strongest matter of `text` that the tool says it is for."""
    told = f"{own_name(tool.name)} {tool.description}".replace("_", " ")
    said = f" {' '.join(words(told))}"
    weights = weigh(text)
    matters = (
        weights[intent.name]
        for intent in INTENTS
        if intent is not GREETING and any(f" {label}" in said for label in intent.labels)
    )
    return max(matters, default=0.0)


def is_search(tool: Tool) -> bool:
    """True for a tool that finds products by words."""
    schema = Form(tool.parameters).resolve(tool.parameters)
    required = schema.get("required", ())
    asks_words = bool(required) and all(name_roots(str(name)) & QUERY for name in required)
    return asks_words and bool(PRODUCT_IDEA & ideas_in(f"{own_name(tool.name)} {tool.description}"))


def is_quote(tool: Tool) -> bool:
    """True for a tool that says what some of each product would cost."""
    return takes_lines(tool) and bool(QUOTE_IDEA & ideas_of(tool.name))


def is_maker(tool: Tool) -> bool:
    """True for a tool that makes an order."""
    ideas = ideas_of(tool.name)
    return takes_lines(tool) and not is_quote(tool) and bool((CREATE_IDEA | ORDER_IDEA) & ideas)


def is_link(tool: Tool) -> bool:
    """True for a tool that gives an address to pay at."""
    return bool(LINK_IDEA & ideas_of(tool.name))


def takes_lines(tool: Tool) -> bool:
    """True for a tool that wants products with their quantities."""
    form = Form(tool.parameters)
    properties = form.resolve(tool.parameters).get("properties") or {}
    for field in properties.values():
        field = form.resolve(field)
        if type_of(field) == "array":
            rows = form.resolve(field.get("items") or {}).get("properties") or {}
            if any(name_roots(str(name)) & QUANTITY for name in rows):
                return True
    return False


def arguments_of(
    tool: Tool, material: Material, *, is_forced: bool = False
) -> dict[str, Any] | None:
    """The arguments for `tool`, from the message, then from what tools answered and was said
    before; None when a required one is not to be found.
    """
    form = Form(tool.parameters)
    schema = form.resolve(tool.parameters)
    required = schema.get("required", ())
    found: dict[str, Any] = {}
    for name, field in (schema.get("properties") or {}).items():
        value = form.find(field, name, material)
        if value is MISSING and name in required:
            value = _carried(name, form.resolve(field), material)
        if value is not MISSING:
            found[name] = value
        elif name in required and is_forced:
            found[name] = form.empty(field)
        elif name in required:
            return None
    return found


def _carried(name: str, field: Schema, material: Material) -> Any:
    """The value that a tool answered under the same name, or the code that was spoken of last."""
    for outcome in reversed(material.talk.outcomes):
        value = named(name, value_of(outcome.text))
        if value is not MISSING and _fits(value, field):
            return value
    code = material.last_code if name_roots(name) & CODES else ""
    return code if code and _fits(code, field) else MISSING


def named(name: str, value: Any, depth: int = 0) -> Any:
    """What stands under `name` in a JSON value, the outermost first."""
    if depth > MAX_DEPTH:
        return MISSING
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        value = list(value.values())
    found = [named(name, part, depth + 1) for part in value] if isinstance(value, list) else []
    return next((one for one in found if one is not MISSING), MISSING)


def _fits(value: Any, field: Schema) -> bool:
    return _checker(json.dumps(field, sort_keys=True)).is_valid(value)


@lru_cache(maxsize=128)
def _checker(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))
