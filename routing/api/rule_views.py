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
        "decides, and what happens then. Nothing is stored and no LLM is asked.",
        tags=["routing"],
        request=RoutingTestBody,
        examples=[_PRICE],
        responses={200: RoutingTestSerializer} | problems(has_body=True),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        given, ignored = read_body(RoutingTestBody, request)
        found = rehearse(
            get_tenant(principal_of(request).tenant_id),
            given["message"],
            at=read_time(given.get("at")),
            context=given["context"],
            session=read_state(given.get("session")),
        )
        told = RoutingTestSerializer(found).data
        return Response({**told, "ignored": ignored} if ignored else told)
