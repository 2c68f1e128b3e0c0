"""Batches: many requests in one call, counted and cancelled as one."""

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import selectors, services
from conversations.api.serializers.batches import (
    BatchSerializer,
    BatchSummarySerializer,
    PostBatchSerializer,
)
from conversations.api.serializers.chat import circumstances
from conversations.api.serializers.tasks import TaskSummarySerializer
from orkesta.api.endpoint import Endpoint, answer_page, read_body
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from tenants.allowances import Feature
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.limits import limit_headers
from tenants.principals import Scope
from tenants.rates import rate_limited, take_more_requests

_TWO = OpenApiExample(
    "two reminders",
    request_only=True,
    value={
        "name": "Recordatorios de noviembre",
        "requests": [
            {"message": "Recuérdale la factura F-102", "user": {"id": "c-81"}},
            {"message": "Recuérdale la factura F-117", "user": {"id": "c-90"}},
        ],
    },
)


class BatchListView(Endpoint):
    feature = Feature.BATCHES
    required_scopes = {"GET": Scope.TASKS_READ, "POST": Scope.CHAT_WRITE}

    @extend_schema(
        operation_id="batches_list",
        summary="List batches, newest first",
        tags=["batches"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(BatchSummarySerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        return answer_page(selectors.list_batches(), BatchSummarySerializer, request)

    @idempotent
    @extend_schema(
        operation_id="batches_post",
        summary="Send up to 1,000 messages in one call",
        description="All of them are accepted, or none: the `pointer` of the problem says which "
        "one was not acceptable. Each counts as a request of its own: 429 `rate_limited` when they "
        "do not fit now, 429 `rate_too_small` when they never will. Send an `Idempotency-Key`, so "
        "that a repeated call sends nothing twice.",
        tags=["batches"],
        request=PostBatchSerializer,
        responses={202: BatchSerializer} | problems(404, 409, 429, has_body=True),
        examples=[_TWO],
    )
    def post(self, request: Request) -> Response:
        given, _ = read_body(PostBatchSerializer, request)
        _count(request, [one["session_id"] for one in given["requests"]])
        batch = services.post_batch(
            principal=principal_of(request),
            requests=[
                services.BatchRequest(message=one["message"], **circumstances(one))
                for one in given["requests"]
            ],
            name=given["name"],
            metadata=given["metadata"],
        )
        place = reverse("batch", args=[batch.id])
        return Response(BatchSerializer(batch).data, status=202, headers={"Location": place})


class BatchView(Endpoint):
    feature = Feature.BATCHES
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="batches_get",
        summary="Ask how far a batch has come",
        tags=["batches"],
        responses={200: BatchSerializer} | problems(404),
    )
    def get(self, request: Request, batch_id: UUID) -> Response:
        return Response(BatchSerializer(selectors.get_batch(batch_id)).data)


class BatchTasksView(Endpoint):
    feature = Feature.BATCHES
    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="batches_tasks",
        summary="List the tasks of a batch",
        tags=["batches"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(TaskSummarySerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, batch_id: UUID) -> Response:
        tasks = selectors.list_tasks().filter(batch=selectors.get_batch(batch_id))
        return answer_page(tasks, TaskSummarySerializer, request)


class BatchCancelView(Endpoint):
    feature = Feature.BATCHES
    required_scopes = {"POST": Scope.TASKS_CONTROL}

    @idempotent
    @extend_schema(
        operation_id="batches_cancel",
        summary="Cancel what is unfinished of a batch",
        description="Tasks that have ended stay as they are; running ones stop within a second.",
        tags=["batches"],
        request=None,
        responses={200: BatchSerializer} | problems(404),
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        return Response(BatchSerializer(services.cancel_batch(batch_id=batch_id)).data)


def _count(request: Request, session_ids: Sequence[UUID | None]) -> None:
    """Count every request of the batch. Raises RateLimited and RateTooSmall."""
    decision = take_more_requests(principal_of(request), session_ids=session_ids)
    if headers := limit_headers(decision):
        request._request.limit_headers = headers  # type: ignore[attr-defined]
    if not decision.allowed:
        raise rate_limited(decision)
