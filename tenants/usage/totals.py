"""What was used, from the rows: sums of days, and the records that no sum holds yet."""

from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet, Sum

from tenants.allowances import allowance_of
from tenants.usage.money import Amount
from tenants.usage_models import UsageDay, UsageRecord

_TOKENS = F("input_tokens") + F("output_tokens")


def month_of(day: date) -> date:
    """Its first day."""
    return day.replace(day=1)


def read_spent(first: date, last: date) -> Amount:
    """What was spent from `first` to `last`, both included. Needs the tenant's scope."""
    days = {"day__gte": first, "day__lte": last}
    counted = _sums(UsageDay.objects.filter(**days))
    rest = _sums(UsageRecord.objects.filter(is_counted=False, **days))
    amounts = [Amount(int(nano), int(tokens)) for nano, tokens in counted.union(rest, all=True)]
    return sum(amounts, Amount())


def read_spent_this_month(tenant_id: UUID) -> Amount:
    """What the tenant has spent since the first of the month. Needs its scope."""
    today = allowance_of(tenant_id).today()
    return read_spent(month_of(today), today)


def _sums(rows: QuerySet[Any]) -> QuerySet[Any, tuple[int, int]]:
    """No row where there is nothing to sum, else one of (nano, tokens)."""
    by_tenant = rows.order_by().values("tenant")
    sums = by_tenant.annotate(nano=Sum("cost_nano"), tokens=Sum(_TOKENS))
    found: QuerySet[Any, tuple[int, int]] = sums.values_list("nano", "tokens")
    return found
