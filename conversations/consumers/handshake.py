"""Who is at the door: what an ASGI WebSocket scope says, and whether it may come in."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from conversations.connections import Seat, connections
from conversations.cursor import parse_cursor
from conversations.errors import SessionNotFound
from conversations.selectors import get_session
from conversations.watcher import LATEST
from orkesta.client_address import find_address
from orkesta.database import in_thread
from tenants.allowances import allowance_of
from tenants.principals import Principal
from tenants.rates import require_request
from tenants.scope import in_tenant
from tenants.websocket_auth import Handshake, authenticate_socket, check_still_valid


def read_handshake(scope: Mapping[str, Any]) -> Handshake:
    """The request as `tenants.websocket_auth` wants it. Raises SessionNotFound for no UUID."""
    named = scope["url_route"]["kwargs"]
    try:
        session_id = UUID(named["session"])
    except ValueError:
        raise SessionNotFound from None
    headers = {name.decode("latin-1").lower(): v.decode("latin-1") for name, v in scope["headers"]}
    connected = (scope.get("client") or ("",))[0] or ""
    return Handshake(
        tenant_slug=named["tenant"],
        session_id=session_id,
        headers=headers,
        subprotocols=scope.get("subprotocols") or (),
        address=find_address(connected, forwarded_for=headers.get("x-forwarded-for", "")),
    )


def read_cursor(scope: Mapping[str, Any]) -> str:
    """The `cursor` of the query; empty when there is none. Raises MalformedCursor."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=20)
    cursor: str = query.get("cursor", [""])[0]
    if cursor not in ("", LATEST):
        parse_cursor(cursor)
    return cursor


async def admit(handshake: Handshake, seat: Seat) -> Principal:
    """Let the caller in and count the connection as its tenant's.

    Raises what `authenticate_socket` and `check_still_valid` raise, SessionNotFound, RateLimited,
    and SocketsExhausted when the tenant's tier allows no more.
    """
    principal = await in_thread(authenticate_socket, handshake)
    limit = await in_tenant(principal.tenant_id, _check, principal, handshake.session_id)
    connections.belongs_to(seat, principal.tenant_id, limit=limit)
    return principal


def _check(principal: Principal, session_id: UUID) -> int | None:
    """How many sockets the tier allows, once key and session are known to be good. Connecting is a
    request like any other.
    """
    check_still_valid(principal)
    require_request(principal, session_id=session_id)
    get_session(session_id)
    return allowance_of(principal.tenant_id).max_sockets
