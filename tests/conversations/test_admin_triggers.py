import re
from typing import Any

from django.utils import timezone

from conversations.trigger_models import InboundWebhook, Schedule, WebhookEndpoint
from conversations.triggers.endpoints import disable, signing_secrets
from orkesta.crypto import unseal
from tenants.models import Tenant
from tenants.scope import scopes_disabled, tenant_scope
from tests.admin import Desk, desk_of
from tests.cast import House, make_member
from tests.conversations.triggers import (
    SENDERS_SECRET,
    deliveries_of,
    make_delivery,
    make_endpoint,
    make_inbound,
    make_schedule,
)

SCHEDULE = {
    "name": "Morning",
    "cron": "0 9 * * *",
    "time_zone": "Europe/Madrid",
    "message": "¿Qué vence hoy?",
    "context": "{}",
    "is_active": "on",
}
ENDPOINT = {
    "name": "Shop",
    "url": "https://shop.example/",
    "event_types": ["task.failed"],
    "is_active": "on",
}


def errors_of(response: Any) -> set[str]:
    return set(response.context["adminform"].form.errors)


def test_a_schedule_is_planned_when_it_is_saved(acme: House) -> None:
    desk = desk_of(acme)
    assert 'value="UTC"' in desk.get("conversations_schedule_add").content.decode()
    assert desk.post("conversations_schedule_add", **SCHEDULE).status_code == 302
    with tenant_scope(acme.id):
        schedule = Schedule.objects.get()
    assert schedule.next_due_at is not None
    page = desk.get("conversations_schedule_change", schedule.pk).content.decode()
    assert "At 09:00 every day, Europe/Madrid" in page
    planned = schedule.next_due_at
    desk.post("conversations_schedule_change", schedule.pk, **SCHEDULE | {"cron": "30 9 * * *"})
    schedule.refresh_from_db()
    assert schedule.next_due_at != planned
    assert schedule.next_due_at.minute == 30
    bad = desk.post("conversations_schedule_add", **SCHEDULE | {"cron": "x", "time_zone": "Mars"})
    assert errors_of(bad) == {"cron", "time_zone"}


def test_a_new_inbound_webhook_is_shown_once_and_its_secret_can_be_replaced(acme: House) -> None:
    desk = desk_of(acme)
    form = {"name": "Shop", "message_template": "New: {{ body.id }}", "is_active": "on"}
    page = desk.post("conversations_inboundwebhook_add", **form).content.decode()
    address = re.search(r"http://testserver/hooks/(whk_[\w-]+)", page)
    assert address is not None
    assert "whsec_" in page
    with tenant_scope(acme.id):
        hook = InboundWebhook.objects.get()
        assert unseal(hook, "sealed_secret").reveal() in page.replace("&#x3D;", "=")
    again = desk.get("conversations_inboundwebhook_change", hook.pk).content.decode()
    assert address.group(1) not in again
    changed = form | {"signing_secret": SENDERS_SECRET}
    assert desk.post("conversations_inboundwebhook_change", hook.pk, **changed).status_code == 302
    hook.refresh_from_db()
    assert unseal(hook, "sealed_secret").reveal() == SENDERS_SECRET
    bad = form | {"signing_secret": "x", "message_template": "{{ tenant }}"}
    response = desk.post("conversations_inboundwebhook_add", **bad)
    assert errors_of(response) == {"signing_secret", "message_template"}


def test_the_secret_of_an_endpoint_is_shown_when_it_is_made_and_when_it_is_rotated(
    acme: House,
) -> None:
    desk = desk_of(acme)
    version = Tenant.objects.get(pk=acme.id).config_version
    page = desk.post("conversations_webhookendpoint_add", **ENDPOINT).content.decode()
    assert Tenant.objects.get(pk=acme.id).config_version > version
    with tenant_scope(acme.id):
        endpoint = WebhookEndpoint.objects.get()
        [first] = signing_secrets(endpoint)
    assert first.reveal() in page
    rotated = desk.post(
        "conversations_webhookendpoint_change", endpoint.pk, **ENDPOINT, new_secret="on"
    ).content.decode()
    endpoint.refresh_from_db()
    with tenant_scope(acme.id):
        second, old = signing_secrets(endpoint)
    assert old == first
    assert second.reveal() in rotated
    plain = desk.post("conversations_webhookendpoint_change", endpoint.pk, **ENDPOINT)
    assert plain.status_code == 302
    bad = ENDPOINT | {"url": "http://127.0.0.1/", "event_types": []}
    response = desk.post("conversations_webhookendpoint_add", **bad)
    assert errors_of(response) == {"url", "event_types"}


def test_a_disabled_endpoint_says_why_and_can_be_activated(acme: House) -> None:
    desk, (endpoint, _) = desk_of(acme), make_endpoint(acme)
    with tenant_scope(acme.id):
        disable(endpoint, WebhookEndpoint.DisabledReason.GONE)
    for page in (
        desk.get("conversations_webhookendpoint_changelist"),
        desk.get("conversations_webhookendpoint_change", endpoint.pk),
    ):
        assert "It answered 410" in page.content.decode()
    desk.post("conversations_webhookendpoint_change", endpoint.pk, **ENDPOINT)
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_reason) == (True, "")


def test_deliveries_are_sent_again_by_those_who_may(acme: House) -> None:
    delivery = make_delivery(make_endpoint(acme)[0], status="failed", settled_at=timezone.now())
    again = {"action": "replay_selected", "_selected_action": str(delivery.pk)}
    viewer = Desk(make_member(acme.tenant, "looks", "viewer"), acme.tenant)
    viewer.post("conversations_webhookdelivery_changelist", **again)
    assert deliveries_of(acme)[0].status == "failed"
    desk_of(acme).post("conversations_webhookdelivery_changelist", **again)
    assert deliveries_of(acme)[0].status == "pending"


def test_lists_of_another_tenant_are_out_of_reach_of_actions(acme: House, rival: House) -> None:
    make_schedule(rival)
    make_inbound(rival)
    theirs = make_delivery(make_endpoint(rival)[0], status="failed", settled_at=timezone.now())
    again = {"action": "replay_selected", "_selected_action": str(theirs.pk)}
    desk_of(acme).post("conversations_webhookdelivery_changelist", **again)
    assert deliveries_of(rival)[0].status == "failed"
    with scopes_disabled():
        assert Schedule.objects.count() == InboundWebhook.objects.count() == 1
