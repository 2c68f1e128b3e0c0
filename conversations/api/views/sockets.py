"""About WebSockets, over HTTP: tickets for browsers, and how many connections there are."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import selectors
from conversations.api.addresses import socket_path
from conversations.api.serializers.sockets import (
    SocketStatsSerializer,
    SocketTicketSerializer,
    TicketRequestSerializer,
)
from conversations.connections import connections
from orkesta.api.endpoint import Endpoint, read_body
from orkesta.api.openapi import problems
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.principals import Scope
from tenants.websocket_auth import TICKET_SECONDS, issue_ticket

_SESSION_ID = "019aa33c-5b70-7a11-9c3e-6f2d1e0a9b44"


class SocketTicketView(Endpoint):
    required_scopes = {"POST": Scope.CHAT_WRITE}
    names_session_in_body = True

    @idempotent
    @extend_schema(
        operation_id="ws_tickets_issue",
        summary="Get a ticket for a browser's WebSocket",
        description="Call it from your server, which has the key, and hand the ticket to the page. "
        "It opens one socket on this session within 30 seconds, as the subprotocols `orkesta.v1` "
        "and `ticket.<ticket>`.",
        tags=["sessions"],
        request=TicketRequestSerializer,
        responses={201: SocketTicketSerializer} | problems(404, has_body=True),
        examples=[
            OpenApiExample(
                "for one page",
                request_only=True,
                value={"session_id": _SESSION_ID, "origin": "https://shop.example"},
            )
        ],
    )
    def post(self, request: Request) -> Response:
        principal = principal_of(request)
        given, _ = read_body(TicketRequestSerializer, request)
        session = selectors.get_session(given["session_id"])
        origin = given["origin"] or request.headers.get("Origin", "")
        ticket = issue_ticket(
            principal=principal, session_id=session.id, origin=origin, host=request.get_host()
        )
        issued = {
            "ticket": ticket,
            "expires_in": TICKET_SECONDS,
            "websocket_path": socket_path(principal.tenant_slug, session.id),
        }
        return Response(SocketTicketSerializer(issued).data, status=201)


class SocketStatsView(Endpoint):
    """Connections of all processes that are known to the one that answers."""

    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="ws_stats",
        summary="Count open connections",
        description="WebSockets and event streams of all web processes that share a Redis, a few "
        "seconds old; without Redis, or while it is gone, of the process that answers alone.",
        tags=["health"],
        responses={200: SocketStatsSerializer} | problems(),
    )
    def get(self, request: Request) -> Response:
        return Response(SocketStatsSerializer(_stats(request)).data)


def _stats(request: Request) -> dict[str, object]:
    return connections.stats(principal_of(request).tenant_id)
