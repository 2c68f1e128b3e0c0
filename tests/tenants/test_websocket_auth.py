from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from tenants.errors import OriginNotAllowed, ScopeMissing
from tenants.principals import Principal, Scope
from tenants.websocket_auth import (
    Grant,
    InMemoryTicketStore,
    get_ticket_store,
    is_allowed_origin,
    issue_ticket,
)

ACME = UUID(int=1)


def principal(*scopes: str) -> Principal:
    return Principal(ACME, "acme", None, "test", frozenset(scopes))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_grant_is_taken_once_however_many_try() -> None:
    store = InMemoryTicketStore()
    grant = Grant(principal(), uuid4())
    for number in range(50):
        store.put(str(number), grant, seconds=30)
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda _, name=str(number): store.take(name), range(8)))
        assert taken.count(grant) == 1


def test_a_grant_lasts_as_long_as_it_is_told_to() -> None:
    clock = Clock()
    store = InMemoryTicketStore(clock=clock)
    grant = Grant(principal(), uuid4())
    store.put("a", grant, seconds=30)
    clock.now += 29.9
    assert store.take("a") == grant
    store.put("b", grant, seconds=30)
    clock.now += 30
    assert store.take("b") is None


def test_the_store_does_not_grow_without_bound() -> None:
    store = InMemoryTicketStore(max_tickets=2)
    grant = Grant(principal(), uuid4())
    for name in "abc":
        store.put(name, grant, seconds=30)
    assert [store.take(name) for name in "abc"] == [None, grant, grant]


def test_a_ticket_is_not_kept_in_clear() -> None:
    ticket = issue_ticket(principal=principal(Scope.CHAT_WRITE), session_id=uuid4())
    assert ticket.startswith("wst_")
    assert len(ticket) == 47
    assert get_ticket_store().take(ticket) is None


def test_a_ticket_needs_a_scope_and_an_allowed_origin() -> None:
    with pytest.raises(ScopeMissing):
        issue_ticket(principal=principal(Scope.KEYS_MANAGE), session_id=uuid4())
    with pytest.raises(OriginNotAllowed):
        issue_ticket(
            principal=principal(Scope.CHAT_WRITE), session_id=uuid4(), origin="https://evil.example"
        )


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("https://Orkesta.example".lower(), "Orkesta.example", True),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("http://", "", False),
        ("", "", False),
        ("file://", "x", False),
    ],
)
def test_pages_that_this_host_served_may_connect(origin: str, host: str, is_allowed: bool) -> None:
    assert is_allowed_origin(origin, host=host) is is_allowed
