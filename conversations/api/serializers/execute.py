"""Bodies of the one entry for all work."""

from typing import Any

from django.db import models
from rest_framework import serializers

from conversations.api.serializers.chat import CustomerSerializer, PromptLabelField, TaskTypeField
from conversations.api.serializers.plans import PlanField
from conversations.states import TaskStatus
from orkesta.api.fields import (
    Body,
    Flag,
    OptionalChoice,
    OptionalId,
    OptionalNumber,
    OptionalObject,
    OptionalText,
    Text,
)


class ExecuteKind(models.TextChoices):
    """What can be asked for."""

    TURN = "turn"
    AGENT = "agent"
    WORKFLOW = "workflow"


class ExecuteSerializer(Body):
    """Work for the tenant's agents. `null` and `""` count as not given."""

    default_error_messages = {
        "required": "This field is required.",
        "twice": "Give one of both.",
        "not_allowed": "A plan belongs to a workflow.",
    }

    kind = OptionalChoice(
        ExecuteKind.choices,
        default=ExecuteKind.TURN,
        help_text="`turn`: a message, answered by whoever fits. `agent`: a run of the agent named "
        "in `agent`, without routing. `workflow`: the agents of `plan`, in turn.",
    )
    input = Text(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="What is to be done or answered; 32,000 characters at most.",
    )
    message = Text(
        required=False, allow_null=True, allow_blank=True, help_text="Another name of `input`."
    )
    agent = OptionalText(
        max_length=63, help_text="Slug of the agent that must answer. An agent run needs it."
    )
    plan = PlanField(
        help_text="Of a workflow: its parts, in order. Each is `{agent, instruction}`, or just the "
        "agent's slug, or `{parallel: [...]}` with agents that work at the same time, whose "
        "findings the next one puts together.",
    )
    session_id = OptionalId(help_text="The session to continue; without it a new one is opened.")
    context = OptionalObject(help_text="Business facts for this task, such as a cart.")  # type: ignore[assignment]
    priority = OptionalNumber(
        min_value=1,
        max_value=10,
        help_text="Of your waiting tasks the higher goes first; 10 is urgent. Else your tier says.",
    )
    prompt_label = PromptLabelField()
    task_type = TaskTypeField()
    stream = Flag(help_text="Accepted and without effect: every task can be followed live.")
    user = CustomerSerializer(
        required=False, allow_null=True, help_text="Kept with a session that this opens."
    )
    metadata = OptionalObject(help_text="Kept with the message; agents do not see it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One text, under either name; an empty one is for the service to refuse."""
        text, other = attrs.pop("input", None), attrs.pop("message", None)
        if text and other and text != other:
            raise self._fault("message", "twice")
        if attrs["kind"] == ExecuteKind.AGENT and not attrs["agent"]:
            raise self._fault("agent", "required")
        plan = attrs.get("plan") or []
        if bool(plan) is not (attrs["kind"] == ExecuteKind.WORKFLOW):
            raise self._fault("plan", "not_allowed" if plan else "required")
        return attrs | {"text": text or other or "", "plan": plan}

    def _fault(self, field: str, code: str) -> serializers.ValidationError:
        return serializers.ValidationError({field: self.error_messages[code]}, code=code)


class TaskLinksSerializer(serializers.Serializer[Any]):
    """Where to go from here, as paths: the caller knows the host best."""

    task = serializers.CharField()
    stream = serializers.CharField(help_text="Server-sent events of this task.")
    websocket = serializers.CharField(help_text="Live events of the session.")
    pause = serializers.CharField()
    resume = serializers.CharField()
    cancel = serializers.CharField()
    retry = serializers.CharField()
    fork = serializers.CharField()


class ExecutedSerializer(serializers.Serializer[Any]):
    """The task is stored and will be done, even if you go away now."""

    task_id = serializers.UUIDField()
    session_id = serializers.UUIDField()
    status = serializers.ChoiceField(TaskStatus.choices)
    kind = serializers.ChoiceField(ExecuteKind.choices)
    message_id = serializers.UUIDField()
    links = TaskLinksSerializer()
    ignored = serializers.ListField(
        child=serializers.CharField(), help_text="Keys of your request that have no meaning here."
    )
