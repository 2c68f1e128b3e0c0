"""The addresses of schedules and webhooks, below `/api/v1/`."""

from django.urls import path

from conversations.api.views.inbound_webhooks import InboundWebhookListView, InboundWebhookView
from conversations.api.views.schedules import ScheduleListView, ScheduleRunsView, ScheduleView
from conversations.api.views.webhook_endpoints import (
    DeliveryListView,
    DeliveryReplayView,
    DeliveryView,
    WebhookEndpointListView,
    WebhookEndpointView,
    WebhookSecretView,
)

_ENDPOINT = "webhook-endpoints/<uuid:endpoint_id>"
_DELIVERY = "webhook-deliveries/<uuid:delivery_id>"

urlpatterns = [
    path("schedules", ScheduleListView.as_view(), name="schedules"),
    path("schedules/<uuid:schedule_id>", ScheduleView.as_view(), name="schedule"),
    path("schedules/<uuid:schedule_id>/runs", ScheduleRunsView.as_view(), name="schedule-runs"),
    path("inbound-webhooks", InboundWebhookListView.as_view(), name="inbound-webhooks"),
    path(
        "inbound-webhooks/<uuid:inbound_id>", InboundWebhookView.as_view(), name="inbound-webhook"
    ),
    path("webhook-endpoints", WebhookEndpointListView.as_view(), name="webhook-endpoints"),
    path(_ENDPOINT, WebhookEndpointView.as_view(), name="webhook-endpoint"),
    path(f"{_ENDPOINT}/rotate-secret", WebhookSecretView.as_view(), name="webhook-secret"),
    path(f"{_ENDPOINT}/deliveries", DeliveryListView.as_view(), name="webhook-deliveries"),
    path(_DELIVERY, DeliveryView.as_view(), name="webhook-delivery"),
    path(f"{_DELIVERY}/replay", DeliveryReplayView.as_view(), name="webhook-replay"),
]
