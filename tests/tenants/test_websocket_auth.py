from uuid import UUID, uuid4

import pytest

from tenants.errors import OriginNotAllowed, ScopeMissing
from tenants.principals import Principal, Scope
from tenants.websocket_auth import (
    is_allowed_origin,
    issue_ticket,
)

ACME = UUID(int=1)


def principal(*scopes: str) -> Principal:
    return Principal(ACME, "acme", None, "test", frozenset(scopes))


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
