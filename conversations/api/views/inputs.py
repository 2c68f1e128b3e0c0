"""People in the loop: what tasks ask, and the answers."""

from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import selectors, services
from conversations.api.serializers.control import MovedSerializer
from conversations.api.serializers.inputs import (
    GivenInputSerializer,
    InputQuerySerializer,
    InputRequestSerializer,
)
from orkesta.api.endpoint import Endpoint, answer_page, read_body, read_query
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.principals import Scope

_EXAMPLES = [
    OpenApiExample("answer", request_only=True, value={"action": "answer", "text": "10 pieces"}),
    OpenApiExample("approve", request_only=True, value={"action": "approve", "by": "Ana"}),
    OpenApiExample(
        "approve with other arguments",
        request_only=True,
        value={"action": "edit", "arguments": {"order": "A-7", "amount": 90}},
    ),
    OpenApiExample(
        "refuse", request_only=True, value={"action": "reject", "text": "Too much; offer 5 %."}
    ),
]


class InputListView(Endpoint):
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="inputs_list",
        summary="List what tasks ask of people, newest first",
        description="Those that wait for an answer, unless `status` asks for others.",
        tags=["tasks"],
        parameters=[InputQuerySerializer, *PAGE_PARAMETERS],
        responses={200: page_of(InputRequestSerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        wanted = read_query(InputQuerySerializer, request)
        if "session_id" in wanted:
            wanted["task__session_id"] = wanted.pop("session_id")
        found = selectors.list_inputs(**wanted)
        return answer_page(found, InputRequestSerializer, request)


class TaskInputView(Endpoint):
    required_scopes = {"POST": Scope.TASKS_CONTROL}

    @idempotent
    @extend_schema(
        operation_id="tasks_input",
        summary="Answer what a task asks",
        description="The task goes on. Of two callers one answers it and the other gets 409, as "
        "does whoever comes too late. Edited arguments are checked against the tool's schema.",
        tags=["tasks"],
        request=GivenInputSerializer,
        responses={200: MovedSerializer} | problems(404, 409, has_body=True),
        examples=_EXAMPLES,
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        given, _ = read_body(GivenInputSerializer, request)
        task = services.give_input(
            task_id=task_id,
            action=given["action"],
            text=given["text"],
            arguments=given["arguments"],
            by=given["by"] or principal_of(request).key_name,
        )
        return Response(MovedSerializer(task).data)
