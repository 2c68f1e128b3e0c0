from datetime import timedelta

from django.utils import timezone

from tenants.allowance_cache import forget_now
from tenants.models import Tier
from tenants.scope import tenant_scope
from tenants.usage.retention import purge_usage
from tenants.usage.rollup import rebuild, roll_up
from tenants.usage.totals import read_spent
from tenants.usage_models import UsageRecord
from tests.cast import House
from tests.tenants.usage.rows import use


def test_calls_are_forgotten_when_the_tier_keeps_them_no_longer_and_sums_stay(
    acme: House, rival: House
) -> None:
    Tier.objects.update(retention_days=90)
    forget_now()
    today = timezone.now().date()
    for house in (acme, rival):
        for days in (200, 91, 89):
            use(house.tenant, day=today - timedelta(days=days))
    with tenant_scope(acme.id):
        assert purge_usage(acme.id) == 0, "no sum holds them yet"
        roll_up()
        assert purge_usage(acme.id) == 2
        rebuild(today - timedelta(days=300), today)
        assert read_spent(today - timedelta(days=300), today).nano == 3_000_000
    with tenant_scope(rival.id):
        assert UsageRecord.objects.count() == 3


def test_calls_of_this_month_and_the_last_are_kept_for_their_bills(acme: House) -> None:
    Tier.objects.update(retention_days=1)
    forget_now()
    today = timezone.now().date()
    last_of_the_month_before = today.replace(day=1) - timedelta(days=1)
    older = last_of_the_month_before.replace(day=1) - timedelta(days=1)
    for day in (today, last_of_the_month_before, last_of_the_month_before.replace(day=1), older):
        use(acme.tenant, day=day)
    with tenant_scope(acme.id):
        roll_up()
        assert purge_usage(acme.id) == 1
        assert UsageRecord.objects.filter(day=older).count() == 0
