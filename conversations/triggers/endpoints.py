"""The acts on webhook endpoints: create, edit, rotate the secret, disable."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from conversations.trigger_models import WebhookEndpoint
from conversations.triggers.errors import WebhookNotFound
from conversations.triggers.rows import fill
from orkesta.crypto import Secret, seal, unseal
from orkesta.webhook_signing import make_secret
from tenants.audit import record, record_change, record_new, values_of
from tenants.audit_models import AuditAction
from tenants.services import touch_configuration

#: For so long the old secret signs too, after a rotation.
OVERLAP: Final = timedelta(hours=24)

NONE: Final = WebhookEndpoint.DisabledReason.NONE


@transaction.atomic
def create_endpoint(*, tenant_id: UUID, values: Mapping[str, Any]) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its signing secret, which is not shown again. Raises ValidationError."""
    endpoint = WebhookEndpoint(tenant_id=tenant_id)
    fill(endpoint, values)
    endpoint.full_clean()
    secret = equip(endpoint)
    endpoint.save()
    record_new(endpoint)
    touch_configuration(tenant_id)
    return endpoint, secret


@transaction.atomic
def edit_endpoint(*, endpoint_id: UUID, changes: Mapping[str, Any]) -> WebhookEndpoint:
    """Change it. Activating a disabled one clears the reason, and its deliveries go on.

    Raises WebhookNotFound, ValidationError.
    """
    endpoint = lock_endpoint(endpoint_id)
    before = values_of(endpoint)
    changed = fill(endpoint, changes)
    changed += note_activity(endpoint)
    endpoint.full_clean()
    endpoint.save(update_fields=changed)
    record_change(endpoint, before)
    touch_configuration(endpoint.tenant_id)
    return endpoint


@transaction.atomic
def delete_endpoint(*, endpoint_id: UUID) -> None:
    """Delete it with its deliveries. Raises WebhookNotFound."""
    endpoint = lock_endpoint(endpoint_id)
    touch_configuration(endpoint.tenant_id)
    record(AuditAction.DELETED, endpoint)
    endpoint.delete()


@transaction.atomic
def rotate_secret(*, endpoint_id: UUID) -> tuple[WebhookEndpoint, str]:
    """A new signing secret; for 24 hours the one before it signs too. Raises WebhookNotFound."""
    endpoint = lock_endpoint(endpoint_id)
    before = values_of(endpoint)
    previous = unseal(endpoint, "sealed_secret")
    # Sealed anew: a ciphertext opens in the field that it was made for, and in no other.
    seal(endpoint, "sealed_previous_secret", previous.reveal())
    secret = equip(endpoint)
    endpoint.previous_secret_until = timezone.now() + OVERLAP
    endpoint.save(
        update_fields=["sealed_secret", "sealed_previous_secret", "previous_secret_until"]
    )
    record_change(endpoint, before)
    return endpoint, secret


def equip(endpoint: WebhookEndpoint) -> str:
    """Give the row, which the caller saves, a new signing secret, and return it."""
    secret = make_secret()
    seal(endpoint, "sealed_secret", secret)
    return secret


def note_activity(endpoint: WebhookEndpoint) -> list[str]:
    """Clear why a row, which the caller saves, was disabled, if it is active again; the names of
    the fields.
    """
    if endpoint.is_active:
        endpoint.disabled_reason, endpoint.disabled_at = NONE, None
    return ["disabled_reason", "disabled_at"]


def disable(endpoint: WebhookEndpoint, reason: WebhookEndpoint.DisabledReason) -> None:
    """Call it no more, until a person activates it again. What is pending for it waits."""
    before = values_of(endpoint)
    endpoint.is_active = False
    endpoint.disabled_reason, endpoint.disabled_at = reason, timezone.now()
    endpoint.save(update_fields=["is_active", "disabled_reason", "disabled_at"])
    record_change(endpoint, before)
    touch_configuration(endpoint.tenant_id)


def signing_secrets(endpoint: WebhookEndpoint) -> list[Secret]:
    """The newest first; the one before it while the rotation lasts. Raises SecretUnreadable."""
    found = [unseal(endpoint, "sealed_secret")]
    until = endpoint.previous_secret_until
    if until is not None and until > timezone.now():
        found.append(unseal(endpoint, "sealed_previous_secret"))
    return found


def lock_endpoint(endpoint_id: UUID) -> WebhookEndpoint:
    """The endpoint, locked until the transaction ends. Raises WebhookNotFound."""
    endpoint = WebhookEndpoint.objects.select_for_update().filter(pk=endpoint_id).first()
    if endpoint is None:
        raise WebhookNotFound
    return endpoint
