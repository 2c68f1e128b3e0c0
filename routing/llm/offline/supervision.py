"""The supervisor's decision as structured output."""

from collections.abc import Mapping
from typing import Any, Final

from routing.llm.offline.conversation import Conversation
from routing.llm.offline.decision import Decision, decide
from routing.llm.offline.reply import reply
from routing.llm.offline.schema import Form, Schema, is_nullable

DECISION_FIELDS: Final = frozenset({"action", "agent_name"})


def is_decision(schema: Schema) -> bool:
    """True for `{action: delegate | respond, agent_name, intent, confidence, response}`."""
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and properties.keys() >= DECISION_FIELDS


def decision_for(schema: Schema, talk: Conversation) -> dict[str, Any]:
    """The decision on the last message, in the fields that `schema` has.

    It delegates to the agent that fits best, and answers itself only when there is none.
    """
    form = Form(schema)
    properties = schema["properties"]
    slugs = [s for s in _members(form, properties["agent_name"]) if isinstance(s, str) and s]
    decision = decide(talk, slugs)
    values = _values(decision, talk)
    decided: dict[str, Any] = {}
    for name, field in properties.items():
        value = values.get(name)
        members = _members(form, field)
        if value is None or (members and value not in members):
            value = form.empty(field)
            if value is None and not is_nullable(form.resolve(field)):
                value = ""
        decided[name] = value
    return decided


def _values(decision: Decision, talk: Conversation) -> dict[str, Any]:
    common = {"intent": decision.intent, "confidence": decision.confidence}
    if decision.slug:
        return {"action": "delegate", "agent_name": decision.slug, **common}
    return {"action": "respond", "response": reply(talk), **common}


def _members(form: Form, field: Any) -> list[Any]:
    """The closed set of a field, also inside anyOf; empty when it is open."""
    field = form.resolve(field)
    if isinstance(field.get("enum"), list):
        return list(field["enum"])
    choices = field.get("anyOf") or field.get("oneOf") or ()
    return [member for choice in choices for member in _members(form, choice)]
