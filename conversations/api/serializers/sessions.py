"""Sessions, their messages and their events."""

from typing import Any

from rest_framework import serializers

from conversations.api.serializers.chat import CustomerSerializer
from conversations.models import Message
from conversations.states import SessionStatus
from orkesta.api.fields import Body, OptionalObject


class SessionQuerySerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(SessionStatus.choices, required=False)
    user = serializers.CharField(
        required=False, max_length=200, source="user_ref", help_text="Your id of the customer."
    )


class OpenSessionSerializer(Body):
    """A session opened ahead of its first message; chat/send opens one by itself."""

    user = CustomerSerializer(required=False, allow_null=True)
    context = OptionalObject(help_text="Business facts that hold for the whole session.")  # type: ignore[assignment]
    metadata = OptionalObject(help_text="Kept with the session; agents do not see it.")


class SessionUserSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="user_ref")
    name = serializers.CharField(source="user_name")


class SessionSerializer(serializers.Serializer[Any]):
    """One conversation."""

    session_id = serializers.UUIDField(source="id")
    status = serializers.ChoiceField(SessionStatus.choices)
    user = SessionUserSerializer(source="*")
    active_agent = serializers.CharField(
        source="active_agent.slug", default=None, allow_null=True, help_text="Slug of who answers."
    )
    context = serializers.DictField()  # type: ignore[assignment]
    metadata = serializers.DictField()
    num_messages = serializers.IntegerField(help_text="Messages that the customer has sent.")
    last_seq = serializers.IntegerField(help_text="Number of the newest event.")
    created_at = serializers.DateTimeField()
    last_activity_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class MessageSerializer(serializers.Serializer[Any]):
    """One utterance."""

    message_id = serializers.UUIDField(source="id")
    task_id = serializers.UUIDField(allow_null=True)
    seq = serializers.IntegerField(help_text="Place in the session's log.")
    role = serializers.ChoiceField(Message.Role.choices)
    content = serializers.CharField()
    agent = serializers.CharField(source="agent_slug", help_text="Slug; empty for the customer.")
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()


class EventQuerySerializer(serializers.Serializer[Any]):
    after = serializers.RegexField(
        r"^[0-9]{1,18}(~.{0,200})?$",
        default="0",
        help_text="Number (`seq`) or `cursor` of the last event you have; 0 for all.",
        error_messages={"invalid": "This must be the seq or the cursor of an event."},
    )

    def validate_after(self, text: str) -> int:
        return int(text.partition("~")[0])


class EventSerializer(serializers.Serializer[Any]):
    """One committed fact, as it went over the WebSocket."""

    type = serializers.CharField()
    task_id = serializers.UUIDField(allow_null=True)
    session_id = serializers.UUIDField()
    seq = serializers.IntegerField()
    cursor = serializers.CharField()
    at = serializers.DateTimeField()
    data = serializers.DictField()  # type: ignore[assignment]


class EventPageSerializer(serializers.Serializer[Any]):
    items = EventSerializer(many=True)
    next_cursor = serializers.CharField(
        help_text="Send it as `after` to go on from here, also when there is no more for now."
    )
    has_more = serializers.BooleanField()
