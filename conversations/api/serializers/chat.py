"""Bodies of the chat calls."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from conversations.states import TaskStatus, Wanted
from orkesta.api.fields import Body, Flag, Id, OptionalId, OptionalObject, OptionalText, Text


class CustomerSerializer(serializers.Serializer[Any]):
    """Who is speaking, in your own terms; `null` and `""` give nobody in particular."""

    id = OptionalText(max_length=200, help_text="Your id of the customer.")
    name = OptionalText(max_length=200, help_text="What to call them.")

    def run_validation(self, data: Any = serializers.empty) -> Any:
        is_given = data is not None and data is not serializers.empty and data != ""
        return super().run_validation(data if is_given else {})


def circumstances(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a body that sends a message says besides its text, as the services take it."""
    user = given.get("user") or {"id": "", "name": ""}
    same = ("session_id", "agent", "context", "metadata", "prompt_label", "task_type")
    return {name: given[name] for name in same} | {
        "user_ref": user["id"],
        "user_name": user["name"],
    }


class PromptLabelField(OptionalText):
    """Which versions of prompts agents are told."""

    def __init__(self, **kwargs: Any) -> None:
        words = (
            "Such as `staging`: agents are told the versions that carry this label, where their "
            "prompts have it, and else the published ones. Needs the scope `prompts:read`."
        )
        super().__init__(max_length=63, help_text=words, **kwargs)


class TaskTypeField(OptionalText):
    """Which task instructions agents are told."""

    def __init__(self, **kwargs: Any) -> None:
        words = (
            "Such as `refund`: agents are told the task instructions of this type, where their "
            "prompts have some, and else those of the prompt's own type."
        )
        super().__init__(max_length=50, help_text=words, **kwargs)


class ChatSendSerializer(Body):
    """A message to the tenant's agents. `null` and `""` count as not given."""

    message = Text(allow_blank=True, help_text="What the customer says; 32,000 characters at most.")
    session_id = OptionalId(help_text="The session to continue; without it a new one is opened.")
    context = OptionalObject(help_text="Business facts for this message, such as a cart.")  # type: ignore[assignment]
    agent = OptionalText(
        max_length=63, help_text="Slug of the agent that must answer; skips routing."
    )
    prompt_label = PromptLabelField()
    task_type = TaskTypeField()
    stream = Flag(
        help_text="Accepted for clients that send it. Every answer can be followed live and read "
        "whole, whatever it says."
    )
    user = CustomerSerializer(
        required=False, allow_null=True, help_text="Kept with a session that this message opens."
    )
    metadata = OptionalObject(help_text="Kept with the message; agents do not see it.")


class ChatSentSerializer(serializers.Serializer[Any]):
    """The message is stored and will be answered, even if you go away now."""

    task_id = serializers.UUIDField()
    session_id = serializers.UUIDField()
    status = serializers.ChoiceField(TaskStatus.choices)
    message_id = serializers.UUIDField()
    stream_url = serializers.CharField(help_text="Server-sent events of this task.")
    websocket_path = serializers.CharField(help_text="Live events of the session.")
    ignored = serializers.ListField(
        child=serializers.CharField(), help_text="Keys of your request that have no meaning here."
    )


class TaskIdSerializer(Body):
    """Which task is meant."""

    task_id = Id()


class AnswerSerializer(serializers.Serializer[Any]):
    content = serializers.CharField()
    role = serializers.CharField()
    agent = serializers.CharField(source="agent_slug", help_text="Slug of who answered.")


class FailureSerializer(serializers.Serializer[Any]):
    """Why a task failed; the fields are those of every error."""

    type = serializers.URLField()
    title = serializers.CharField()
    detail = serializers.CharField()
    code = serializers.CharField()
    retryable = serializers.BooleanField()


class ChatStatusSerializer(serializers.Serializer[Any]):
    task_id = serializers.UUIDField()
    session_id = serializers.UUIDField()
    status = serializers.ChoiceField(TaskStatus.choices)
    result = AnswerSerializer(allow_null=True)
    error = FailureSerializer(allow_null=True)
    degraded = serializers.BooleanField(
        help_text="Nobody could answer; the result is a polite text, and `error` says why."
    )


class CancelledSerializer(serializers.Serializer[Any]):
    """A running task shows `wanted: cancel` until its worker has stopped it."""

    task_id = serializers.UUIDField(source="id")
    session_id = serializers.UUIDField()
    status = serializers.ChoiceField(TaskStatus.choices)
    wanted = serializers.ChoiceField(Wanted.choices, allow_blank=True)
