"""What tasks ask of people, and what people answer."""

from typing import Any

from rest_framework import serializers

from conversations.states import Audience, InputAction, InputKind, InputStatus
from orkesta.api.fields import Body, Id, OptionalChoice, OptionalObject, OptionalText


class InputQuerySerializer(serializers.Serializer[Any]):
    status = OptionalChoice(InputStatus.choices, default=InputStatus.PENDING)
    audience = serializers.ChoiceField(Audience.choices, required=False)
    session_id = Id(required=False, help_text="Requests of this session only.")
    task_id = Id(required=False, help_text="Requests of this task only.")


class InputRequestSerializer(serializers.Serializer[Any]):
    """A task waits, or has waited, for a person."""

    request_id = serializers.UUIDField(source="id")
    task_id = serializers.UUIDField()
    session_id = serializers.UUIDField(source="task.session_id")
    step = serializers.IntegerField(source="step_number")
    kind = serializers.ChoiceField(InputKind.choices)
    question = serializers.CharField()
    agent = serializers.CharField(source="agent_slug")
    tool = serializers.CharField(source="tool_name", help_text="Empty for a question.")
    arguments = serializers.DictField()
    audience = serializers.ChoiceField(Audience.choices)
    expires_at = serializers.DateTimeField()
    status = serializers.ChoiceField(InputStatus.choices)
    answer = serializers.CharField()
    answered_by = serializers.CharField()
    answered_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class GivenInputSerializer(Body):
    """An answer."""

    action = serializers.ChoiceField(
        InputAction.choices,
        help_text="`answer` or `reject` a question; `approve`, `reject` or `edit` a call; "
        "`approve` (make it again) or `reject` a call that was cut off.",
    )
    text = OptionalText(help_text="The answer to a question; with `reject`, the reason.")
    arguments = OptionalObject(help_text="With `edit`: the arguments to call the tool with.")
    by = OptionalText(max_length=200, help_text="Who answers; left out, the name of the key.")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Arguments that were left out are None: `edit` would else approve a call with none."""
        given: dict[str, Any] = super().to_internal_value(data)
        is_given = data.get("arguments") not in (None, "")
        return given | {"arguments": given["arguments"] if is_given else None}
