"""Who may open a WebSocket. Programs send their API key; browsers bring a ticket.

A browser cannot set headers on a WebSocket, and a key must not be in an address that is logged. So
a page asks its server, which holds the key, for a ticket: 30 seconds, one use, for one session and
(when known) one origin. It travels as a subprotocol, `Sec-WebSocket-Protocol: orkesta.v1, ticket.…`
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Final, Protocol
from uuid import UUID

from django.conf import settings

from orkesta.errors import NotFound
from tenants.authentication import authenticate_key, raw_key_from
from tenants.errors import (
    KeyExpired,
    KeyMissing,
    KeyRevoked,
    OriginNotAllowed,
    ScopeMissing,
    TenantSuspended,
    TicketInvalid,
)
from tenants.models import ApiKey
from tenants.principals import Principal, Scope

#: What this server speaks; the only subprotocol it ever selects.
SUBPROTOCOL: Final = "orkesta.v1"
TICKET_SECONDS: Final = 30
MAX_TICKETS: Final = 10_000
#: Any of these lets a key watch.
WATCHING: Final = frozenset({Scope.CHAT_WRITE, Scope.TASKS_READ})
_TICKET_PROTOCOL: Final = "ticket."


@dataclass(frozen=True, slots=True)
class Grant:
    """What a ticket stands for. An empty origin means any that is allowed."""

    principal: Principal
    session_id: UUID
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a WebSocket request says of itself; header names are in lower case."""

    tenant_slug: str
    session_id: UUID
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: Sequence[str] = ()

    @property
    def ticket(self) -> str | None:
        found = [name for name in self.subprotocols if name.startswith(_TICKET_PROTOCOL)]
        return found[0].removeprefix(_TICKET_PROTOCOL) if found else None


class TicketStore(Protocol):
    """Keeps grants until they are taken, which works once."""

    def put(self, name: str, grant: Grant, *, seconds: float) -> None: ...

    def take(self, name: str) -> Grant | None:
        """The grant, and never again. Atomic over all callers."""
        ...


class InMemoryTicketStore:
    """For one process. Bounded: the oldest ticket goes first."""

    def __init__(
        self, *, max_tickets: int = MAX_TICKETS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_tickets = max_tickets
        self._clock = clock
        self._grants: OrderedDict[str, tuple[float, Grant]] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, grant: Grant, *, seconds: float) -> None:
        with self._lock:
            self._grants[name] = (self._clock() + seconds, grant)
            while len(self._grants) > self._max_tickets:
                self._grants.popitem(last=False)

    def take(self, name: str) -> Grant | None:
        with self._lock:
            expires_at, grant = self._grants.pop(name, (0.0, None))
        return grant if expires_at > self._clock() else None


@cache
def get_ticket_store() -> TicketStore:
    """The store of this process."""
    return InMemoryTicketStore()


def issue_ticket(
    *, principal: Principal, session_id: UUID, origin: str = "", host: str = ""
) -> str:
    """A ticket for one WebSocket on this session, within `TICKET_SECONDS`; `host` is our own name.

    Whoever calls has checked that the session is the principal's. Raises ScopeMissing, and
    OriginNotAllowed for an origin from which no browser may connect.
    """
    _require_watching(principal)
    if origin and not is_allowed_origin(origin, host=host):
        raise OriginNotAllowed
    ticket = f"wst_{secrets.token_urlsafe(32)}"
    grant = Grant(principal, session_id, origin)
    get_ticket_store().put(_name(ticket), grant, seconds=TICKET_SECONDS)
    return ticket


def authenticate_socket(handshake: Handshake) -> Principal:
    """Who opens this WebSocket: the same check as for a request, or a ticket.

    Raises OriginNotAllowed; KeyMissing and the other failures of a key; TicketInvalid;
    ScopeMissing; NotFound when the tenant in the address is not the caller's own.
    """
    origin = handshake.headers.get("origin", "")
    if origin and not is_allowed_origin(origin, host=handshake.headers.get("host", "")):
        raise OriginNotAllowed
    principal = _principal(handshake, origin)
    _require_watching(principal)
    if principal.tenant_slug != handshake.tenant_slug:
        raise NotFound
    return principal


def is_allowed_origin(origin: str, *, host: str) -> bool:
    """Whether a page from `origin` may connect: a listed one, or one that this host served."""
    served_here = {f"http://{host}".lower(), f"https://{host}".lower()} if host else set()
    return origin in settings.ALLOWED_ORIGINS or origin in served_here


def check_still_valid(principal: Principal) -> None:
    """Look again at the key behind a connection, under its tenant's scope.

    Raises KeyRevoked, KeyExpired, TenantSuspended, or ScopeMissing.
    """
    if principal.key_id is None:
        return
    key = ApiKey.objects.select_related("tenant").filter(pk=principal.key_id).first()
    if key is None or key.revoked_at is not None:
        raise KeyRevoked
    if not key.is_usable:
        raise KeyExpired
    if not key.tenant.is_active:
        raise TenantSuspended
    if not WATCHING & set(key.scopes):
        raise ScopeMissing


def _principal(handshake: Handshake, origin: str) -> Principal:
    ticket = handshake.ticket
    if ticket is None:
        headers = handshake.headers
        return authenticate_key(
            raw_key_from(headers.get("authorization"), headers.get("x-api-key"))
        )
    if not origin:
        raise KeyMissing("Tickets are for browsers; a program sends its key.")
    grant = get_ticket_store().take(_name(ticket))
    if grant is None or grant.session_id != handshake.session_id:
        raise TicketInvalid
    if grant.origin and grant.origin != origin:
        raise TicketInvalid
    return grant.principal


def _require_watching(principal: Principal) -> None:
    if not WATCHING & principal.scopes:
        raise ScopeMissing("Watching needs the scope chat:write or tasks:read.")


def _name(ticket: str) -> str:
    """Tickets are kept under their hash, so that who reads the store cannot use them."""
    return hashlib.sha256(ticket.encode()).hexdigest()
