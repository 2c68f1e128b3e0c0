from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import CharField, F, IntegerField, JSONField, UUIDField
from django.test.utils import CaptureQueriesContext

from conversations.models import Message, Session
from orkesta.insertions import Nth, collecting, inserting_together
from orkesta.statements import Param
from tenants.scope import ScopeError, scopes_disabled, tenant_scope
from tenants.statements import insert, number_and_insert, select, update
from tests.cast import House, make_session

by_customer = select(
    lambda: (
        Session.objects.filter(user_ref=Param("customer", CharField()))
        .order_by("id")
        .values_list("id", "metadata", "active_agent__slug", "created_at")
    )
)
count_up = update(
    lambda: Session.objects.filter(pk=Param("id", UUIDField())),
    lambda: {
        "num_messages": F("num_messages") + Param("more", IntegerField()),
        "context": Param("context", JSONField()),
        "active_agent": None,
    },
    returning=["id", "num_messages", "context"],
)


def test_the_same_statement_serves_any_value(acme: House) -> None:
    one = make_session(acme.tenant, user_ref="c-1", metadata={"a": [1]})
    two = make_session(acme.tenant, user_ref="c-2", active_agent=acme.agents["sales"])
    with tenant_scope(acme.id):
        assert by_customer(customer="c-1") == [[one.id, {"a": [1]}, None, one.created_at]]
        assert by_customer(customer="c-2") == [[two.id, {}, "sales", two.created_at]]
        assert by_customer(customer="' OR 1=1 --") == []


def test_an_update_returns_what_the_row_has_become(acme: House) -> None:
    session = make_session(acme.tenant, num_messages=2)
    with tenant_scope(acme.id):
        changed = count_up(id=session.id, more=3, context={"cart": "ñ"})
        assert changed == [[session.id, 5, {"cart": "ñ"}]]
        assert count_up(id=uuid4(), more=1, context={}) == []


def test_another_tenants_rows_are_neither_read_nor_changed(acme: House, rival: House) -> None:
    session = make_session(rival.tenant, user_ref="c-1")
    with tenant_scope(acme.id):
        assert by_customer(customer="c-1") == []
        assert count_up(id=session.id, more=1, context={}) == []
    with tenant_scope(rival.id):
        assert len(by_customer(customer="c-1")) == 1


def test_nothing_runs_outside_of_a_tenants_scope(acme: House) -> None:
    session = make_session(acme.tenant)
    message = Message(tenant_id=acme.id, session=session, seq=1, turn=1, role="user", content="a")
    for _ in range(2):  # neither the first time, when it is built, nor later
        with pytest.raises(ScopeError):
            by_customer(customer="c-1")
        with pytest.raises(ScopeError), scopes_disabled():
            count_up(id=session.id, more=1, context={})
        with pytest.raises(ScopeError):
            insert([message])


def test_a_row_of_another_tenant_is_not_inserted(acme: House, rival: House) -> None:
    session = make_session(acme.tenant)
    rows = [
        Message(tenant_id=owner, session=session, seq=n, turn=1, role="user", content="a")
        for n, owner in enumerate([acme.id, rival.id])
    ]
    with tenant_scope(acme.id):
        with pytest.raises(ScopeError):
            insert(rows)
        assert not Message.objects.exists()


def test_rows_are_inserted_in_one_statement_with_all_their_fields(acme: House) -> None:
    session = make_session(acme.tenant)
    rows = [
        Message(
            tenant_id=acme.id,
            session=session,
            seq=n,
            turn=1,
            role="user",
            content="¿100 % de «ñ»?",
            metadata={"n": n},
        )
        for n in range(3)
    ]
    with tenant_scope(acme.id), CaptureQueriesContext(connection) as queries:
        insert(rows)
    assert len(queries) == 1
    with tenant_scope(acme.id):
        assert list(Message.objects.values_list("id", "metadata", "content", "created_at")) == [
            (row.id, row.metadata, row.content, row.created_at) for row in rows
        ]
        rows[0].content = "later"
        rows[0].save(update_fields=["content"])
        with pytest.raises(IntegrityError), transaction.atomic():
            insert(rows[:1])


taking = update(
    lambda: Session.objects.filter(pk=Param("id", UUIDField())),
    lambda: {"last_seq": F("last_seq") + Param("count", IntegerField())},
    returning=["last_seq"],
)
fencing = update(
    lambda: Session.objects.filter(pk=Param("fence_id", UUIDField())),
    lambda: {"last_intent": "held"},
    returning=["id"],
)


def said(house: House, session: Session, count: int) -> list[Message]:
    return [
        Message(
            tenant_id=house.id,
            session=session,
            seq=Nth(n),
            turn=7,
            role="user",
            content=f"{n} % of «ñ»",
            metadata={"n": n, "none": None},
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [1, 3, 12])
def test_rows_are_numbered_by_the_statement_that_takes_the_numbers(acme: House, count: int) -> None:
    session, other = make_session(acme.tenant, last_seq=40), make_session(acme.tenant)
    rows, more = said(acme, session, count), said(acme, session, count)
    ids = {"id": session.id, "fence_id": other.id}
    with tenant_scope(acme.id), CaptureQueriesContext(connection) as queries:
        assert number_and_insert([rows], by=taking, fence=fencing, count=count, **ids) == 41
        assert number_and_insert([more], by=taking, count=count, id=session.id) == 41 + count
    assert len(queries) == (2 if connection.vendor == "postgresql" else 5)
    with tenant_scope(acme.id):
        found = list(Message.objects.order_by("seq").values_list("seq", "content", "metadata"))
    assert found == [(row.seq, row.content, row.metadata) for row in [*rows, *more]]
    assert [row[0] for row in found] == list(range(41, 41 + 2 * count))


def test_without_numbers_or_behind_a_closed_fence_nothing_is_written(
    acme: House, rival: House
) -> None:
    session, theirs = make_session(acme.tenant, last_seq=40), make_session(rival.tenant)
    rows = said(acme, session, 2)
    tries = ({"id": session.id, "fence_id": theirs.id}, {"id": theirs.id, "fence_id": theirs.id})
    with tenant_scope(acme.id):
        for ids in tries:
            assert number_and_insert([rows], by=taking, fence=fencing, count=2, **ids) is None
        assert number_and_insert([rows], by=taking, count=2, id=uuid4()) is None
        assert not Message.objects.exists()
        assert Session.objects.get(pk=session.pk).last_seq == 40
        assert number_and_insert([rows], by=taking, count=2, id=session.id) == 41


def test_what_is_collected_is_not_sent(acme: House) -> None:
    session = make_session(acme.tenant)
    with tenant_scope(acme.id):
        with inserting_together(), collecting() as groups:
            insert(said(acme, session, 2))
        assert [len(rows) for rows in groups] == [2]
        assert not Message.objects.exists()
