"""Replays over the API: what one would cost, starting it, how far it is, and what it showed."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.api.endpoint import Endpoint, answer_page, read_body, read_query
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from prompts.api.trial_serializers import (
    EstimateQuerySerializer,
    EstimateSerializer,
    PromptReplayedSerializer,
    PromptReplaySerializer,
    StartReplaySerializer,
)
from prompts.errors import ReplayNotFound
from prompts.replay_models import PromptReplay, PromptReplayMessage, ReplayOutcome
from prompts.replays import (
    MAX_MESSAGES,
    cancel_replay,
    estimate_replays,
    get_replay,
    list_replays,
    resume_replay,
    start_replay,
)
from prompts.selectors import get_prompt, get_version
from tenants.idempotency import idempotent
from tenants.principals import Scope

_TAGS = ["prompts"]


class ReplayListView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ, "POST": Scope.PROMPTS_WRITE}

    @extend_schema(
        operation_id="replays_list",
        summary="List the replays of a version, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(PromptReplaySerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, prompt_slug: str, number: int) -> Response:
        rows = list_replays(get_version(prompt_slug, number)).select_related("version")
        return answer_page(rows, PromptReplaySerializer, request)

    @idempotent
    @extend_schema(
        operation_id="replays_start",
        summary="Answer the last real messages under a version",
        description="Durably and beside live traffic. Nobody hears the answers, and no tool is "
        "called: a call that was made then has its result of then, any other is noted. Each "
        "message is charged, as usage of the kind `replay`.",
        tags=_TAGS,
        request=StartReplaySerializer,
        responses={202: PromptReplaySerializer} | problems(404, 409, has_body=True),
        examples=[OpenApiExample("fifty", request_only=True, value={"limit": 50})],
    )
    def post(self, request: Request, prompt_slug: str, number: int) -> Response:
        version = get_version(prompt_slug, number)
        given, _ = read_body(StartReplaySerializer, request)
        replay = start_replay(version=version, limit=given["limit"] or MAX_MESSAGES)
        place = reverse("replay", args=[prompt_slug, replay.pk])
        return Response(
            PromptReplaySerializer(replay).data, status=202, headers={"Location": place}
        )


class ReplayEstimateView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ}

    @extend_schema(
        operation_id="replays_estimate",
        summary="Say what a replay would cost",
        description="By what the messages cost when they were answered, and by what the text is "
        "longer or shorter than the published one.",
        tags=_TAGS,
        parameters=[EstimateQuerySerializer],
        responses={200: EstimateSerializer} | problems(404, 422),
    )
    def get(self, request: Request, prompt_slug: str, number: int) -> Response:
        version = get_version(prompt_slug, number)
        limit = read_query(EstimateQuerySerializer, request)["limit"]
        return Response(EstimateSerializer(estimate_replays(version, [limit])[0]).data)


class ReplayView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ}

    @extend_schema(
        operation_id="replays_get",
        summary="Get a replay: how far it is, and its figures",
        tags=_TAGS,
        responses={200: PromptReplaySerializer} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str, replay_id: UUID) -> Response:
        return Response(PromptReplaySerializer(_found(prompt_slug, replay_id)).data)


class ReplayMessagesView(Endpoint):
    """Shows what customers said, hence the other scope."""

    required_scopes = {"GET": Scope.TASKS_READ}

    @extend_schema(
        operation_id="replays_messages",
        summary="List the messages of a replay that are done, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(PromptReplayedSerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, prompt_slug: str, replay_id: UUID) -> Response:
        rows = PromptReplayMessage.objects.filter(replay=_found(prompt_slug, replay_id))
        done = rows.exclude(outcome=ReplayOutcome.PENDING)
        return answer_page(done, PromptReplayedSerializer, request)


class ReplayCancelView(Endpoint):
    required_scopes = {"POST": Scope.PROMPTS_WRITE}

    @idempotent
    @extend_schema(
        operation_id="replays_cancel",
        summary="Cancel a replay",
        description="The figures of what was done stay.",
        tags=_TAGS,
        request=None,
        responses={200: PromptReplaySerializer} | problems(404, 409),
    )
    def post(self, request: Request, prompt_slug: str, replay_id: UUID) -> Response:
        replay = cancel_replay(_found(prompt_slug, replay_id))
        return Response(PromptReplaySerializer(replay).data)


class ReplayResumeView(Endpoint):
    required_scopes = {"POST": Scope.PROMPTS_WRITE}

    @idempotent
    @extend_schema(
        operation_id="replays_resume",
        summary="Go on with a replay that waits for the budget",
        tags=_TAGS,
        request=None,
        responses={200: PromptReplaySerializer} | problems(404, 409),
    )
    def post(self, request: Request, prompt_slug: str, replay_id: UUID) -> Response:
        replay = resume_replay(_found(prompt_slug, replay_id))
        return Response(PromptReplaySerializer(replay).data)


def _found(prompt_slug: str, replay_id: UUID) -> PromptReplay:
    """Raises PromptNotFound, ReplayNotFound."""
    prompt, replay = get_prompt(prompt_slug), get_replay(replay_id)
    if replay.version.prompt_id != prompt.pk:
        raise ReplayNotFound
    return replay
