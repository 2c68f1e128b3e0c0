"""The plan of a workflow, as clients write it and as tasks keep it."""

from collections.abc import Mapping
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.plan import PARALLEL, agents_of
from orkesta.api.fields import OptionalText, Text

#: Parts of a workflow, branches of one part, and agents in all of them together.
MAX_PARTS: Final = 10
MAX_BRANCHES: Final = 8
MAX_AGENTS: Final = 24

_SLUG: Final = {"type": "string", "maxLength": 63, "description": "Slug of the agent."}
_PART: Final = {
    "type": "object",
    "required": ["agent"],
    "properties": {
        "agent": _SLUG,
        "instruction": {
            "type": "string",
            "maxLength": 4000,
            "description": "What it has to do, beyond its own prompt.",
        },
    },
}
_AGENT: Final = {"oneOf": [_SLUG, _PART]}
_GROUP: Final = {
    "type": "object",
    "required": [PARALLEL],
    "properties": {
        PARALLEL: {"type": "array", "minItems": 1, "maxItems": MAX_BRANCHES, "items": _AGENT}
    },
}


class PartSerializer(serializers.Serializer[Any]):
    """What one agent does in a workflow; a text stands for the agent alone."""

    default_error_messages = {
        "nested": "A branch is done by one agent: it has no branches of its own."
    }

    agent = Text(max_length=63)
    instruction = OptionalText(max_length=4000)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        given = {"agent": data} if isinstance(data, str) else data
        if isinstance(given, Mapping) and PARALLEL in given:
            fault = {PARALLEL: self.error_messages["nested"]}
            raise serializers.ValidationError(fault, code="nested")
        return dict(super().to_internal_value(given))


class GroupSerializer(serializers.Serializer[Any]):
    """Parts that are done at the same time."""

    default_error_messages = {"alone": "Agents either work in parallel or alone: give one of both."}

    parallel = serializers.ListField(
        child=PartSerializer(), allow_empty=False, max_length=MAX_BRANCHES
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, Mapping) and data.keys() & {"agent", "instruction"}:
            self.fail("alone")
        return dict(super().to_internal_value(data))


class EntryField(serializers.Field[Any, Any, Any, Any]):
    """One part of a plan: of an agent, or of several at the same time."""

    def to_internal_value(self, data: Any) -> Any:
        is_group = isinstance(data, Mapping) and PARALLEL in data
        entry = GroupSerializer() if is_group else PartSerializer()
        return entry.run_validation(data)


@extend_schema_field(
    {"type": "array", "maxItems": MAX_PARTS, "items": {"oneOf": [*_AGENT["oneOf"], _GROUP]}}
)
class PlanField(serializers.ListField):
    """A plan in the shape in which tasks keep it; None when it is missing."""

    default_error_messages = {
        "no_synthesis": "After branches an agent has to put together what they found.",
        "too_many_agents": f"A plan has at most {MAX_AGENTS} agents in all.",
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs |= {"required": False, "allow_null": True, "max_length": MAX_PARTS}
        super().__init__(child=EntryField(), **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        plan: list[Any] = super().to_internal_value(data)
        if len(list(agents_of(plan))) > MAX_AGENTS:
            self.fail("too_many_agents")
        if plan and PARALLEL in plan[-1]:
            last = {str(len(plan) - 1): self.error_messages["no_synthesis"]}
            raise serializers.ValidationError(last, code="no_synthesis")
        return plan
