from datetime import date
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from routing.hits import flush_hits, note_hit
from routing.models import RoutingRule, RuleDay
from tenants.scope import tenant_scope
from tests.admin import desk_of
from tests.cast import House, make_rule

MONDAY, TUESDAY = date(2026, 11, 16), date(2026, 11, 17)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted_before() -> Any:
    flush_hits()
    yield
    flush_hits()


def counted(house: House) -> list[tuple[date, int]]:
    with tenant_scope(house.id):
        return list(RuleDay.objects.order_by("day").values_list("day", "num_hits"))


def test_a_thousand_hits_are_one_statement_each_rule_and_day(acme: House) -> None:
    note_hit(acme.id, acme.rules[0].pk, MONDAY)
    flush_hits()
    for _ in range(1000):
        note_hit(acme.id, acme.rules[0].pk, MONDAY)
    note_hit(acme.id, acme.rules[0].pk, TUESDAY)
    assert flush_hits() == 1001
    assert counted(acme) == [(MONDAY, 1001), (TUESDAY, 1)]
    with CaptureQueriesContext(connection) as queries:
        assert flush_hits() == 0
    assert len(queries) == 0


def test_each_tenant_has_its_own_and_a_rule_that_is_gone_has_none(
    acme: House, rival: House
) -> None:
    note_hit(acme.id, acme.rules[0].pk, MONDAY)
    note_hit(rival.id, acme.rules[0].pk, MONDAY)
    gone = make_rule(acme.tenant, acme.agents["desk"], ["x"])
    note_hit(acme.id, gone.pk, MONDAY)
    with tenant_scope(acme.id):
        RoutingRule.objects.filter(pk=gone.pk).delete()
    flush_hits()
    assert counted(acme) == [(MONDAY, 1)]
    assert counted(rival) == []


def test_what_cannot_be_added_waits_for_the_next_time(acme: House) -> None:
    note_hit(acme.id, acme.rules[0].pk, MONDAY)

    def refuse(*args: Any) -> Any:
        raise DatabaseError("gone")

    with connection.execute_wrapper(refuse), pytest.raises(DatabaseError):
        flush_hits()
    note_hit(acme.id, acme.rules[0].pk, MONDAY)
    assert flush_hits() == 2
    assert counted(acme) == [(MONDAY, 2)]


def test_the_list_shows_who_never_decides(acme: House) -> None:
    idle = make_rule(acme.tenant, acme.agents["desk"], ["x"], name="idle")
    with tenant_scope(acme.id):
        from_long_ago = RuleDay(rule=idle, day=date(2020, 1, 1), num_hits=9)
        from_long_ago.save()
    for _ in range(1234):
        note_hit(acme.id, acme.rules[0].pk, timezone.now().date())
    flush_hits()
    page = desk_of(acme).get("routing_routingrule_changelist").content.decode()
    assert "1 234" in page
    assert page.count(">never<") == 1
