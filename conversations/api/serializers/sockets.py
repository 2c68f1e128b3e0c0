"""Bodies of the calls about WebSockets."""

from typing import Any

from rest_framework import serializers

from orkesta.api.fields import Body, Id, OptionalText


class TicketRequestSerializer(Body):
    """Which session a browser is to watch, and from where."""

    session_id = Id()
    origin = OptionalText(
        max_length=300,
        help_text="Origin of the page, such as https://shop.example; without it, any allowed one.",
    )


class SocketTicketSerializer(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="Secret. Good for one WebSocket.")
    expires_in = serializers.IntegerField(help_text="Seconds.")
    websocket_path = serializers.CharField()


class SocketStatsSerializer(serializers.Serializer[Any]):
    processes = serializers.IntegerField(help_text="Whose connections are counted.")
    open = serializers.IntegerField()
    peak = serializers.IntegerField(help_text="Most at once in one process since it began.")
    opened = serializers.IntegerField(help_text="All since these processes began.")
    limit = serializers.IntegerField()
    frames_sent = serializers.IntegerField()
    closed_by_code = serializers.DictField(child=serializers.IntegerField())
    own_open = serializers.IntegerField(help_text="Your tenant's.")
