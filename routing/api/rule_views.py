"""Trying routing rules out."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.api.endpoint import Endpoint, read_body
from orkesta.api.openapi import problems
from routing.api.rule_serializers import (
    RoutingTestBody,
    RoutingTestSerializer,
    read_state,
    read_time,
)
from routing.rehearsal import rehearse
from tenants.authentication import principal_of
from tenants.errors import ScopeMissing
from tenants.idempotency import idempotent
from tenants.principals import Scope
from tenants.selectors import get_tenant

_PRICE = OpenApiExample(
    "in the middle of a conversation",
    request_only=True,
    value={
        "message": "¿Y cuánto cuesta el de media pulgada?",
        "context": {"channel": "whatsapp"},
        "session": {"num_turns": 2, "active_agent": "catalogo", "idle_minutes": 3},
        "at": "2026-11-20T21:30:00-06:00",
    },
)


class RoutingTestView(Endpoint):
    required_scopes = {"POST": Scope.AGENTS_READ}

    @extend_schema(
        operation_id="routing_test",
        summary="Try a message on the routing rules",
        description="Every active rule in order, with whether and why it matches, the one that "
        "decides, and what happens then. Nothing is stored and no LLM is asked; an embedding model "
        "is where `embed` is true, or where it has been asked about the same text before.",
        tags=["routing"],
        request=RoutingTestBody,
        examples=[_PRICE],
        responses={200: RoutingTestSerializer} | problems(has_body=True),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        given, ignored = read_body(RoutingTestBody, request)
        principal, may_embed = principal_of(request), given["embed"] is True
        if may_embed and Scope.AGENTS_WRITE not in principal.scopes:
            raise ScopeMissing(f"To embed a message needs the scope {Scope.AGENTS_WRITE}.")
        found = rehearse(
            get_tenant(principal.tenant_id),
            given["message"],
            at=read_time(given.get("at")),
            context=given["context"],
            session=read_state(given.get("session")),
            may_embed=may_embed,
        )
        told = RoutingTestSerializer(found).data
        return Response({**told, "ignored": ignored} if ignored else told)
