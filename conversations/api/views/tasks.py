"""Tasks: the work that messages set going."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import selectors, services
from conversations.api.serializers.chat import CancelledSerializer
from conversations.api.serializers.tasks import (
    TaskQuerySerializer,
    TaskSerializer,
    TaskSummarySerializer,
)
from orkesta.api.endpoint import Endpoint, answer_page, read_query
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from tenants.idempotency import idempotent
from tenants.principals import Scope


class TaskListView(Endpoint):
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="tasks_list",
        summary="List tasks, newest first",
        description="Without their steps and results: ask for one task to get these. Branches "
        "are listed with their workflow's id as `parent_task_id`, and not among the others.",
        tags=["tasks"],
        parameters=[TaskQuerySerializer, *PAGE_PARAMETERS],
        responses={200: page_of(TaskSummarySerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        wanted = read_query(TaskQuerySerializer, request)
        tasks = selectors.list_tasks(parent_id=wanted.pop("parent_task_id", None))
        return answer_page(tasks.filter(**wanted), TaskSummarySerializer, request)


class TaskView(Endpoint):
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="tasks_get",
        summary="Get a task with its steps and result",
        description="`intermediate_results` has one entry per recorded step, in order.",
        tags=["tasks"],
        responses={200: TaskSerializer} | problems(404),
    )
    def get(self, request: Request, task_id: UUID) -> Response:
        return Response(TaskSerializer(selectors.get_task(task_id)).data)


class TaskCancelView(Endpoint):
    required_scopes = {"POST": Scope.TASKS_CONTROL}

    @idempotent
    @extend_schema(
        operation_id="tasks_cancel",
        summary="Stop a task",
        description="As `chat/cancel`, with the task in the address.",
        tags=["tasks"],
        request=None,
        responses={200: CancelledSerializer} | problems(404, 409),
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        return Response(CancelledSerializer(services.cancel_task(task_id=task_id)).data)
