"""Test cases over the API, and running them."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.api.endpoint import Endpoint, answer_page, read_body
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from prompts.api.trial_serializers import (
    CaseBodySerializer,
    CaseSerializer,
    TestRunSerializer,
    TestRunSummarySerializer,
)
from prompts.case_models import PromptTestCase
from prompts.case_runs import (
    add_case,
    edit_case,
    get_case,
    get_run_of,
    list_test_runs,
    remove_case,
    start_test_run,
)
from prompts.selectors import get_prompt, get_version
from tenants.idempotency import idempotent
from tenants.principals import Scope

_TAGS = ["prompts"]


class CaseListView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ, "POST": Scope.PROMPTS_WRITE}

    @extend_schema(
        operation_id="test_cases_list",
        summary="List the test cases of a prompt, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(CaseSerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, prompt_slug: str) -> Response:
        rows = PromptTestCase.objects.filter(prompt=get_prompt(prompt_slug))
        return answer_page(rows, CaseSerializer, request)

    @idempotent
    @extend_schema(
        operation_id="test_cases_create",
        summary="Add a test case",
        tags=_TAGS,
        request=CaseBodySerializer,
        responses={201: CaseSerializer} | problems(404, has_body=True),
        examples=[
            OpenApiExample(
                "a price",
                request_only=True,
                value={"message": "¿Cuánto cuesta el tubo?", "pattern": r"\d+ pesos"},
            )
        ],
    )
    def post(self, request: Request, prompt_slug: str) -> Response:
        prompt = get_prompt(prompt_slug)
        given, _ = read_body(CaseBodySerializer, request)
        case = add_case(prompt, **given)
        place = reverse("test-case", args=[prompt_slug, case.pk])
        return Response(CaseSerializer(case).data, status=201, headers={"Location": place})


class CaseView(Endpoint):
    required_scopes = {
        "GET": Scope.PROMPTS_READ,
        "PATCH": Scope.PROMPTS_WRITE,
        "DELETE": Scope.PROMPTS_WRITE,
    }

    @extend_schema(
        operation_id="test_cases_get",
        summary="Get a test case",
        tags=_TAGS,
        responses={200: CaseSerializer} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str, case_id: UUID) -> Response:
        return Response(CaseSerializer(get_case(get_prompt(prompt_slug), case_id)).data)

    @extend_schema(
        operation_id="test_cases_edit",
        summary="Change a test case",
        description="Only what is given changes.",
        tags=_TAGS,
        request=CaseBodySerializer,
        responses={200: CaseSerializer} | problems(404, has_body=True),
        examples=[OpenApiExample("shorter", request_only=True, value={"max_tokens": 60})],
    )
    def patch(self, request: Request, prompt_slug: str, case_id: UUID) -> Response:
        case = get_case(get_prompt(prompt_slug), case_id)
        given, _ = read_body(CaseBodySerializer, request, partial=True)
        edit_case(case, **given)
        return Response(CaseSerializer(case).data)

    @extend_schema(
        operation_id="test_cases_delete",
        summary="Delete a test case",
        tags=_TAGS,
        responses={204: None} | problems(404),
    )
    def delete(self, request: Request, prompt_slug: str, case_id: UUID) -> Response:
        remove_case(get_case(get_prompt(prompt_slug), case_id))
        return Response(status=204)


class CaseRunListView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ, "POST": Scope.PROMPTS_WRITE}

    @extend_schema(
        operation_id="test_runs_list",
        summary="List the test runs of a version, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(TestRunSummarySerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, prompt_slug: str, number: int) -> Response:
        rows = list_test_runs(get_version(prompt_slug, number)).select_related("version")
        return answer_page(rows, TestRunSummarySerializer, request)

    @idempotent
    @extend_schema(
        operation_id="test_runs_start",
        summary="Run the test cases under a version",
        description="Durably, one case after the other, beside live traffic; ask the run how far "
        "it is. Each case asks the agent's LLM once, without tools, and is charged.",
        tags=_TAGS,
        request=None,
        responses={202: TestRunSummarySerializer} | problems(404),
    )
    def post(self, request: Request, prompt_slug: str, number: int) -> Response:
        run = start_test_run(version=get_version(prompt_slug, number))
        place = reverse("test-run", args=[prompt_slug, run.pk])
        shown = TestRunSummarySerializer(run).data
        return Response(shown, status=202, headers={"Location": place})


class CaseRunView(Endpoint):
    required_scopes = {"GET": Scope.PROMPTS_READ}

    @extend_schema(
        operation_id="test_runs_get",
        summary="Get a test run with its results",
        tags=_TAGS,
        responses={200: TestRunSerializer} | problems(404),
    )
    def get(self, request: Request, prompt_slug: str, run_id: UUID) -> Response:
        return Response(TestRunSerializer(get_run_of(get_prompt(prompt_slug), run_id)).data)
