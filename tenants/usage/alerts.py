"""The warnings that come before the end of a budget, and at it: each once a month."""

import logging
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from tenants.allowances import Allowance, allowance_of
from tenants.notices import Notice, tell
from tenants.usage.money import to_cents, to_nano
from tenants.usage.totals import month_of, read_spent_this_month
from tenants.usage_models import Budget

logger = logging.getLogger(__name__)

ALL: Final = 100


@transaction.atomic
def warn_of_budget(tenant_id: UUID) -> bool:
    """Say that most of the month's budget is spent, or all of it, unless it has been said: in the
    log and to the tenant's webhooks. Needs the tenant's scope.
    """
    allowance = allowance_of(tenant_id)
    limit = _limit(allowance)
    if limit is None:
        return False
    spent = read_spent_this_month(tenant_id)
    passed = [
        percent
        for percent in (allowance.alert_percent, ALL)
        if is_alarming(spent.nano, limit, percent)
    ]
    if not passed:
        return False
    month, percent = month_of(allowance.today()), max(passed)
    Budget.objects.get_or_create()
    has_been_said = Q(alerted_month=month, alerted_percent__gte=percent)
    unsaid = Budget.objects.exclude(has_been_said & Q(alerted_month__isnull=False))
    if not unsaid.update(alerted_month=month, alerted_percent=percent):
        return False
    amount = to_cents(spent.nano)
    logger.warning("tenant %s has spent %s of %s US dollars this month", tenant_id, amount, limit)
    said = {"month": f"{month:%Y-%m}", "percent": percent, "spent": str(amount)}
    said |= {"budget": str(limit), "currency": "USD"}
    tell(tenant_id, Notice.BUDGET_ALERT, said | {"pauses": limit == allowance.money})
    return True


def _limit(allowance: Allowance) -> Decimal | None:
    limits = [limit for limit in (allowance.money, allowance.budget) if limit is not None]
    return min(limits, default=None)


def is_alarming(spent_nano: int, limit: Decimal, percent: int) -> bool:
    return spent_nano * 100 >= to_nano(limit) * percent
