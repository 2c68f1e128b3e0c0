"""What may be done to a task: pause, resume, retry, fork."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import services
from conversations.api.serializers.control import ForkSerializer, MovedSerializer
from orkesta.api.endpoint import Endpoint, read_body
from orkesta.api.openapi import problems
from tenants.idempotency import idempotent
from tenants.principals import Scope

_CONTROL: dict[str, Any] = {
    "tags": ["tasks"],
    "request": None,
    "responses": {200: MovedSerializer} | problems(404, 409),
}


class TaskPauseView(Endpoint):
    required_scopes = {"POST": Scope.TASKS_CONTROL}

    @idempotent
    @extend_schema(
        operation_id="tasks_pause",
        summary="Hold a task",
        description="A waiting task is paused at once. A running one shows `wanted: pause` until "
        "its worker has let go of it; what it has recorded is kept.",
        **_CONTROL,
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        return Response(MovedSerializer(services.pause_task(task_id=task_id)).data)


class TaskResumeView(Endpoint):
    required_scopes = {"POST": Scope.TASKS_CONTROL}

    @idempotent
    @extend_schema(
        operation_id="tasks_resume",
        summary="Let a paused task go on",
        description="It goes on after its last recorded step. Of two callers one resumes it and "
        "the other gets 409.",
        **_CONTROL,
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        return Response(MovedSerializer(services.resume_task(task_id=task_id)).data)


class TaskRetryView(Endpoint):
    required_scopes = {"POST": Scope.TASKS_CONTROL}

    @idempotent
    @extend_schema(
        operation_id="tasks_retry",
        summary="Try a failed task again",
        description="Answers with a new task that goes on after the last good step of the failed "
        "or cancelled one, which stays as it is. While that one is unfinished there is no other.",
        tags=["tasks"],
        request=None,
        responses={202: MovedSerializer} | problems(404, 409),
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        return Response(MovedSerializer(services.retry_task(task_id=task_id)).data, status=202)


class TaskForkView(Endpoint):
    required_scopes = {"POST": Scope.TASKS_CONTROL}

    @idempotent
    @extend_schema(
        operation_id="tasks_fork",
        summary="Branch off from a step of a finished task",
        description="Answers with a new task that has the first `after_step` steps of this one "
        "and does the rest anew; 0 begins from nothing.",
        tags=["tasks"],
        request=ForkSerializer,
        responses={202: MovedSerializer} | problems(404, 409, has_body=True),
        examples=[OpenApiExample("keep the route", request_only=True, value={"after_step": 1})],
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        given, _ = read_body(ForkSerializer, request)
        task = services.fork_task(task_id=task_id, after_step=given["after_step"])
        return Response(MovedSerializer(task).data, status=202)
