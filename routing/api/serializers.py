"""What the API of routing gives."""

from typing import Any

from rest_framework import serializers

from routing.models import Agent


class AgentSerializer(serializers.Serializer[Any]):
    """Somebody who can answer; `slug` is what `chat/send` takes as `agent`."""

    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(Agent.Kind.choices)
    is_fallback = serializers.BooleanField(help_text="Answers when nobody else was decided on.")
