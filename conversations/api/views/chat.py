"""Send a message, ask how it is going, stop it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import selectors, services
from conversations.api.addresses import socket_path, stream_path
from conversations.api.serializers.chat import (
    AnswerSerializer,
    CancelledSerializer,
    ChatSendSerializer,
    ChatSentSerializer,
    ChatStatusSerializer,
    TaskIdSerializer,
    circumstances,
)
from conversations.failures import failure
from conversations.models import Task
from orkesta.api.endpoint import Endpoint, read_body
from orkesta.api.openapi import problems
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.principals import Scope

TASK_ID = "019aa33c-5b7c-7d3f-b04d-2c0b5a8c1f10"
SESSION_ID = "019aa33c-5b70-7a11-9c3e-6f2d1e0a9b44"

_SENT = OpenApiExample(
    "accepted",
    response_only=True,
    value={
        "task_id": TASK_ID,
        "session_id": SESSION_ID,
        "status": "queued",
        "message_id": "019aa33c-5b7c-7a02-8a55-0d1f4b6c7e21",
        "stream_url": f"/api/v1/tasks/{TASK_ID}/stream",
        "websocket_path": f"/ws/ferreteria/{SESSION_ID}",
        "ignored": [],
    },
)
_SEND = [
    OpenApiExample(
        "a first message", request_only=True, value={"message": "¿Tienen tubos de PVC de 1/2?"}
    ),
    OpenApiExample(
        "within a session",
        request_only=True,
        value={
            "message": "Necesito 10",
            "session_id": SESSION_ID,
            "user": {"id": "c-81", "name": "Rosa"},
            "context": {"branch": "centro"},
        },
    ),
    OpenApiExample(
        "from a low-code form",
        request_only=True,
        value={"message": "Hola", "session_id": "", "agent": None, "stream": "1", "user": ""},
    ),
    _SENT,
]


class ChatSendView(Endpoint):
    required_scopes = {"POST": Scope.CHAT_WRITE}
    names_session_in_body = True

    @idempotent
    @extend_schema(
        operation_id="chat_send",
        summary="Send a message",
        description="Stores the message and the task that answers it, and returns at once. Follow "
        "the answer at `stream_url` or `websocket_path`, or ask `/chat/status`. Keys that the "
        "body is not known to have are ignored and named in `ignored`; the tenant is always the "
        "one of the key.",
        tags=["chat"],
        request=ChatSendSerializer,
        responses={202: ChatSentSerializer} | problems(404, 409, 429, has_body=True),
        examples=_SEND,
    )
    def post(self, request: Request) -> Response:
        principal = principal_of(request)
        given, ignored = read_body(ChatSendSerializer, request)
        posted = services.post_message(
            principal=principal, message=given["message"], **circumstances(given)
        )
        sent = {
            "task_id": posted.task.id,
            "session_id": posted.session_id,
            "status": posted.task.status,
            "message_id": posted.message.id,
            "stream_url": stream_path(posted.task.id),
            "websocket_path": socket_path(principal.tenant_slug, posted.session_id),
            "ignored": ignored,
        }
        return Response(sent, status=202)


class ChatStatusView(Endpoint):
    required_scopes = {"POST": Scope.TASKS_READ}

    @idempotent
    @extend_schema(
        operation_id="chat_status",
        summary="Ask how a message is going",
        description="`result` is there once the task has completed, `error` once it has failed;"
        " both, when it was completed with a polite answer because nobody could give another.",
        tags=["chat"],
        request=TaskIdSerializer,
        responses={200: ChatStatusSerializer} | problems(404, has_body=True),
        examples=[OpenApiExample("task", request_only=True, value={"task_id": TASK_ID})],
    )
    def post(self, request: Request) -> Response:
        given, _ = read_body(TaskIdSerializer, request)
        return Response(_status(selectors.get_task(given["task_id"])))


class ChatCancelView(Endpoint):
    required_scopes = {"POST": Scope.TASKS_CONTROL}

    @idempotent
    @extend_schema(
        operation_id="chat_cancel",
        summary="Stop answering",
        description="A waiting task is cancelled at once. A running one shows `wanted: cancel` "
        "until its worker has closed the call to the LLM, within a second.",
        tags=["chat"],
        request=TaskIdSerializer,
        responses={200: CancelledSerializer} | problems(404, 409, has_body=True),
        examples=[OpenApiExample("task", request_only=True, value={"task_id": TASK_ID})],
    )
    def post(self, request: Request) -> Response:
        given, _ = read_body(TaskIdSerializer, request)
        return Response(CancelledSerializer(services.cancel_task(task_id=given["task_id"])).data)


def _status(task: Task) -> dict[str, Any]:
    answer = selectors.find_answer(task)
    return {
        "task_id": task.id,
        "session_id": task.session_id,
        "status": task.status,
        "result": None if answer is None else AnswerSerializer(answer).data,
        "error": failure(task.error_code, task.error_detail),
        "degraded": task.is_degraded,
    }
