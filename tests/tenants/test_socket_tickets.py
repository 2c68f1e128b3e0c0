from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from orkesta.redis_door import RedisDoor
from tenants.principals import Principal, Scope
from tenants.scope import scopes_disabled
from tenants.ticket_models import SocketTicket
from tenants.tickets import (
    DatabaseTicketStore,
    Grant,
    InMemoryTicketStore,
    RedisTicketStore,
    TicketName,
    get_ticket_store,
)
from tenants.websocket_auth import issue_ticket
from tests.cast import House
from tests.services import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def grant_of(house: House) -> Grant:
    scopes = frozenset({Scope.CHAT_WRITE, Scope.TASKS_READ})
    principal = Principal(house.id, house.tenant.slug, uuid4(), "tienda", scopes)
    return Grant(principal, uuid4(), "https://shop.example")


def name(ticket: str, slug: str = "acme") -> TicketName:
    return TicketName.of(ticket, tenant_slug=slug)


@pytest.fixture(
    params=["memory", "database", pytest.param("redis", marks=pytest.mark.redis), "outage"]
)
def store(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield InMemoryTicketStore()
    elif request.param == "database":
        yield DatabaseTicketStore()
    else:
        url = "redis://127.0.0.1:1/0"
        if request.param == "redis":
            url = request.getfixturevalue("valkey_url")
        door = RedisDoor(url)
        yield RedisTicketStore(door)
        door.close()


def test_a_grant_is_taken_once_however_many_try(acme: House, store: Any) -> None:
    grant = grant_of(acme)

    def take(ticket: str) -> Grant | None:
        try:
            return store.take(name(ticket))  # type: ignore[no-any-return]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        for number in range(10):
            store.put(name(str(number)), grant, seconds=30)
            assert list(pool.map(take, [str(number)] * 8)).count(grant) == 1


def test_a_grant_of_one_tenant_is_not_found_under_another(acme: House, store: Any) -> None:
    store.put(name("a"), grant_of(acme), seconds=30)
    assert store.take(name("a", "rival")) is None
    assert store.take(name("a")) is not None


def test_a_grant_that_is_too_old_is_gone(acme: House, store: Any) -> None:
    store.put(name("a"), grant_of(acme), seconds=0.01)
    sleep(0.02)
    assert store.take(name("a")) is None


def test_a_grant_lasts_as_long_as_it_is_told_to(acme: House) -> None:
    clock = Clock()
    store, grant = InMemoryTicketStore(clock=clock), grant_of(acme)
    store.put(name("a"), grant, seconds=30)
    clock.now += 29.9
    assert store.take(name("a")) == grant
    store.put(name("b"), grant, seconds=30)
    clock.now += 30
    assert store.take(name("b")) is None


def test_the_memory_does_not_grow_without_bound(acme: House) -> None:
    store, grant = InMemoryTicketStore(max_tickets=2), grant_of(acme)
    for ticket in "abc":
        store.put(name(ticket), grant, seconds=30)
    assert [store.take(name(ticket)) for ticket in "abc"] == [None, grant, grant]


def test_the_table_does_not_grow_without_bound(acme: House) -> None:
    store = DatabaseTicketStore()
    for ticket in "abc":
        store.put(name(ticket), grant_of(acme), seconds=-1)
    store.put(name("d"), grant_of(acme), seconds=30)
    with scopes_disabled():
        assert SocketTicket.objects.count() == 1


@pytest.mark.redis
def test_tickets_of_an_outage_are_good_when_redis_is_back(
    acme: House, mortal_valkey: Valkey
) -> None:
    door = RedisDoor(mortal_valkey.url, pause_seconds=0.01)
    store, grant = RedisTicketStore(door), grant_of(acme)
    store.put(name("before"), grant, seconds=30)
    mortal_valkey.kill()
    store.put(name("during"), grant, seconds=30)
    assert store.take(name("before")) is None
    mortal_valkey.restart()
    assert store.take(name("during")) == grant
    assert store.take(name("during")) is None
    door.close()


def test_a_ticket_is_not_kept_in_clear() -> None:
    principal = Principal(uuid4(), "acme", None, "test", frozenset({Scope.CHAT_WRITE}))
    ticket = issue_ticket(principal=principal, session_id=uuid4())
    assert ticket.startswith("wst_")
    assert len(ticket) == 47
    assert ticket not in repr(name(ticket))
    assert get_ticket_store().take(TicketName("acme", ticket)) is None
    assert get_ticket_store().take(name(ticket)) is not None
