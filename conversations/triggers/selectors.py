"""Reads of schedules and webhooks, under a tenant scope; absent and foreign rows look the same."""

from uuid import UUID

from django.db.models import QuerySet

from conversations.trigger_models import (
    InboundWebhook,
    Schedule,
    ScheduleRun,
    WebhookDelivery,
    WebhookEndpoint,
)
from conversations.triggers.errors import DeliveryNotFound, ScheduleNotFound, WebhookNotFound


def list_schedules() -> QuerySet[Schedule]:
    return Schedule.objects.select_related("agent")


def get_schedule(schedule_id: UUID) -> Schedule:
    """Raises ScheduleNotFound."""
    schedule = list_schedules().filter(pk=schedule_id).first()
    if schedule is None:
        raise ScheduleNotFound
    return schedule


def list_runs(schedule_id: UUID) -> QuerySet[ScheduleRun]:
    """Raises ScheduleNotFound."""
    return ScheduleRun.objects.filter(schedule=get_schedule(schedule_id))


def list_inbound_webhooks() -> QuerySet[InboundWebhook]:
    return InboundWebhook.objects.select_related("agent")


def get_inbound_webhook(webhook_id: UUID) -> InboundWebhook:
    """Raises WebhookNotFound."""
    webhook = list_inbound_webhooks().filter(pk=webhook_id).first()
    if webhook is None:
        raise WebhookNotFound
    return webhook


def list_endpoints() -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.all()


def get_endpoint(endpoint_id: UUID) -> WebhookEndpoint:
    """Raises WebhookNotFound."""
    endpoint = list_endpoints().filter(pk=endpoint_id).first()
    if endpoint is None:
        raise WebhookNotFound
    return endpoint


def list_deliveries(endpoint_id: UUID) -> QuerySet[WebhookDelivery]:
    """Raises WebhookNotFound."""
    return WebhookDelivery.objects.filter(endpoint=get_endpoint(endpoint_id))


def get_delivery(delivery_id: UUID) -> WebhookDelivery:
    """With its tries at hand. Raises DeliveryNotFound."""
    rows = WebhookDelivery.objects.prefetch_related("tries")
    delivery = rows.filter(pk=delivery_id).first()
    if delivery is None:
        raise DeliveryNotFound
    return delivery
