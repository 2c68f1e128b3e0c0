"""Sessions: conversations, with what was said and what happened."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import selectors, services
from conversations.api.serializers.sessions import (
    EventPageSerializer,
    EventQuerySerializer,
    MessageSerializer,
    OpenSessionSerializer,
    SessionQuerySerializer,
    SessionSerializer,
)
from conversations.live_event import LiveEvent
from conversations.models import Event
from orkesta.api.endpoint import Endpoint, answer_page, read_body, read_query
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from orkesta.api.pages import LogPages, read_limit
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.principals import Scope


class SessionListView(Endpoint):
    required_scopes = {"GET": Scope.TASKS_READ, "POST": Scope.CHAT_WRITE}

    @extend_schema(
        operation_id="sessions_list",
        summary="List sessions, newest first",
        description="Narrow by `status` or by your own id of the customer.",
        tags=["sessions"],
        parameters=[SessionQuerySerializer, *PAGE_PARAMETERS],
        responses={200: page_of(SessionSerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        wanted = read_query(SessionQuerySerializer, request)
        return answer_page(selectors.list_sessions().filter(**wanted), SessionSerializer, request)

    @idempotent
    @extend_schema(
        operation_id="sessions_open",
        summary="Open a session",
        description="Only to connect before the first message: `chat/send` opens one itself.",
        tags=["sessions"],
        request=OpenSessionSerializer,
        responses={201: SessionSerializer} | problems(has_body=True),
    )
    def post(self, request: Request) -> Response:
        principal = principal_of(request)
        given, _ = read_body(OpenSessionSerializer, request)
        session = services.open_session(
            principal=principal,
            user_ref=given["user"]["id"],
            user_name=given["user"]["name"],
            context=given["context"],
            metadata=given["metadata"],
        )
        place = reverse("session", args=[session.id])
        return Response(SessionSerializer(session).data, status=201, headers={"Location": place})


class SessionView(Endpoint):
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="sessions_get",
        summary="Get a session",
        description="`last_seq` is where to begin when you connect to its live events.",
        tags=["sessions"],
        responses={200: SessionSerializer} | problems(404),
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        return Response(SessionSerializer(selectors.get_session(session_id)).data)


class SessionMessagesView(Endpoint):
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="sessions_messages",
        summary="List what was said, oldest first",
        description="Customers' messages and agents' answers, by their place in the session.",
        tags=["sessions"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(MessageSerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        rows = selectors.list_messages(session_id)
        return answer_page(rows, MessageSerializer, request, pages=LogPages)


class SessionEventsView(Endpoint):
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="sessions_events",
        summary="Read the session's events after a given one",
        description="What the WebSocket sends, for clients that ask instead of listening.",
        tags=["sessions"],
        parameters=[EventQuerySerializer, PAGE_PARAMETERS[1]],
        responses={200: EventPageSerializer} | problems(404, 422),
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        after = read_query(EventQuerySerializer, request)["after"]
        limit = read_limit(request)
        selectors.get_session(session_id)
        found = selectors.list_events(session_id, after_seq=after, limit=limit + 1)
        page = found[:limit]
        return Response(
            {
                "items": [_wire(event) for event in page],
                "next_cursor": str(page[-1].seq if page else after),
                "has_more": len(found) > limit,
            }
        )


class SessionCloseView(Endpoint):
    required_scopes = {"POST": Scope.CHAT_WRITE}

    @idempotent
    @extend_schema(
        operation_id="sessions_close",
        summary="Close a session",
        description="It takes no more messages; what was accepted is still answered. Closing a "
        "closed session is no error.",
        tags=["sessions"],
        request=None,
        responses={200: SessionSerializer} | problems(404, 409),
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        return Response(SessionSerializer(services.close_session(session_id=session_id)).data)


def _wire(event: Event) -> dict[str, object]:
    at = event.created_at
    return LiveEvent(event.type, event.session_id, event.task_id, event.seq, at, event.data).wire()
