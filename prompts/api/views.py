"""Prompts for front ends and pipelines: read them, write drafts, look at them filled, publish."""

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.api.endpoint import Endpoint, answer_page, read_body
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from prompts.api.serializers import (
    DraftSerializer,
    LabelBodySerializer,
    PromptLabelSerializer,
    PromptPartSerializer,
    PromptSerializer,
    PromptVersionDetailSerializer,
    PromptVersionSerializer,
    RenderedSerializer,
    RenderSerializer,
    VersionOutcomesSerializer,
)
from prompts.composition import compose
from prompts.outcomes import outcomes_of
from prompts.previews import render_version
from prompts.selectors import get_labelled, get_prompt, get_version, list_prompts, list_versions
from prompts.services import publish_version, remove_label, save_draft, set_label
from tenants.idempotency import idempotent
from tenants.principals import Scope

_TAGS = ["prompts"]


class PromptListView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ}

    @extend_schema(
        operation_id="prompts_list",
        summary="List prompts, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(PromptSerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        return answer_page(list_prompts(), PromptSerializer, request)


class PromptView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ}

    @extend_schema(
        operation_id="prompts_get",
        summary="Get a prompt",
        tags=_TAGS,
        responses={200: PromptSerializer} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str) -> Response:
        return Response(PromptSerializer(get_prompt(prompt_slug)).data)


class PromptVersionListView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ, "POST": Scope.PROMPTS_WRITE}

    @extend_schema(
        operation_id="prompt_versions_list",
        summary="List the versions of a prompt, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(PromptVersionSerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, prompt_slug: str) -> Response:
        rows = list_versions(get_prompt(prompt_slug).pk)
        return answer_page(rows, PromptVersionSerializer, request)

    @idempotent
    @extend_schema(
        operation_id="prompt_versions_create",
        summary="Save a draft",
        description="A new draft with the prompt's next number. Nobody is told of it until it is "
        "published. A text that cannot run, or that uses an unknown variable, is refused with "
        "line and column.",
        tags=_TAGS,
        request=DraftSerializer,
        responses={201: PromptVersionDetailSerializer} | problems(404, has_body=True),
        examples=[
            OpenApiExample(
                "warmer",
                request_only=True,
                value={"source": "Eres {{ agent.name }}. Saluda con calidez.", "notes": "Warmer"},
            )
        ],
    )
    def post(self, request: Request, prompt_slug: str) -> Response:
        prompt = get_prompt(prompt_slug)
        given, _ = read_body(DraftSerializer, request)
        version = save_draft(prompt=prompt, source=given["source"], notes=given["notes"])
        place = reverse("prompt-version", args=[prompt_slug, version.number])
        shown = PromptVersionDetailSerializer(version).data
        return Response(shown, status=201, headers={"Location": place})


class PromptVersionView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ}

    @extend_schema(
        operation_id="prompt_versions_get",
        summary="Get a version with its text",
        tags=_TAGS,
        responses={200: PromptVersionDetailSerializer} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str, number: int) -> Response:
        return Response(PromptVersionDetailSerializer(get_version(prompt_slug, number)).data)


class PromptPartsView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ}

    @extend_schema(
        operation_id="prompt_versions_parts",
        summary="List what a version is composed of, and what each part costs",
        description="With the blocks as they are published now; for a published version see "
        "`template`, which is frozen.",
        tags=_TAGS,
        responses={200: PromptPartSerializer(many=True)} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str, number: int) -> Response:
        version = get_version(prompt_slug, number)
        parts = compose(version.source, prompt=version.prompt).parts
        return Response(PromptPartSerializer(parts, many=True).data)


class PromptOutcomesView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ}

    @extend_schema(
        operation_id="prompt_versions_outcomes",
        summary="Say how a version did in the last 30 days",
        tags=_TAGS,
        responses={200: VersionOutcomesSerializer} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str, number: int) -> Response:
        version = get_version(prompt_slug, number)
        found = outcomes_of([version.pk])[version.pk]
        return Response(VersionOutcomesSerializer(found).data)


class PromptRenderView(Endpoint):
    required_scopes = {"POST": Scope.PROMPTS_READ}

    @idempotent
    @extend_schema(
        operation_id="prompt_versions_render",
        summary="Fill a version, for a look",
        description="Nothing is stored and no LLM is asked. What `variables` does not give is "
        "filled with samples.",
        tags=_TAGS,
        request=RenderSerializer,
        responses={200: RenderedSerializer} | problems(404, has_body=True),
        examples=[
            OpenApiExample("a customer", request_only=True, value={"variables": {"user": {}}})
        ],
    )
    def post(self, request: Request, prompt_slug: str, number: int) -> Response:
        version = get_version(prompt_slug, number)
        given, _ = read_body(RenderSerializer, request)
        text, tokens = render_version(version=version, **given)
        shown = {"text": text, "num_tokens": tokens.count, "is_exact": tokens.is_exact}
        return Response(RenderedSerializer(shown).data)


class PromptPublishView(Endpoint):
    required_scopes = {"POST": Scope.PROMPTS_WRITE}

    @idempotent
    @extend_schema(
        operation_id="prompt_versions_publish",
        summary="Publish a version",
        description="Agents are told it from their next task on; running tasks keep the version "
        "they began with. Publishing an older version is rolling back.",
        tags=_TAGS,
        request=None,
        responses={200: PromptVersionSerializer} | problems(404, 422),
    )
    def post(self, request: Request, prompt_slug: str, number: int) -> Response:
        version = publish_version(version=get_version(prompt_slug, number))
        return Response(PromptVersionSerializer(version).data)


class PromptLabelListView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ}

    @extend_schema(
        operation_id="prompt_labels_list",
        summary="List the labels of a prompt",
        description="`production` is not among them: it always is the published version.",
        tags=_TAGS,
        responses={200: PromptLabelSerializer(many=True)} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str) -> Response:
        labels = get_prompt(prompt_slug).labels.select_related("version").order_by("name")
        return Response(PromptLabelSerializer(labels, many=True).data)


class PromptLabelView(Endpoint):
    required_scopes = {
        "GET": Scope.PROMPTS_READ,
        "PUT": Scope.PROMPTS_WRITE,
        "DELETE": Scope.PROMPTS_WRITE,
    }

    @extend_schema(
        operation_id="prompt_labels_get",
        summary="Get the version that a label points to",
        description="`production` is the published version.",
        tags=_TAGS,
        responses={200: PromptVersionDetailSerializer} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str, label: str) -> Response:
        version = get_labelled(get_prompt(prompt_slug), label)
        return Response(PromptVersionDetailSerializer(version).data)

    @extend_schema(
        operation_id="prompt_labels_set",
        summary="Let a label point to a version",
        tags=_TAGS,
        request=LabelBodySerializer,
        responses={200: PromptLabelSerializer} | problems(404, has_body=True),
    )
    def put(self, request: Request, prompt_slug: str, label: str) -> Response:
        prompt = get_prompt(prompt_slug)
        given, _ = read_body(LabelBodySerializer, request)
        version = get_version(prompt_slug, given["version"])
        found = set_label(prompt=prompt, name=label, version=version)
        return Response(PromptLabelSerializer(found).data)

    @extend_schema(
        operation_id="prompt_labels_remove",
        summary="Remove a label",
        tags=_TAGS,
        responses={204: None} | problems(404, 422),
    )
    def delete(self, request: Request, prompt_slug: str, label: str) -> Response:
        remove_label(prompt=get_prompt(prompt_slug), name=label)
        return Response(status=204)
