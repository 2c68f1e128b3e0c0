"""Who may open a WebSocket. Programs send their API key; browsers bring a ticket.

A browser cannot set headers on a WebSocket, and a key must not be in an address that is logged. So
a page asks its server, which holds the key, for a ticket: 30 seconds, one use, for one session and
(when known) one origin. It travels as a subprotocol, `Sec-WebSocket-Protocol: orkesta.v1, ticket.…`
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.conf import settings

from orkesta.errors import NotFound, OrkestaError
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
from tenants.networks import Network, holds, read_networks
from tenants.principals import Principal, Scope
from tenants.scope import scopes_disabled
from tenants.tickets import Grant, TicketName, get_ticket_store

#: What this server speaks; the only subprotocol it ever selects.
SUBPROTOCOL: Final = "orkesta.v1"
TICKET_SECONDS: Final = 30
#: Any of these lets a key watch.
WATCHING: Final = frozenset({Scope.CHAT_WRITE, Scope.TASKS_READ})
_TICKET_PROTOCOL: Final = "ticket."


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a WebSocket request says of itself; header names are in lower case."""

    tenant_slug: str
    session_id: UUID
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: Sequence[str] = ()
    #: From where it comes, as `orkesta.client_address` finds it.
    address: str = ""

    @property
    def ticket(self) -> str | None:
        found = [name for name in self.subprotocols if name.startswith(_TICKET_PROTOCOL)]
        return found[0].removeprefix(_TICKET_PROTOCOL) if found else None

    @property
    def bound_address(self) -> str | None:
        """What the key's networks have to hold; None with a ticket, which they do not bind."""
        return self.address if self.ticket is None else None


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
    name = TicketName.of(ticket, tenant_slug=principal.tenant_slug)
    get_ticket_store().put(name, grant, seconds=TICKET_SECONDS)
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
    error = _fault_of(key)
    if error is not None:
        raise error


@dataclass(frozen=True, slots=True)
class Rights:
    """What a key may do now."""

    scopes: frozenset[str]
    agents: frozenset[str]
    #: From where alone it may be used; none means anywhere.
    networks: tuple[Network, ...] = ()

    def reach(self, address: str | None) -> bool:
        """Whether who comes from `address` may go on; None is bound by no network."""
        return address is None or not self.networks or holds(self.networks, address)


def find_rights(key_ids: Collection[UUID]) -> dict[UUID, Rights | OrkestaError]:
    """What each of these keys may do now, or why it may not watch any more. In one query, over all
    tenants: whose connections this process holds is nobody's secret to it.
    """
    with scopes_disabled():
        rows = ApiKey.objects.select_related("tenant").filter(pk__in=key_ids)
        found = {key.pk: key for key in rows}
    return {key_id: _rights_of(found.get(key_id)) for key_id in key_ids}


def _rights_of(key: ApiKey | None) -> Rights | OrkestaError:
    fault = _fault_of(key)
    if fault is not None or key is None:
        return fault or KeyRevoked()
    return Rights(frozenset(key.scopes), frozenset(key.agents), read_networks(key.addresses))


def _fault_of(key: ApiKey | None) -> OrkestaError | None:
    if key is None or key.revoked_at is not None:
        return KeyRevoked()
    if not key.is_usable:
        return KeyExpired()
    if not key.tenant.is_active:
        return TenantSuspended()
    return None if WATCHING & set(key.scopes) else ScopeMissing()


def _principal(handshake: Handshake, origin: str) -> Principal:
    ticket = handshake.ticket
    if ticket is None:
        headers = handshake.headers
        raw = raw_key_from(headers.get("authorization"), headers.get("x-api-key"))
        return authenticate_key(raw, address=handshake.address)
    if not origin:
        raise KeyMissing("Tickets are for browsers; a program sends its key.")
    name = TicketName.of(ticket, tenant_slug=handshake.tenant_slug)
    grant = get_ticket_store().take(name)
    if grant is None or grant.session_id != handshake.session_id:
        raise TicketInvalid
    if grant.origin and grant.origin != origin:
        raise TicketInvalid
    return grant.principal


def _require_watching(principal: Principal) -> None:
    if not WATCHING & principal.scopes:
        raise ScopeMissing("Watching needs the scope chat:write or tasks:read.")
