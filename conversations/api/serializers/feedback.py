"""What people think of answers."""

from typing import Any

from rest_framework import serializers

from conversations.api.serializers.chat import CustomerSerializer
from conversations.feedback_models import Feedback
from orkesta.api.fields import Body, OptionalText


class FeedbackBodySerializer(Body):
    """An opinion of one answer."""

    rating = serializers.ChoiceField(Feedback.Rating.choices)
    comment = OptionalText(max_length=2000, help_text="Why, in their own words.")
    user = CustomerSerializer(
        required=False, allow_null=True, help_text="Who thinks so; each has one opinion."
    )


class FeedbackSerializer(serializers.Serializer[Any]):
    message_id = serializers.UUIDField()
    rating = serializers.ChoiceField(Feedback.Rating.choices)
    comment = serializers.CharField()
    user_id = serializers.CharField(source="user_ref")
    created_at = serializers.DateTimeField()
