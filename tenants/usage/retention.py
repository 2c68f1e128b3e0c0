"""Single calls are forgotten when the tier keeps them no longer; the sums of their days stay."""

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from tenants.allowances import allowance_of
from tenants.usage_models import UsageRecord

BATCH: Final = 2000


def purge_usage(tenant_id: UUID) -> int:
    """Delete what the tier keeps no longer, of whole days, and only what their sums hold; never of
    this month and the one before, whose bills may still be compared. How many rows; needs the
    tenant's scope.
    """
    num = 0
    old = UsageRecord.objects.filter(day__lt=kept_since(tenant_id), is_counted=True).order_by("id")
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            num += UsageRecord.objects.filter(pk__in=ids).delete()[0]
    return num


def kept_since(tenant_id: UUID) -> date:
    """The first day of which every call is kept."""
    allowance = allowance_of(tenant_id)
    today = allowance.today()
    last_month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return min(last_month, today - timedelta(days=allowance.retention_days))
