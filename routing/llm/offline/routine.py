"""A routine: numbered steps in the prompt that name tools, followed one after the other.

    1. `overdue_invoices`
    2. `send_reminder`: «Invoice {folio} is overdue: {balance} are open.»

What a step's tool needs comes from what the tools before it answered; a text in quotes is what it
says, with answered values in the places of names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from routing.llm.offline.conversation import Conversation, Tool
from routing.llm.offline.fields import QUANTITY, name_roots
from routing.llm.offline.knowledge import value_of
from routing.llm.offline.schema import MISSING, Form, Schema, type_of
from routing.llm.offline.tool_names import own_name
from routing.llm.offline.tools import Call, call_of, named
from routing.llm.offline.vocabulary import vocabulary

_STEP: Final = re.compile(r"^\s*\d+[.)]\s+`(\w+)`(?:[^«\n]*«([^»\n]*)»)?", re.MULTILINE)
_PLACE: Final = re.compile(r"\{(\w+)\}")
#: How a forecast says how many to buy.
_TO_BUY: Final = tuple(vocabulary("comprar cantidad buy quantity"))


@dataclass(frozen=True, slots=True)
class Step:
    tool: Tool
    says: str


def routine_of(talk: Conversation, tools: Sequence[Tool]) -> tuple[Step, ...]:
    """The steps of the prompt whose tools are offered; none when there are fewer than two."""
    known = {own_name(tool.name): tool for tool in tools}
    prompt = "\n".join(turn.text for turn in talk.turns if turn.role == "system")
    steps = [Step(known[name], says) for name, says in _STEP.findall(prompt) if name in known]
    return tuple(steps) if len(steps) > 1 else ()


def next_step(talk: Conversation, steps: Sequence[Step]) -> tuple[Call, ...]:
    """The call of the step that comes after what was done; none at the end, and none when what it
    needs was not answered.
    """
    if len(talk.outcomes) >= len(steps):
        return ()
    step = steps[len(talk.outcomes)]
    form = Form(step.tool.parameters)
    schema = form.resolve(step.tool.parameters)
    fields = schema.get("properties") or {}
    wanted = {name: form.resolve(fields.get(name) or {}) for name in schema.get("required", ())}
    found = {name: _value(name, field, step, talk, form) for name, field in wanted.items()}
    return () if MISSING in found.values() else (call_of(step.tool, found),)


def _value(name: str, field: Schema, step: Step, talk: Conversation, form: Form) -> Any:
    if type_of(field) == "array":
        row = form.resolve(field.get("items") or {})
        parts = {part: _answered(part, talk) for part in row.get("required", ())}
        return MISSING if MISSING in parts.values() else [parts]
    found = _answered(name, talk)
    return _filled(step.says, talk) if found is MISSING and step.says else found


def _answered(name: str, talk: Conversation) -> Any:
    names = _TO_BUY if name_roots(name) & QUANTITY else (name,)
    for outcome in talk.outcomes:
        for one in names:
            value = named(one, value_of(outcome.text))
            if value is not MISSING:
                return value
    return MISSING


def _filled(says: str, talk: Conversation) -> Any:
    values = {name: _answered(name, talk) for name in _PLACE.findall(says)}
    if MISSING in values.values():
        return MISSING
    return _PLACE.sub(lambda place: str(values[place.group(1)]), says)
