"""Webhooks in both directions."""

from typing import Any

from rest_framework import serializers

from conversations.trigger_models import WebhookDelivery, WebhookEndpoint
from conversations.triggers.events import WebhookEvent
from orkesta.api.fields import Body, Flag, OptionalText, Text


class InboundWebhookBodySerializer(Body):
    """An address at which another system launches tasks."""

    name = Text(max_length=100, help_text="What you call it.")
    message_template = Text(
        max_length=20_000,
        help_text="The message, over what was sent: `New order {{ body.order.id }}`.",
    )
    agent = OptionalText(max_length=63, help_text="Slug of the agent that must answer.")
    signing_secret = OptionalText(
        max_length=200,
        help_text="`whsec_…`, when the sender has made one; without it we do. Never shown again.",
    )
    is_active = Flag(default=True, help_text="An inactive one answers as if it were not there.")


class InboundWebhookSerializer(serializers.Serializer[Any]):
    webhook_id = serializers.UUIDField(source="id")
    name = serializers.CharField()
    message_template = serializers.CharField()
    agent = serializers.CharField(source="agent.slug", default=None, allow_null=True)
    is_active = serializers.BooleanField()
    address_ends_in = serializers.CharField(source="token_hint")
    last_used_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class NewInboundWebhookSerializer(InboundWebhookSerializer):
    """The only answer that shows the address and the secret: keep them."""

    path = serializers.CharField(help_text="Where the sender posts, on this host.")
    signing_secret = serializers.CharField()


class WebhookEndpointBodySerializer(Body):
    """An address of yours that is told how tasks end."""

    name = Text(max_length=100, help_text="What you call it.")
    url = Text(max_length=2048, help_text="An https address that can be reached from outside.")
    event_types = serializers.ListField(
        child=serializers.ChoiceField(WebhookEvent.choices),
        min_length=1,
        max_length=50,
        help_text="What to be told of.",
    )
    is_active = Flag(
        default=True, help_text="Deliveries of an inactive one wait; activating it sends them."
    )


class WebhookEndpointSerializer(serializers.Serializer[Any]):
    endpoint_id = serializers.UUIDField(source="id")
    name = serializers.CharField()
    url = serializers.CharField()
    event_types = serializers.ListField(child=serializers.CharField())
    is_active = serializers.BooleanField()
    disabled_reason = serializers.ChoiceField(
        WebhookEndpoint.DisabledReason.choices, allow_blank=True
    )
    disabled_at = serializers.DateTimeField(allow_null=True)
    previous_secret_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then the secret before the last rotation signs too."
    )
    created_at = serializers.DateTimeField()


class NewWebhookEndpointSerializer(WebhookEndpointSerializer):
    """The only answer that shows the signing secret: keep it."""

    signing_secret = serializers.CharField()


class DeliveryQuerySerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(WebhookDelivery.Status.choices, required=False)


class DeliverySerializer(serializers.Serializer[Any]):
    """One event for one endpoint."""

    delivery_id = serializers.UUIDField(source="id")
    webhook_id = serializers.CharField(help_text="The header of that name, the same in every try.")
    endpoint_id = serializers.UUIDField()
    event_type = serializers.CharField()
    status = serializers.ChoiceField(WebhookDelivery.Status.choices)
    num_tries = serializers.IntegerField(help_text="Since the last replay.")
    next_try_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)


class DeliveryTrySerializer(serializers.Serializer[Any]):
    tried_at = serializers.DateTimeField()
    response_status = serializers.IntegerField(allow_null=True)
    duration_ms = serializers.FloatField()
    error = serializers.CharField(source="error_code")
    response_excerpt = serializers.CharField(help_text="The first 1,024 bytes of the answer.")


class DeliveryDetailSerializer(DeliverySerializer):
    """With what was sent and how each try went."""

    body = serializers.CharField(help_text="The very text that is sent and signed.")
    tries = DeliveryTrySerializer(source="tries.all", many=True)


class LaunchedSerializer(serializers.Serializer[Any]):
    """The call is stored and will be worked on."""

    task_id = serializers.UUIDField()
