"""Inbound webhooks: an address and a secret with which another system launches tasks."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from conversations.services import post_message
from conversations.trigger_models import InboundReceipt, InboundWebhook
from conversations.triggers.errors import WebhookNotFound
from conversations.triggers.retention import RECEIPTS_KEPT_FOR
from conversations.triggers.rows import fill
from conversations.triggers.signing import verify
from orkesta.crypto import seal, unseal
from orkesta.errors import NotFound
from orkesta.webhook_signing import make_secret, validate_secret
from prompts.rendering import compile_template
from tenants.audit import record, record_change, record_new, values_of
from tenants.audit_models import AuditAction
from tenants.keys import digest
from tenants.principals import Principal, Scope
from tenants.scope import scopes_disabled

DOOR: Final = "/hooks/"
TOKEN_PREFIX: Final = "whk_"  # noqa: S105 - what every token begins with
TOKEN_BYTES: Final = 24
USE_NOTED_EVERY: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class NewInboundWebhook:
    """A webhook at its birth, the only moment at which its token is known."""

    webhook: InboundWebhook
    token: str
    secret: str


@transaction.atomic
def create_inbound_webhook(*, tenant_id: UUID, values: Mapping[str, Any]) -> NewInboundWebhook:
    """A new webhook. `signing_secret` in `values` is the sender's; without it one is made.

    Raises ValidationError, UnknownAgent.
    """
    asked = dict(values)
    secret = asked.pop("signing_secret", "")
    webhook = InboundWebhook(tenant_id=tenant_id)
    fill(webhook, asked)
    new = equip(webhook, signing_secret=secret)
    webhook.full_clean()
    webhook.save()
    record_new(webhook)
    return new


def equip(webhook: InboundWebhook, *, signing_secret: str = "") -> NewInboundWebhook:
    """Give a new row, which the caller saves, its address and its secret. Raises
    ValidationError.
    """
    secret = signing_secret or make_secret()
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    webhook.token_digest = digest(token, settings.ORKESTA_KEY_PEPPERS[-1])
    webhook.token_hint = token[-4:]
    set_secret(webhook, secret)
    return NewInboundWebhook(webhook, token, secret)


def set_secret(webhook: InboundWebhook, secret: str) -> None:
    """Seal the secret into the row, which the caller saves. Raises ValidationError."""
    try:
        validate_secret(secret)
    except ValidationError as exc:
        raise ValidationError({"signing_secret": exc.error_list}) from exc
    seal(webhook, "sealed_secret", secret)


@transaction.atomic
def edit_inbound_webhook(*, webhook_id: UUID, changes: Mapping[str, Any]) -> InboundWebhook:
    """Change it; a `signing_secret` takes the present one's place at once.

    Raises WebhookNotFound, ValidationError, UnknownAgent.
    """
    webhook = InboundWebhook.objects.select_for_update().filter(pk=webhook_id).first()
    if webhook is None:
        raise WebhookNotFound
    before = values_of(webhook)
    asked = dict(changes)
    secret = asked.pop("signing_secret", "")
    changed = fill(webhook, asked)
    webhook.full_clean()
    if secret:
        set_secret(webhook, secret)
        changed.append("sealed_secret")
    webhook.save(update_fields=changed)
    record_change(webhook, before)
    return webhook


@transaction.atomic
def delete_inbound_webhook(*, webhook_id: UUID) -> None:
    """Delete it; what it launched stays. Raises WebhookNotFound."""
    webhook = InboundWebhook.objects.select_for_update().filter(pk=webhook_id).first()
    if webhook is None:
        raise WebhookNotFound
    record(AuditAction.DELETED, webhook)
    webhook.delete()


def find_principal(request: HttpRequest) -> Principal:
    """Whose address was called: the tenant middleware's finder for `/hooks/`. It may post messages
    and nothing else, and only what is signed.

    Raises NotFound, the same for an unknown token, an inactive webhook and an inactive tenant.
    """
    # The tenant is what we are about to learn, so no scope can be active yet.
    with scopes_disabled():
        webhook = _find(request.path.removeprefix(DOOR))
    if webhook is None or not webhook.tenant.is_active:
        raise NotFound("There is no such address.")
    return Principal(
        tenant_id=webhook.tenant_id,
        tenant_slug=webhook.tenant.slug,
        key_id=None,
        key_name=f"webhook {webhook.name}",
        scopes=frozenset({Scope.CHAT_WRITE}),
    )


def check_call(*, token: str, body: bytes, headers: Mapping[str, str]) -> tuple[UUID, str]:
    """The webhook that is called, and the sender's id of the call, which is signed.

    Needs the tenant's scope. Raises WebhookNotFound, SignatureInvalid.
    """
    webhook = _find(token)
    if webhook is None:
        raise WebhookNotFound
    secret = unseal(webhook, "sealed_secret")
    return webhook.pk, verify(body=body, headers=headers, secret=secret)


def obey_call(
    *, principal: Principal, webhook_id: UUID, message_id: str, body: Mapping[str, Any]
) -> UUID:
    """Launch the task of a call and return its id; that of the first time, when the sender repeats
    a call within a day.

    Raises WebhookNotFound, TemplateError, and what `post_message` raises.
    """
    try:
        return _obey(principal, webhook_id, message_id, body)
    except IntegrityError:
        # Its twin was first: the unique index let us wait for that one's commit.
        done = InboundReceipt.objects.filter(webhook_id=webhook_id, message_id=message_id)
        task_id = done.values_list("task_id", flat=True).first()
        if task_id is None:
            raise
        return task_id


@transaction.atomic
def _obey(principal: Principal, webhook_id: UUID, message_id: str, body: Mapping[str, Any]) -> UUID:
    webhook = InboundWebhook.objects.select_related("agent").filter(pk=webhook_id).first()
    if webhook is None:
        raise WebhookNotFound
    now = timezone.now()
    webhook.receipts.filter(received_at__lt=now - RECEIPTS_KEPT_FOR).delete()
    receipt = InboundReceipt.objects.create(webhook=webhook, message_id=message_id)
    posted = post_message(
        principal=principal,
        message=compile_template(webhook.message_template).render({"body": dict(body)}),
        agent=webhook.agent.slug if webhook.agent else "",
        user_ref=f"webhook:{webhook.pk}",
        user_name=webhook.name,
        metadata={"webhook_id": str(webhook.pk), "message_id": message_id},
    )
    receipt.task = posted.task
    receipt.save(update_fields=["task"])
    if webhook.last_used_at is None or now - webhook.last_used_at >= USE_NOTED_EVERY:
        webhook.last_used_at = now
        webhook.save(update_fields=["last_used_at"])
    return posted.task.pk


def _find(token: str) -> InboundWebhook | None:
    digests = [digest(token, pepper) for pepper in settings.ORKESTA_KEY_PEPPERS]
    rows = InboundWebhook.objects.select_related("tenant")
    return rows.filter(token_digest__in=digests, is_active=True).first()
