"""API keys, managed with an API key that may do that."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orkesta.api.endpoint import AlwaysJson, Endpoint, answer_page, read_body
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from tenants.api.key_serializers import (
    ApiKeyBodySerializer,
    ApiKeySerializer,
    LeakedKeyBodySerializer,
    LeakReportSerializer,
    NewApiKeySerializer,
    RotationBodySerializer,
)
from tenants.authentication import principal_of
from tenants.errors import AgentNotAllowed, ScopeMissing
from tenants.idempotency import idempotent
from tenants.models import ApiKey
from tenants.principals import Principal, Scope
from tenants.selectors import get_api_key, get_tenant, list_api_keys
from tenants.services import (
    OVERLAP,
    issue_api_key,
    report_leaked_key,
    revoke_api_key,
    rotate_api_key,
)

_TAGS = ["keys"]
_EXAMPLE = OpenApiExample(
    "for a shop",
    request_only=True,
    value={"name": "Shop", "scopes": ["chat:write"], "addresses": ["203.0.113.0/24"]},
)


class ApiKeyListView(Endpoint):
    required_scopes = {"GET": Scope.KEYS_MANAGE, "POST": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="keys_list",
        summary="List API keys, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(ApiKeySerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        return answer_page(list_api_keys(), ApiKeySerializer, request)

    @idempotent
    @extend_schema(
        operation_id="keys_create",
        summary="Issue an API key",
        description="Answers with the key, this once. It gets no right that the key which asks "
        "does not have.",
        tags=_TAGS,
        request=ApiKeyBodySerializer,
        responses={201: NewApiKeySerializer} | problems(has_body=True),
        examples=[_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        given, _ = read_body(ApiKeyBodySerializer, request)
        caller = principal_of(request)
        agents = given.get("agents") or sorted(caller.agents)
        _require_rights(caller, scopes=given["scopes"], agents=agents)
        key, plain = issue_api_key(
            tenant=get_tenant(caller.tenant_id),
            name=given["name"],
            scopes=given["scopes"],
            expires_at=_expiry(given["expires_in_days"]),
            is_live=given["is_live"] is not False,
            agents=agents,
            addresses=given.get("addresses", ()),
        )
        return _shown_once(key, plain)


class ApiKeyView(Endpoint):
    required_scopes = {"GET": Scope.KEYS_MANAGE, "DELETE": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="keys_get",
        summary="Get an API key",
        tags=_TAGS,
        responses={200: ApiKeySerializer} | problems(404),
    )
    def get(self, request: Request, key_id: UUID) -> Response:
        return Response(ApiKeySerializer(get_api_key(key_id)).data)

    @extend_schema(
        operation_id="keys_revoke",
        summary="Revoke an API key",
        description="Within 5 seconds it is refused everywhere, and its open sockets and streams "
        "are closed. There is no way back; revoking twice is no error.",
        tags=_TAGS,
        responses={204: None} | problems(404),
    )
    def delete(self, request: Request, key_id: UUID) -> Response:
        revoke_api_key(key=get_api_key(key_id))
        return Response(status=204)


class ApiKeyRotationView(Endpoint):
    required_scopes = {"POST": Scope.KEYS_MANAGE}

    @idempotent
    @extend_schema(
        operation_id="keys_rotate",
        summary="Replace an API key",
        description="Answers with a new key of the same rights, this once. The old one works for "
        "`overlap_seconds` more; answers to it carry `Deprecation` (RFC 9745) and `Sunset` "
        "(RFC 8594).",
        tags=_TAGS,
        request=RotationBodySerializer,
        responses={201: NewApiKeySerializer} | problems(404, 409, has_body=True),
    )
    def post(self, request: Request, key_id: UUID) -> Response:
        given, _ = read_body(RotationBodySerializer, request)
        key, seconds = get_api_key(key_id), given["overlap_seconds"]
        _require_rights(principal_of(request), scopes=key.scopes, agents=key.agents)
        overlap = OVERLAP if seconds is None else timedelta(seconds=seconds)
        return _shown_once(*rotate_api_key(key=key, overlap=overlap))


class LeakedKeyView(APIView):
    """Open to everybody, and limited by address (`orkesta.anonymous_doors`)."""

    authentication_classes = ()
    permission_classes = ()
    content_negotiation_class = AlwaysJson
    http_method_names = ["post"]

    @extend_schema(
        operation_id="keys_report_leaked",
        summary="Report a key that was found in public",
        description="Needs no key. If it is one of ours it is revoked, and its owner sees why. The "
        "answer is the same for whatever is sent.",
        tags=_TAGS,
        auth=[],
        request=LeakedKeyBodySerializer,
        responses={202: LeakReportSerializer} | problems(has_body=True),
    )
    def post(self, request: Request) -> Response:
        given, _ = read_body(LeakedKeyBodySerializer, request)
        report_leaked_key(given["key"].strip())
        return Response({"received": True}, status=202)


def _require_rights(caller: Principal, *, scopes: list[str], agents: list[str]) -> None:
    """Nobody makes a key that may do more than they may."""
    lacking = sorted(set(scopes) - caller.scopes)
    if lacking:
        raise ScopeMissing(f"Your own key lacks {', '.join(lacking)}.")
    if caller.agents and not (agents and set(agents) <= caller.agents):
        raise AgentNotAllowed


def _expiry(days: int | None) -> datetime | None:
    wanted: int = settings.ORKESTA_KEY_LIFETIME_DAYS if days is None else days
    return timezone.now() + timedelta(days=wanted) if wanted else None


def _shown_once(key: ApiKey, plain: str) -> Response:
    shown: Mapping[str, Any] = ApiKeySerializer(key).data
    place = reverse("key", args=[key.pk])
    headers = {"Location": place, "Cache-Control": "no-store"}
    return Response({**shown, "key": plain}, status=201, headers=headers)
