"""The warning that comes before the end of a budget: once a month."""

import logging
from decimal import Decimal
from uuid import UUID

from tenants.allowances import allowance_of
from tenants.usage.money import to_cents, to_nano
from tenants.usage.totals import month_of, read_spent_this_month
from tenants.usage_models import Budget

logger = logging.getLogger(__name__)


def warn_of_budget(tenant_id: UUID) -> bool:
    """Say that most of the month's budget is spent, unless it has been said. Needs the tenant's
    scope.
    """
    allowance = allowance_of(tenant_id)
    limits = [limit for limit in (allowance.money, allowance.budget) if limit is not None]
    if not limits:
        return False
    spent = read_spent_this_month(tenant_id)
    if not is_alarming(spent.nano, min(limits), allowance.alert_percent):
        return False
    month = month_of(allowance.today())
    Budget.objects.get_or_create()
    if not Budget.objects.exclude(alerted_month=month).update(alerted_month=month):
        return False
    logger.warning(
        "tenant %s has spent %s of %s US dollars this month",
        tenant_id,
        to_cents(spent.nano),
        min(limits),
    )
    return True


def is_alarming(spent_nano: int, limit: Decimal, percent: int) -> bool:
    return spent_nano * 100 >= to_nano(limit) * percent
