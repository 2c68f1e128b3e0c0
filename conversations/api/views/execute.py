"""One entry for all that can be set going: a conversation turn, a run of one agent, a workflow."""

from typing import Final
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import services
from conversations.api.addresses import socket_path, stream_path
from conversations.api.serializers.chat import circumstances
from conversations.api.serializers.execute import (
    ExecutedSerializer,
    ExecuteSerializer,
)
from orkesta.api.endpoint import Endpoint, read_body
from orkesta.api.openapi import problems
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.principals import Scope

_VERBS: Final = ("pause", "resume", "cancel", "retry", "fork")
_EXAMPLES: Final = [
    OpenApiExample(
        "a conversation turn",
        request_only=True,
        value={"input": "¿Tienen tubos de PVC de 1/2?", "user": {"id": "c-81", "name": "Rosa"}},
    ),
    OpenApiExample(
        "a run of one agent",
        request_only=True,
        value={
            "kind": "agent",
            "agent": "ventas",
            "input": "Cotiza 10 tubos.",
            "context": {"branch": "centro"},
            "priority": 8,
        },
    ),
    OpenApiExample(
        "a workflow",
        request_only=True,
        value={
            "kind": "workflow",
            "input": "Cotiza 10 tubos de PVC de 1/2 con entrega.",
            "plan": [
                {"agent": "catalogo", "instruction": "Busca el artículo y su existencia."},
                {"agent": "pedidos", "instruction": "Haz la cotización para el cliente."},
            ],
        },
    ),
    OpenApiExample(
        "a workflow with branches",
        request_only=True,
        value={
            "kind": "workflow",
            "input": "Cotiza 10 tubos de PVC de 1/2 con entrega.",
            "plan": [
                {"parallel": ["catalogo", {"agent": "pedidos", "instruction": "¿Cuándo llega?"}]},
                "recepcion",
            ],
        },
    ),
    OpenApiExample(
        "from a low-code form",
        request_only=True,
        value={"kind": "", "message": "Hola", "session_id": None, "priority": "7", "stream": "0"},
    ),
]


class ExecuteView(Endpoint):
    required_scopes = {"POST": Scope.CHAT_WRITE}
    names_session_in_body = True

    @idempotent
    @extend_schema(
        operation_id="execute",
        summary="Set something going",
        description="Stores the task and returns at once; `links` lead on. A `turn` is what "
        "`chat/send` does; an `agent` run goes straight to the agent named; in a `workflow` the "
        "agents of `plan` do their parts in turn, those of a `parallel` part at the same time, "
        "each told what was found before, and what the last one says is the answer.",
        tags=["tasks"],
        request=ExecuteSerializer,
        responses={202: ExecutedSerializer} | problems(404, 409, 429, has_body=True),
        examples=_EXAMPLES,
    )
    def post(self, request: Request) -> Response:
        principal = principal_of(request)
        given, ignored = read_body(ExecuteSerializer, request)
        posted = services.post_message(
            principal=principal,
            message=given["text"],
            **circumstances(given),
            priority=given["priority"],
            plan=given["plan"],
        )
        executed = {
            "task_id": posted.task.id,
            "session_id": posted.session_id,
            "status": posted.task.status,
            "kind": given["kind"],
            "message_id": posted.message.id,
            "links": _links(posted.task.id)
            | {"websocket": socket_path(principal.tenant_slug, posted.session_id)},
            "ignored": ignored,
        }
        return Response(ExecutedSerializer(executed).data, status=202)


def _links(task_id: UUID) -> dict[str, str]:
    verbs = {verb: reverse(f"task-{verb}", args=[task_id]) for verb in _VERBS}
    return verbs | {"task": reverse("task", args=[task_id]), "stream": stream_path(task_id)}
