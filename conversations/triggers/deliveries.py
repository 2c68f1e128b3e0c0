"""The delivery rows: claimed with a lease, sent without any lock, settled under a fence.

A dispatcher that dies between the answer and the settling leaves its lease to run out; the next
one sends the same bytes under the same id, and the receiver knows them by it.
"""

import logging
import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import (
    DateTimeField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Value,
    Window,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Now, RowNumber
from django.utils import timezone

from conversations.trigger_models import DeliveryTry, WebhookDelivery, WebhookEndpoint
from conversations.triggers.doorbell import deliveries_waiting
from conversations.triggers.endpoints import disable, signing_secrets
from conversations.triggers.errors import DeliveryNotFound
from orkesta.database import update_returning
from orkesta.errors import StateConflict
from orkesta.webhook_signing import headers_for
from tenants.scope import scopes_disabled

logger = logging.getLogger(__name__)

_SECOND: Final = timedelta(seconds=1)
_HOUR: Final = timedelta(hours=1)
#: Pauses after the first try, the second, …: about three days in all (Standard Webhooks).
PAUSES: Final = (
    5 * _SECOND, 300 * _SECOND, 1800 * _SECOND,
    2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
)  # fmt: skip
JITTER: Final = 0.1
#: Longer than a request may take, so that a living dispatcher never loses one that it sends.
LEASE: Final = timedelta(seconds=60)
#: What one look takes of one endpoint: a dead one must not use up the time of the others.
PER_ENDPOINT: Final = 8
GONE: Final = 410
EXCERPT_BYTES: Final = 1024

_Status = WebhookDelivery.Status


@dataclass(frozen=True, slots=True)
class Claim:
    """One dispatcher's right to send one delivery; its writes are fenced by `attempt`."""

    delivery_id: UUID
    tenant_id: UUID
    endpoint_id: UUID
    attempt: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed delivery, ready to be sent."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """How a try went: an HTTP status, or the code of the error that kept one from coming."""

    duration_ms: float
    status: int | None = None
    error_code: str = ""
    excerpt: bytes = b""
    retry_after_seconds: float | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def claim_deliveries(*, limit: int, busy: Collection[UUID] = ()) -> list[Claim]:
    """Own up to `limit` deliveries that are due, of active endpoints of active tenants but those
    in `busy`, and of each endpoint a few only; `attempt` is one higher than any before.
    """
    with scopes_disabled(), transaction.atomic():
        turn = Window(RowNumber(), partition_by=F("endpoint_id"), order_by=F("next_try_at").asc())
        due = (
            _due()
            .filter(endpoint__is_active=True, endpoint__tenant__is_active=True)
            .exclude(endpoint_id__in=list(busy))
        )
        fair = due.annotate(turn=turn).filter(turn__lte=PER_ENDPOINT).order_by("next_try_at")
        chosen = list(fair.values_list("pk", flat=True)[:limit])
        if not chosen:
            return []
        # Whoever was quicker has set a lease, and then the row is not due any more.
        rows = update_returning(
            _due().filter(pk__in=chosen),
            {"attempt": F("attempt") + 1, "lease_until": _from_now(LEASE)},
            ["id", "tenant", "endpoint", "attempt"],
        )
    return [Claim(row["id"], row["tenant"], row["endpoint"], row["attempt"]) for row in rows]


def load_parcel(claim: Claim) -> Parcel | None:
    """What to send, signed for now; None when the delivery is not this claim's any more.

    Needs the tenant's scope. Raises SecretUnreadable.
    """
    delivery = _owned(claim).select_related("endpoint").first()
    if delivery is None:
        return None
    headers = headers_for(
        webhook_id=delivery.webhook_id,
        body=delivery.body,
        signed_with=signing_secrets(delivery.endpoint),
        at=timezone.now(),
    )
    headers |= {"content-type": "application/json", "user-agent": "Orkesta-Webhooks/1"}
    return Parcel(delivery.endpoint.url, headers, delivery.body.encode())


@transaction.atomic
def settle(claim: Claim, answer: Answer) -> bool:
    """Log the try and decide what follows: delivered; the next try; or, after the last one or a
    410, failed, and the endpoint disabled. False when the claim had been lost: nothing is written.

    Needs the tenant's scope.
    """
    delivery = _owned(claim).select_for_update(of=("self",)).select_related("endpoint").first()
    if delivery is None:
        logger.info("delivery %s: attempt %s was fenced", claim.delivery_id, claim.attempt)
        return False
    DeliveryTry.objects.create(
        delivery=delivery,
        attempt=claim.attempt,
        response_status=answer.status,
        duration_ms=round(answer.duration_ms, 3),
        error_code=answer.error_code,
        response_excerpt=_readable(answer.excerpt),
    )
    delivery.num_tries += 1
    delivery.lease_until = None
    if answer.is_success:
        _end(delivery, _Status.DELIVERED)
    elif answer.status == GONE:
        _end(delivery, _Status.FAILED)
        _disable(delivery.endpoint, WebhookEndpoint.DisabledReason.GONE)
    elif delivery.num_tries > len(PAUSES):
        _give_up(delivery)
    else:
        delivery.next_try_at = timezone.now() + _pause(delivery.num_tries, answer)
    delivery.save(update_fields=["status", "num_tries", "lease_until", "next_try_at", "settled_at"])
    return True


@transaction.atomic
def replay_delivery(*, delivery_id: UUID) -> WebhookDelivery:
    """Send it again now, with a fresh row of tries, whatever became of it; its id stays the same.

    Raises DeliveryNotFound, and StateConflict while its endpoint is inactive.
    """
    rows = WebhookDelivery.objects.select_for_update(of=("self",)).select_related("endpoint")
    delivery = rows.filter(pk=delivery_id).first()
    if delivery is None:
        raise DeliveryNotFound
    if not delivery.endpoint.is_active:
        raise StateConflict("The webhook is not active: activate it first.")
    delivery.status, delivery.settled_at = _Status.PENDING, None
    delivery.num_tries, delivery.next_try_at = 0, timezone.now()
    delivery.save(update_fields=["status", "settled_at", "num_tries", "next_try_at"])
    deliveries_waiting.ring_on_commit()
    return delivery


def _due() -> QuerySet[WebhookDelivery]:
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
    return WebhookDelivery.objects.filter(is_free, status=_Status.PENDING, next_try_at__lte=Now())


def _owned(claim: Claim) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(
        pk=claim.delivery_id, attempt=claim.attempt, status=_Status.PENDING
    )


def _give_up(delivery: WebhookDelivery) -> None:
    """It had all its tries. Its endpoint is disabled, unless something else got through to it in
    the meantime: then the trouble is with this delivery.
    """
    got_through = WebhookDelivery.objects.filter(
        endpoint=delivery.endpoint,
        status=_Status.DELIVERED,
        settled_at__gte=delivery.created_at,
    ).exists()
    _end(delivery, _Status.FAILED)
    if not got_through:
        _disable(delivery.endpoint, WebhookEndpoint.DisabledReason.EXHAUSTED)


def _end(delivery: WebhookDelivery, status: WebhookDelivery.Status) -> None:
    delivery.status = status
    delivery.next_try_at, delivery.settled_at = None, timezone.now()


def _disable(endpoint: WebhookEndpoint, reason: WebhookEndpoint.DisabledReason) -> None:
    logger.warning(
        "webhook %s of tenant %s is disabled: %s", endpoint.pk, endpoint.tenant_id, reason.value
    )
    disable(endpoint, reason)


def _pause(num_tries: int, answer: Answer) -> timedelta:
    """The pause after that many tries, a little longer for each differently; a receiver that asks
    for more (Retry-After) gets up to a day.
    """
    spread = random.uniform(1.0, 1.0 + JITTER)  # noqa: S311 - spreads load, hides nothing
    asked = timedelta(seconds=min(answer.retry_after_seconds or 0.0, PAUSES[-1].total_seconds()))
    return max(PAUSES[num_tries - 1] * spread, asked)


def _readable(excerpt: bytes) -> str:
    """Of the answer, at most 1 KB, as text that every database stores."""
    return excerpt[:EXCERPT_BYTES].decode(errors="replace").replace("\0", "�")


def _from_now(span: timedelta) -> Combinable:
    return ExpressionWrapper(Now() + Value(span), output_field=DateTimeField())
