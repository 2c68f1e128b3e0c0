"""Whether a message calls for one of the tools, and with which arguments."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from routing.llm.offline.conversation import Conversation, Tool
from routing.llm.offline.intents import weigh
from routing.llm.offline.lexicon import GREETING, INTENTS
from routing.llm.offline.material import Material
from routing.llm.offline.schema import MISSING, Form
from routing.llm.offline.synonyms import ideas_in
from routing.llm.offline.words import words

#: A tool is called from here on: the matter of the message, and some idea or word more.
THRESHOLD: Final = 1.2
IN_NAME: Final = 1.0
IN_DESCRIPTION: Final = 0.5
OF_THE_MATTER: Final = 1.0
#: Every idea of the tool's name was said.
WHOLE_NAME: Final = 0.5


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to be run; the same call always has the same id."""

    id: str
    name: str
    arguments: str


def choose(talk: Conversation, tools: Sequence[Tool], *, forced: str | None) -> Call | None:
    """The call that the last message asks for; None to answer in words.

    `forced` names a tool that must be called, "" any of them. A tool whose required arguments the
    message does not hold is called only when forced.
    """
    if not tools or talk.tool_results:
        return None
    if forced:
        tools = [tool for tool in tools if tool.name == forced]
    text = talk.last_text
    ranked = sorted(tools, key=lambda tool: -score(tool, text))
    if forced is None:
        # When the one that fits best lacks an argument, the next best is not what was meant.
        ranked = [tool for tool in ranked[:1] if score(tool, text) >= THRESHOLD]
    for tool in ranked:
        arguments = _arguments(tool, Material(talk), is_forced=forced is not None)
        if arguments is not None:
            return _call(tool.name, arguments)
    return None


def score(tool: Tool, text: str) -> float:
    """How clearly `text` calls for `tool`: ideas it shares with its name and description."""
    said, name = ideas_in(text), ideas_in(tool.name)
    description = ideas_in(tool.description) - name
    shared = IN_NAME * len(said & name) + IN_DESCRIPTION * len(said & description)
    if name and name <= said:
        shared += WHOLE_NAME
    return shared + OF_THE_MATTER * _of_the_matter(tool, text)


def _of_the_matter(tool: Tool, text: str) -> float:
    """The weight of the strongest matter of `text` that the tool says it is for."""
    said = f" {' '.join(words(f'{tool.name} {tool.description}'.replace('_', ' ')))}"
    weights = weigh(text)
    matters = (
        weights[intent.name]
        for intent in INTENTS
        if intent is not GREETING and any(f" {label}" in said for label in intent.labels)
    )
    return max(matters, default=0.0)


def _arguments(tool: Tool, material: Material, *, is_forced: bool) -> dict[str, Any] | None:
    """The arguments as an object; None when a required one is not to be found."""
    form = Form(tool.parameters)
    schema = form.resolve(tool.parameters)
    properties = schema.get("properties") or {}
    required = schema.get("required", ())
    found: dict[str, Any] = {}
    for name, field in properties.items():
        value = form.find(field, name, material)
        if value is not MISSING:
            found[name] = value
        elif name in required and is_forced:
            found[name] = form.empty(field)
        elif name in required:
            return None
    return found


def _call(name: str, arguments: dict[str, Any]) -> Call:
    text = json.dumps(arguments, ensure_ascii=False)
    digest = hashlib.sha256(f"{name}{text}".encode()).hexdigest()
    return Call(f"call_{digest[:24]}", name, text)
