"""What a change of a tier would mean today, for each tenant on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from tenants.models import Tenant, Tier, TierOverride
from tenants.scope import tenant_scope


@dataclass(frozen=True, slots=True)
class Blocked:
    """A tenant that is above a new limit."""

    tenant: Tenant
    limit: Any
    used: int | Decimal
    allowed: int | Decimal


def find_blocked(tier: Tier, changes: Mapping[str, Any]) -> list[Blocked]:
    """Active tenants on `tier` that use more today than the limits in `changes` would allow; those
    with an override of a limit are not meant by it.
    """
    lowered = {
        name: value
        for name, value in changes.items()
        if value is not None and name in settings.ORKESTA_GAUGES
    }
    found = []
    for tenant in Tenant.objects.filter(tier=tier, is_active=True).order_by("name"):
        with tenant_scope(tenant.id):
            found += _of_tenant(tenant, lowered)
    return found


def _of_tenant(tenant: Tenant, limits: Mapping[str, Any]) -> list[Blocked]:
    holds = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    excepted = set(TierOverride.objects.filter(holds).values_list("limit", flat=True))
    found = []
    for name, allowed in limits.items():
        if name in excepted:
            continue
        used = import_string(settings.ORKESTA_GAUGES[name])()
        if used > allowed:
            label = Tier._meta.get_field(name).verbose_name  # type: ignore[union-attr]
            found.append(Blocked(tenant, label, used, allowed))
    return found
