"""Schedules: messages that the clock posts."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations.api.serializers.schedules import (
    ScheduleBodySerializer,
    ScheduleRunSerializer,
    ScheduleSerializer,
)
from conversations.triggers import schedules, selectors
from orkesta.api.endpoint import Endpoint, answer_page, read_body, without_missing
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from tenants.allowances import Feature
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.principals import Scope

_EXAMPLE = OpenApiExample(
    "every weekday morning",
    request_only=True,
    value={
        "name": "Overdue invoices",
        "cron": "0 9 * * MON-FRI",
        "time_zone": "America/Mexico_City",
        "message": "Which invoices are overdue today?",
        "agent": "cobranza",
    },
)


class ScheduleListView(Endpoint):
    feature = Feature.SCHEDULES
    required_scopes = {"GET": Scope.SCHEDULES_MANAGE, "POST": Scope.SCHEDULES_MANAGE}

    @extend_schema(
        operation_id="schedules_list",
        summary="List schedules, newest first",
        tags=["schedules"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(ScheduleSerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        return answer_page(selectors.list_schedules(), ScheduleSerializer, request)

    @idempotent
    @extend_schema(
        operation_id="schedules_create",
        summary="Create a schedule",
        description="It posts its message whenever it is due, once, into a session of its own. "
        "Due times that were missed while nothing ran are made up for by the latest of them.",
        tags=["schedules"],
        request=ScheduleBodySerializer,
        responses={201: ScheduleSerializer} | problems(has_body=True),
        examples=[_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        given, _ = read_body(ScheduleBodySerializer, request)
        schedule = schedules.create_schedule(
            tenant_id=principal_of(request).tenant_id, values=without_missing(given)
        )
        place = reverse("schedule", args=[schedule.pk])
        return Response(ScheduleSerializer(schedule).data, status=201, headers={"Location": place})


class ScheduleView(Endpoint):
    feature = Feature.SCHEDULES
    required_scopes = dict.fromkeys(("GET", "PATCH", "DELETE"), Scope.SCHEDULES_MANAGE)

    @extend_schema(
        operation_id="schedules_get",
        summary="Get a schedule",
        tags=["schedules"],
        responses={200: ScheduleSerializer} | problems(404),
    )
    def get(self, request: Request, schedule_id: UUID) -> Response:
        return Response(ScheduleSerializer(selectors.get_schedule(schedule_id)).data)

    @extend_schema(
        operation_id="schedules_edit",
        summary="Change a schedule",
        description="Only what is given changes. It is planned anew, from now on.",
        tags=["schedules"],
        request=ScheduleBodySerializer,
        responses={200: ScheduleSerializer} | problems(404, has_body=True),
        examples=[OpenApiExample("pause it", request_only=True, value={"is_active": False})],
    )
    def patch(self, request: Request, schedule_id: UUID) -> Response:
        given, _ = read_body(ScheduleBodySerializer, request, partial=True)
        schedule = schedules.edit_schedule(schedule_id=schedule_id, changes=without_missing(given))
        return Response(ScheduleSerializer(schedule).data)

    @extend_schema(
        operation_id="schedules_delete",
        summary="Delete a schedule and its runs",
        description="What it has posted stays.",
        tags=["schedules"],
        responses={204: None} | problems(404),
    )
    def delete(self, request: Request, schedule_id: UUID) -> Response:
        schedules.delete_schedule(schedule_id=schedule_id)
        return Response(status=204)


class ScheduleRunsView(Endpoint):
    feature = Feature.SCHEDULES
    required_scopes = {"GET": Scope.SCHEDULES_MANAGE}

    @extend_schema(
        operation_id="schedules_runs",
        summary="List the runs of a schedule, newest first",
        tags=["schedules"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(ScheduleRunSerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, schedule_id: UUID) -> Response:
        return answer_page(selectors.list_runs(schedule_id), ScheduleRunSerializer, request)
