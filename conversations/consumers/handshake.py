"""Who is at the door: what an ASGI WebSocket scope says, and whether it may come in."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from conversations.connection_room import owner_of, room_of
from conversations.connection_share import take_place
from conversations.connections import Owner, Room, Seat
from conversations.cursor import parse_cursor
from conversations.errors import SessionNotFound
from conversations.selectors import get_session
from conversations.watcher import LATEST
from orkesta.client_address import find_address
from orkesta.database import in_thread
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
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        # A header that comes twice is a list, as HTTP has it: the last proxy's entry stays last.
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
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
    and SocketsExhausted when the tenant's tier allows it, or this user of it, no more.
    """
    principal = await in_thread(authenticate_socket, handshake)
    owner, room = await in_tenant(principal.tenant_id, _check, principal, handshake.session_id)
    await take_place(seat, owner, room)
    return principal


def _check(principal: Principal, session_id: UUID) -> tuple[Owner, Room]:
    """Whose socket it is and how many they may have, once key and session are known to be good.
    Connecting is a request like any other.
    """
    check_still_valid(principal)
    require_request(principal, session_id=session_id)
    return owner_of(get_session(session_id)), room_of(principal.tenant_id)
