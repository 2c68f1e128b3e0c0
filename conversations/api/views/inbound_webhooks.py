"""Inbound webhooks, as their tenant sets them up, and the door at which others call them."""

from typing import Any, cast
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations.api.serializers.webhooks import (
    InboundWebhookBodySerializer,
    InboundWebhookSerializer,
    LaunchedSerializer,
    NewInboundWebhookSerializer,
)
from conversations.triggers import inbound, selectors
from orkesta.api.endpoint import Endpoint, answer_page, read_body, without_missing
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from tenants.allowances import Feature
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.principals import Scope

_TAGS = ["inbound webhooks"]
_EXAMPLE = OpenApiExample(
    "an order in the shop",
    request_only=True,
    value={
        "name": "Shop orders",
        "message_template": "New order {{ body.order.id }} of {{ body.order.total }}",
        "agent": "pedidos",
    },
)


class InboundWebhookListView(Endpoint):
    feature = Feature.INBOUND_WEBHOOKS
    required_scopes = {"GET": Scope.WEBHOOKS_MANAGE, "POST": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="inbound_webhooks_list",
        summary="List inbound webhooks, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(InboundWebhookSerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        return answer_page(selectors.list_inbound_webhooks(), InboundWebhookSerializer, request)

    @idempotent
    @extend_schema(
        operation_id="inbound_webhooks_create",
        summary="Create an inbound webhook",
        description="Answers with its address and its signing secret, this once. Calls are signed "
        "as Standard Webhooks says; each launches one task, and a repeated one none.",
        tags=_TAGS,
        request=InboundWebhookBodySerializer,
        responses={201: NewInboundWebhookSerializer} | problems(has_body=True),
        examples=[_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        given, _ = read_body(InboundWebhookBodySerializer, request)
        new = inbound.create_inbound_webhook(
            tenant_id=principal_of(request).tenant_id, values=without_missing(given)
        )
        shown = dict(InboundWebhookSerializer(new.webhook).data)
        secrets = {"path": reverse("hook", args=[new.token]), "signing_secret": new.secret}
        place = reverse("inbound-webhook", args=[new.webhook.pk])
        return Response(shown | secrets, status=201, headers={"Location": place})


class InboundWebhookView(Endpoint):
    feature = Feature.INBOUND_WEBHOOKS
    required_scopes = dict.fromkeys(("GET", "PATCH", "DELETE"), Scope.WEBHOOKS_MANAGE)

    @extend_schema(
        operation_id="inbound_webhooks_get",
        summary="Get an inbound webhook",
        tags=_TAGS,
        responses={200: InboundWebhookSerializer} | problems(404),
    )
    def get(self, request: Request, inbound_id: UUID) -> Response:
        return Response(InboundWebhookSerializer(selectors.get_inbound_webhook(inbound_id)).data)

    @extend_schema(
        operation_id="inbound_webhooks_edit",
        summary="Change an inbound webhook",
        description="Only what is given changes. A new signing secret replaces the old one at "
        "once; the address stays.",
        tags=_TAGS,
        request=InboundWebhookBodySerializer,
        responses={200: InboundWebhookSerializer} | problems(404, has_body=True),
    )
    def patch(self, request: Request, inbound_id: UUID) -> Response:
        given, _ = read_body(InboundWebhookBodySerializer, request, partial=True)
        webhook = inbound.edit_inbound_webhook(
            webhook_id=inbound_id, changes=without_missing(given)
        )
        return Response(InboundWebhookSerializer(webhook).data)

    @extend_schema(
        operation_id="inbound_webhooks_delete",
        summary="Delete an inbound webhook",
        description="Its address is gone at once and for good. What it has launched stays.",
        tags=_TAGS,
        responses={204: None} | problems(404),
    )
    def delete(self, request: Request, inbound_id: UUID) -> Response:
        inbound.delete_inbound_webhook(webhook_id=inbound_id)
        return Response(status=204)


class HookView(Endpoint):
    """Where others call. The middleware has found whose address it is; see docs/webhooks.md."""

    feature = Feature.INBOUND_WEBHOOKS
    required_scopes = {"POST": Scope.CHAT_WRITE}

    @extend_schema(exclude=True)
    def post(self, request: Request, token: str) -> Response:
        # The signature covers the bytes as they came, so it is checked before anything reads them.
        raw: bytes = request._request.body
        webhook_id, message_id = inbound.check_call(token=token, body=raw, headers=request.headers)
        body = cast("dict[str, Any]", request.data)  # the parser takes objects only
        task_id = inbound.obey_call(
            principal=principal_of(request),
            webhook_id=webhook_id,
            message_id=message_id,
            body=body,
        )
        return Response(LaunchedSerializer({"task_id": task_id}).data, status=202)
