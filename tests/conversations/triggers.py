"""Schedules and webhooks for tests, made by the services that make them."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from standardwebhooks import Webhook

from conversations.trigger_models import Schedule, ScheduleRun, WebhookDelivery, WebhookEndpoint
from conversations.triggers.endpoints import create_endpoint
from conversations.triggers.inbound import NewInboundWebhook, create_inbound_webhook
from conversations.triggers.schedules import create_schedule
from tenants.scope import tenant_scope
from tests.cast import House

SENDERS_SECRET = "whsec_" + base64.b64encode(b"a secret of the sender's choice!").decode()


def make_schedule(house: House, *, due_ago: timedelta | None = None, **values: Any) -> Schedule:
    """A schedule that came due `due_ago`, or is not due yet."""
    with tenant_scope(house.id):
        values = {"name": "Morning", "cron": "0 9 * * *", "message": "¿Qué vence hoy?"} | values
        schedule = create_schedule(tenant_id=house.id, values=values)
        if due_ago is not None:
            schedule.next_due_at = timezone.now() - due_ago
            schedule.save(update_fields=["next_due_at"])
        return schedule


def make_inbound(house: House, **values: Any) -> NewInboundWebhook:
    with tenant_scope(house.id):
        values = {
            "name": "Shop",
            "message_template": "New order {{ body.order.id }}",
            "signing_secret": SENDERS_SECRET,
        } | values
        return create_inbound_webhook(tenant_id=house.id, values=values)


def signed(
    body: bytes, *, secret: str = SENDERS_SECRET, webhook_id: str = "msg_1", age: float = 0.0
) -> dict[str, str]:
    """The headers that a sender adds to `body`, `age` seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=age)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body.decode()),
    }


def make_endpoint(house: House, **values: Any) -> tuple[WebhookEndpoint, str]:
    """An endpoint and its secret."""
    with tenant_scope(house.id):
        values = {
            "name": "Shop",
            "url": "https://shop.example/orkesta",
            "event_types": ["task.completed", "task.failed", "task.cancelled"],
        } | values
        return create_endpoint(tenant_id=house.id, values=values)


def deliveries_of(house: House) -> list[WebhookDelivery]:
    with tenant_scope(house.id):
        rows = WebhookDelivery.objects.select_related("endpoint").prefetch_related("tries")
        return list(rows.order_by("created_at"))  # ids of one millisecond have no order


def make_delivery(endpoint: WebhookEndpoint, **values: Any) -> WebhookDelivery:
    with tenant_scope(endpoint.tenant_id):
        values = {
            "event_type": "task.completed",
            "body": json.dumps({"type": "task.completed", "data": {}}),
        } | values
        return WebhookDelivery.objects.create(endpoint=endpoint, **values)


#: What addresses call the ids of triggers.
TRIGGER_IDS = ("schedule_id", "inbound_id", "endpoint_id", "delivery_id")


def make_triggers(house: House, name: str) -> dict[str, str]:
    """One of each, all of that name; their ids."""
    endpoint, _ = make_endpoint(house, name=name)
    schedule = make_schedule(house, name=name)
    with tenant_scope(house.id):
        ScheduleRun.objects.create(schedule=schedule, due_at=timezone.now())
    return {
        "schedule_id": str(schedule.pk),
        "inbound_id": str(make_inbound(house, name=name).webhook.pk),
        "endpoint_id": str(endpoint.pk),
        "delivery_id": str(make_delivery(endpoint, body=json.dumps({"name": name})).pk),
    }
