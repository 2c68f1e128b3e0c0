"""Live events over HTTP: server-sent events of a task or a session."""

from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from conversations import selectors
from conversations.connection_room import owner_of, room_of
from conversations.connections import connections
from conversations.cursor import parse_cursor
from conversations.event_stream import CONTENT_TYPE, EventStream, Followed
from conversations.models import Session
from conversations.watcher import LATEST
from orkesta.api.endpoint import Endpoint
from orkesta.api.openapi import problems
from orkesta.client_address import client_address
from orkesta.errors import MalformedCursor
from orkesta.middleware import current_request_id
from tenants.authentication import principal_of
from tenants.principals import Scope

_PARAMETERS = [
    OpenApiParameter("cursor", str, description="The `cursor` of the last event that you have."),
    OpenApiParameter(
        "Last-Event-ID",
        str,
        OpenApiParameter.HEADER,
        description="The same, as browsers send it by themselves. It goes before `cursor`.",
    ),
]
_STREAM = {(200, "text/event-stream"): OpenApiTypes.STR}


class TaskStreamView(Endpoint):
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="tasks_stream",
        summary="Follow a task",
        description="Server-sent events of this task, from its first event or from your cursor. "
        "After the task has ended comes an `end` event, and the response ends; who asks again with "
        "the last cursor is answered 204, which stops an EventSource.",
        tags=["tasks"],
        parameters=_PARAMETERS,
        responses=_STREAM | {204: None} | problems(400, 404, 429),
    )
    def get(self, request: Request, task_id: UUID) -> HttpResponseBase:
        task = selectors.get_task(task_id)
        first, last = selectors.task_seqs(task_id)
        session = selectors.get_session(task.session_id)
        cursor = _cursor(request, session)
        if cursor and task.is_terminal and parse_cursor(cursor).seq >= last:
            return HttpResponse(status=204)
        return _respond(
            request,
            session,
            task_id=task_id,
            cursor=cursor or str(max(0, first - 1)),
        )

    def head(self, request: Request, task_id: UUID) -> HttpResponseBase:
        selectors.get_task(task_id)
        return HttpResponse(content_type=CONTENT_TYPE)


class SessionStreamView(Endpoint):
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="sessions_stream",
        summary="Follow a session",
        description="Server-sent events of the session, from its first event or from your cursor; "
        "`cursor=latest` begins with what happens from now on. What the WebSocket sends, one way.",
        tags=["sessions"],
        parameters=_PARAMETERS,
        responses=_STREAM | problems(400, 404, 429),
    )
    def get(self, request: Request, session_id: UUID) -> HttpResponseBase:
        session = selectors.get_session(session_id)
        return _respond(request, session, cursor=_cursor(request, session))

    def head(self, request: Request, session_id: UUID) -> HttpResponseBase:
        selectors.get_session(session_id)
        return HttpResponse(content_type=CONTENT_TYPE)


def _cursor(request: Request, session: Session) -> str:
    """Where the client stands; empty when it does not say. Raises MalformedCursor."""
    cursor = request.headers.get("Last-Event-ID") or request.query_params.get("cursor", "")
    if cursor == LATEST:
        return str(session.last_seq)
    if cursor and parse_cursor(cursor).seq > session.last_seq:
        raise MalformedCursor("The cursor is ahead of the session.")
    return cursor


def _respond(
    request: Request, session: Session, *, cursor: str, task_id: UUID | None = None
) -> StreamingHttpResponse:
    """The stream. Raises SocketsExhausted, while that can still be said with a status."""
    principal = principal_of(request)
    owner, room = owner_of(session), room_of(principal.tenant_id)
    connections.check_room()
    connections.check_owners_room(owner, room)
    followed = Followed(
        principal,
        session.pk,
        owner,
        room,
        cursor,
        task_id=task_id,
        request_id=current_request_id(),
        address=client_address(request),
    )
    return StreamingHttpResponse(
        EventStream(followed),
        content_type=CONTENT_TYPE,
        # Proxies must neither keep the stream back nor compress it.
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )
