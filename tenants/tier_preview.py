"""What other limits would mean today, for the tenants that they are meant for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from tenants.allowances import is_among
from tenants.models import Tenant, Tier, TierOverride
from tenants.scope import tenant_scope


@dataclass(frozen=True, slots=True)
class Blocked:
    """A tenant that is above a new limit. Of a list: what it uses that is not in it."""

    tenant: Tenant
    limit: Any
    used: int | Decimal | str
    allowed: int | Decimal | str


def find_blocked(tier: Tier, changes: Mapping[str, Any]) -> list[Blocked]:
    """Active tenants on `tier` that use more today than the limits in `changes` would allow; those
    with an override of a limit are not meant by it.
    """
    found = []
    for tenant in Tenant.objects.filter(tier=tier, is_active=True).order_by("name"):
        found += find_above(tenant, changes)
    return found


def find_above(
    tenant: Tenant, limits: Mapping[str, Any], *, has_overrides: bool = True
) -> list[Blocked]:
    """What the tenant uses more of today than `limits` would allow, by column of the tier; None
    and an empty list are unlimited. Its own overrides hold before them, unless it is said that
    these limits are one.
    """
    with tenant_scope(tenant.id):
        excepted = _overridden() if has_overrides else set()
        pairs = [
            _compare(tenant, name, allowed)
            for name, allowed in limits.items()
            if name in settings.ORKESTA_GAUGES and name not in excepted
        ]
    return [found for found in pairs if found is not None]


def _overridden() -> set[str]:
    holds = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    return set(TierOverride.objects.filter(holds).values_list("limit", flat=True))


def _compare(tenant: Tenant, name: str, allowed: Any) -> Blocked | None:
    if allowed is None or allowed == []:
        return None
    used = import_string(settings.ORKESTA_GAUGES[name])()
    label = Tier._meta.get_field(name).verbose_name  # type: ignore[union-attr]
    if name in TierOverride.LISTS:
        outside = _outside(used, allowed)
        return Blocked(tenant, label, outside, ", ".join(allowed)) if outside else None
    return Blocked(tenant, label, used, allowed) if used > allowed else None


def _outside(used: Collection[str], names: Collection[str]) -> str:
    return ", ".join(sorted(name for name in used if not is_among(name, names)))
