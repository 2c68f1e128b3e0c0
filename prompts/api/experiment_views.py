"""Experiments over the API: start, grow, look, stop."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.api.endpoint import Endpoint, answer_page, read_body
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from prompts.api.trial_serializers import (
    ExperimentDetailSerializer,
    ExperimentSerializer,
    ShareSerializer,
    StartExperimentSerializer,
)
from prompts.experiments import (
    change_share,
    get_experiment,
    list_experiments,
    start_experiment,
    stop_experiment,
)
from prompts.selectors import get_prompt, get_version
from tenants.idempotency import idempotent
from tenants.principals import Scope

_TAGS = ["prompts"]


class ExperimentListView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ, "POST": Scope.PROMPTS_WRITE}

    @extend_schema(
        operation_id="experiments_list",
        summary="List the experiments of a prompt, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(ExperimentSerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, prompt_slug: str) -> Response:
        return answer_page(list_experiments(get_prompt(prompt_slug)), ExperimentSerializer, request)

    @idempotent
    @extend_schema(
        operation_id="experiments_start",
        summary="Tell a share of the sessions another version",
        description="A draft is frozen by it. One experiment runs at a time, and publishing any "
        "version ends it.",
        tags=_TAGS,
        request=StartExperimentSerializer,
        responses={201: ExperimentSerializer} | problems(404, 409, has_body=True),
        examples=[
            OpenApiExample("a tenth", request_only=True, value={"version": 4, "share": 10}),
        ],
    )
    def post(self, request: Request, prompt_slug: str) -> Response:
        get_prompt(prompt_slug)
        given, _ = read_body(StartExperimentSerializer, request)
        challenger = get_version(prompt_slug, given["version"])
        experiment = start_experiment(challenger=challenger, share=given["share"])
        place = reverse("experiment", args=[prompt_slug, experiment.pk])
        shown = ExperimentSerializer(experiment).data
        return Response(shown, status=201, headers={"Location": place})


class ExperimentView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ, "PATCH": Scope.PROMPTS_WRITE}

    @extend_schema(
        operation_id="experiments_get",
        summary="Get an experiment with its results",
        tags=_TAGS,
        responses={200: ExperimentDetailSerializer} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str, experiment_id: UUID) -> Response:
        experiment = get_experiment(get_prompt(prompt_slug), experiment_id)
        return Response(ExperimentDetailSerializer(experiment).data)

    @extend_schema(
        operation_id="experiments_share",
        summary="Let more, or fewer, sessions take part",
        tags=_TAGS,
        request=ShareSerializer,
        responses={200: ExperimentSerializer} | problems(404, 409, has_body=True),
    )
    def patch(self, request: Request, prompt_slug: str, experiment_id: UUID) -> Response:
        experiment = get_experiment(get_prompt(prompt_slug), experiment_id)
        given, _ = read_body(ShareSerializer, request)
        change_share(experiment=experiment, share=given["share"])
        experiment.refresh_from_db(fields=["share"])
        return Response(ExperimentSerializer(experiment).data)


class ExperimentStopView(Endpoint):
    required_scopes = {"POST": Scope.PROMPTS_WRITE}

    @idempotent
    @extend_schema(
        operation_id="experiments_stop",
        summary="Stop an experiment",
        description="Everybody is told the published version again. Stopping one that has ended "
        "is no error.",
        tags=_TAGS,
        request=None,
        responses={200: ExperimentDetailSerializer} | problems(404),
    )
    def post(self, request: Request, prompt_slug: str, experiment_id: UUID) -> Response:
        experiment = get_experiment(get_prompt(prompt_slug), experiment_id)
        stop_experiment(experiment=experiment)
        experiment.refresh_from_db(fields=["ended_at", "ending"])
        return Response(ExperimentDetailSerializer(experiment).data)
