from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.triggers.usage import UsageTicker
from orkesta.database import in_thread
from tenants.scope import tenant_scope
from tenants.usage.report import GroupBy, read_usage
from tenants.usage.rollup import find_uncounted, rebuild, roll_up
from tenants.usage.totals import read_spent
from tenants.usage_models import Budget, UsageDay, UsageRecord
from tests.cast import House
from tests.tenants.usage.rows import TODAY, some_id, use

USES = st.lists(
    st.fixed_dictionaries(
        {
            "day": st.sampled_from([TODAY, TODAY - timedelta(days=1)]),
            "llm": st.sampled_from(["a", "b"]),
            "agent_slug": st.sampled_from(["", "sales"]),
            "key_id": st.sampled_from([None, some_id(1)]),
            "is_estimated": st.booleans(),
            "price_source": st.sampled_from(["catalogue", "unknown"]),
            "cost_nano": st.integers(min_value=0, max_value=10**12),
        }
    ),
    max_size=12,
)


def sums() -> list[tuple[Any, ...]]:
    names = [f.attname for f in UsageDay._meta.concrete_fields if f.name not in {"id", "tenant"}]
    return sorted(UsageDay.objects.values_list(*names), key=str)


def test_each_record_is_counted_once(acme: House) -> None:
    for _ in range(3):
        use(acme.tenant)
    with tenant_scope(acme.id):
        assert [roll_up(), roll_up()] == [3, 0]
        use(acme.tenant)
        assert roll_up() == 1
        (day,) = UsageDay.objects.all()
    assert (day.num_calls, day.input_tokens, day.cost_nano) == (4, 400, 4_000_000)
    assert day.duration_ms == 2000.0


def test_a_tenants_usage_goes_into_no_other_tenants_sums(acme: House, rival: House) -> None:
    use(acme.tenant)
    use(rival.tenant)
    assert sorted(find_uncounted()) == sorted([acme.id, rival.id])
    with tenant_scope(acme.id):
        assert roll_up() == 1
        assert sum(day.num_calls for day in UsageDay.objects.all()) == 1
    with tenant_scope(rival.id):
        assert UsageDay.objects.count() == 0


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(USES, USES)
def test_sums_and_what_is_uncounted_are_always_the_whole(
    acme: House, first: list[dict[str, Any]], then: list[dict[str, Any]]
) -> None:
    with tenant_scope(acme.id):
        UsageRecord.objects.all().delete()
        UsageDay.objects.all().delete()
        for values in first:
            use(acme.tenant, **values)
        roll_up()
        for values in then:
            use(acme.tenant, **values)
        expected = sum(values["cost_nano"] for values in [*first, *then])
        assert read_spent(TODAY - timedelta(days=1), TODAY).nano == expected
        for by in GroupBy:
            lines = read_usage(by, TODAY - timedelta(days=1), TODAY)
            assert sum(line.cost_nano for line in lines) == expected, by
            assert sum(line.calls for line in lines) == len(first) + len(then), by
        roll_up()
        by_and_by = sums()
        rebuild(TODAY - timedelta(days=1), TODAY)
        assert sums() == by_and_by


def test_the_command_counts_and_makes_anew(acme: House) -> None:
    use(acme.tenant)
    call_command("roll_up_usage", "--all", verbosity=0)
    with tenant_scope(acme.id):
        UsageDay.objects.update(num_calls=99)
    call_command("roll_up_usage", "--tenant", "acme", "--rebuild", "3", verbosity=0)
    with tenant_scope(acme.id):
        assert [day.num_calls for day in UsageDay.objects.all()] == [1]


@pytest.mark.django_db(transaction=True)
async def test_the_ticker_counts_and_warns_once_a_month(
    acme: House, caplog: pytest.LogCaptureFixture
) -> None:
    def prepare() -> None:
        use(acme.tenant, cost_nano=800_000_000)
        with tenant_scope(acme.id):
            Budget.objects.create(money_per_month=1)

    await in_thread(prepare)
    for _ in range(2):
        await UsageTicker().run_once()
        await in_thread(use, acme.tenant)
    warnings = [record for record in caplog.records if "US dollars this month" in record.message]
    assert len(warnings) == 1
