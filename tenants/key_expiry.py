"""API keys whose end is near: whoever uses them is told a day before, once."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tenants.models import ApiKey
from tenants.notices import Notice, tell
from tenants.scope import scopes_disabled

TOLD_BEFORE: Final = timedelta(hours=24)
#: What one look may do; the next one goes on.
LIMIT: Final = 500


def find_expiring() -> list[tuple[UUID, UUID]]:
    """Keys, of all tenants, that end within a day and of which nobody has been told: tenant and
    key.
    """
    with scopes_disabled():
        rows = _untold().order_by("expires_at")
        return list(rows.values_list("tenant_id", "pk")[:LIMIT])


@transaction.atomic
def tell_of_expiry(key_id: UUID) -> bool:
    """Tell of one of them; False when somebody has, or it ends later now. Needs the scope."""
    if not _untold().filter(pk=key_id).update(told_expiry=F("expires_at")):
        return False
    key = ApiKey.objects.get(pk=key_id)
    tell(key.tenant_id, Notice.KEY_EXPIRING, facts_of(key))
    return True


def facts_of(key: ApiKey) -> dict[str, object]:
    """What may be told of a key to others."""
    return {
        "key_id": str(key.pk),
        "name": key.name,
        "shown": key.shown,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "replaced_by": str(key.replaced_by_id) if key.replaced_by_id else None,
    }


def _untold() -> QuerySet[ApiKey]:
    now = timezone.now()
    is_untold = Q(told_expiry__isnull=True) | ~Q(told_expiry=F("expires_at"))
    return ApiKey.objects.filter(
        is_untold, revoked_at__isnull=True, expires_at__gt=now, expires_at__lte=now + TOLD_BEFORE
    )
