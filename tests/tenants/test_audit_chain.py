from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from tenants.audit import Actor, acting, record
from tenants.audit_chain import Fault, find_breaks
from tenants.audit_models import ActorKind, AuditAction, AuditEntry, InstallationEntry
from tenants.scope import tenant_scope
from tests.cast import House


def write(house: House, number: int = 3) -> None:
    with tenant_scope(house.id), acting(Actor(ActorKind.USER, "1", "Ada", "2001:DB8::1")):
        for _ in range(number):
            changes = {"temperature": (0.1, 1.0), "intents": ([], ["a", 2]), "name": ("", "ñ")}
            record(AuditAction.CHANGED, house.agents["desk"], changes)


@contextmanager
def unguarded() -> Iterator[Any]:
    """Somebody who may do anything to the database, and has taken the triggers away."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP TRIGGER audit_entry_refuses_change ON tenants_auditentry")
        else:
            cursor.execute("DROP TRIGGER audit_entry_refuses_update")
            cursor.execute("DROP TRIGGER audit_entry_refuses_delete")
        yield cursor


def breaks(house: House) -> list[tuple[int, str]]:
    with tenant_scope(house.id):
        entries = AuditEntry.objects.order_by("seq")
        return [(one.seq, one.fault) for one in find_breaks(entries, str(house.id))]


def check(*options: str) -> str:
    said = StringIO()
    try:
        call_command("check_audit", *options, stdout=said)
    except CommandError as exc:
        return said.getvalue() + str(exc)
    return said.getvalue()


def test_a_log_that_nobody_touched_is_intact(acme: House, rival: House) -> None:
    write(acme)
    write(rival, 1)
    record(AuditAction.CHANGED, acme.tenant.tier)
    assert breaks(acme) == []
    said = check("--all")
    assert said.count(": intact, ends with") == 3
    assert "BROKEN" not in said


@pytest.mark.parametrize(
    ("column", "value"),
    [("actor_name", "Nobody"), ("changes", "{}"), ("at", "2020-01-01"), ("address", None)],
)
def test_an_entry_that_was_altered_is_found(acme: House, column: str, value: Any) -> None:
    write(acme)
    with unguarded() as cursor:
        cursor.execute(f"UPDATE tenants_auditentry SET {column} = %s WHERE seq = 2", [value])
    assert breaks(acme) == [(2, Fault.ALTERED)]
    said = check("--tenant", "acme")
    assert "acme: BROKEN" in said
    assert "entry 2: altered" in said
    assert "1 logs are broken" in said


def test_an_entry_that_was_taken_away_is_found(acme: House) -> None:
    write(acme)
    with unguarded() as cursor:
        cursor.execute("DELETE FROM tenants_auditentry WHERE seq = 2")
        assert breaks(acme) == [(3, Fault.MISSING)]
        cursor.execute("UPDATE tenants_auditentry SET seq = 2 WHERE seq = 3")
    assert breaks(acme) == [(2, Fault.ALTERED)]


def test_an_entry_of_another_log_does_not_fit(acme: House, rival: House) -> None:
    write(acme, 1)
    write(rival, 1)
    with tenant_scope(rival.id):
        entries = list(AuditEntry.objects.all())
    assert [one.fault for one in find_breaks(entries, str(acme.id))] == [Fault.ALTERED]


def test_an_entry_without_a_seal_can_only_be_older_than_seals(acme: House) -> None:
    write(acme)
    with unguarded() as cursor:
        cursor.execute("UPDATE tenants_auditentry SET chain = '' WHERE seq = 2")
    assert breaks(acme) == [(2, Fault.UNSEALED), (3, Fault.ALTERED)]


def test_another_pepper_goes_on_and_a_lost_one_is_said(acme: House, settings: Any) -> None:
    write(acme, 1)
    settings.ORKESTA_KEY_PEPPERS = [*settings.ORKESTA_KEY_PEPPERS, "a-new-pepper-of-the-tests"]
    write(acme, 1)
    assert breaks(acme) == []
    settings.ORKESTA_KEY_PEPPERS = settings.ORKESTA_KEY_PEPPERS[-1:]
    assert breaks(acme) == [(1, Fault.UNKNOWN_PEPPER)]


def test_the_log_of_the_installation_is_refused_to_be_changed(acme: House) -> None:
    record(AuditAction.CHANGED, acme.tenant.tier)
    with pytest.raises(DatabaseError, match="never changed"):
        InstallationEntry.objects.update(actor_name="nobody")


@pytest.mark.django_db(transaction=True)
def test_entries_that_are_written_at_once_make_one_chain(acme: House) -> None:
    def many(_: int) -> None:
        write(acme, 4)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(many, range(4)))
    assert breaks(acme) == []
    with tenant_scope(acme.id):
        assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == list(
            range(1, 17)
        )
