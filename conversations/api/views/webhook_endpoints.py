"""Outbound webhooks: endpoints, their deliveries, replay."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations.api.serializers.webhooks import (
    DeliveryDetailSerializer,
    DeliveryQuerySerializer,
    DeliverySerializer,
    NewWebhookEndpointSerializer,
    WebhookEndpointBodySerializer,
    WebhookEndpointSerializer,
)
from conversations.triggers import deliveries, endpoints, selectors
from orkesta.api.endpoint import Endpoint, answer_page, read_body, read_query, without_missing
from orkesta.api.openapi import PAGE_PARAMETERS, page_of, problems
from tenants.allowances import Feature
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.principals import Scope

_TAGS = ["webhooks"]
_EXAMPLE = OpenApiExample(
    "tell the shop",
    request_only=True,
    value={
        "name": "Shop",
        "url": "https://shop.example/orkesta",
        "event_types": ["task.completed", "task.failed"],
    },
)


class WebhookEndpointListView(Endpoint):
    feature = Feature.WEBHOOKS
    required_scopes = {"GET": Scope.WEBHOOKS_MANAGE, "POST": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="webhook_endpoints_list",
        summary="List webhook endpoints, newest first",
        tags=_TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(WebhookEndpointSerializer)} | problems(400, 422),
    )
    def get(self, request: Request) -> Response:
        return answer_page(selectors.list_endpoints(), WebhookEndpointSerializer, request)

    @idempotent
    @extend_schema(
        operation_id="webhook_endpoints_create",
        summary="Create a webhook endpoint",
        description="Answers with its signing secret, this once. Events are sent at least once, "
        "signed as Standard Webhooks says, and tried again for three days.",
        tags=_TAGS,
        request=WebhookEndpointBodySerializer,
        responses={201: NewWebhookEndpointSerializer} | problems(has_body=True),
        examples=[_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        given, _ = read_body(WebhookEndpointBodySerializer, request)
        endpoint, secret = endpoints.create_endpoint(
            tenant_id=principal_of(request).tenant_id, values=without_missing(given)
        )
        shown = dict(WebhookEndpointSerializer(endpoint).data) | {"signing_secret": secret}
        place = reverse("webhook-endpoint", args=[endpoint.pk])
        return Response(shown, status=201, headers={"Location": place})


class WebhookEndpointView(Endpoint):
    feature = Feature.WEBHOOKS
    required_scopes = dict.fromkeys(("GET", "PATCH", "DELETE"), Scope.WEBHOOKS_MANAGE)

    @extend_schema(
        operation_id="webhook_endpoints_get",
        summary="Get a webhook endpoint",
        tags=_TAGS,
        responses={200: WebhookEndpointSerializer} | problems(404),
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        return Response(WebhookEndpointSerializer(selectors.get_endpoint(endpoint_id)).data)

    @extend_schema(
        operation_id="webhook_endpoints_edit",
        summary="Change a webhook endpoint",
        description="Only what is given changes. Activating one that was disabled sends what has "
        "been waiting for it.",
        tags=_TAGS,
        request=WebhookEndpointBodySerializer,
        responses={200: WebhookEndpointSerializer} | problems(404, has_body=True),
    )
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        given, _ = read_body(WebhookEndpointBodySerializer, request, partial=True)
        endpoint = endpoints.edit_endpoint(endpoint_id=endpoint_id, changes=without_missing(given))
        return Response(WebhookEndpointSerializer(endpoint).data)

    @extend_schema(
        operation_id="webhook_endpoints_delete",
        summary="Delete a webhook endpoint and its deliveries",
        tags=_TAGS,
        responses={204: None} | problems(404),
    )
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        endpoints.delete_endpoint(endpoint_id=endpoint_id)
        return Response(status=204)


class WebhookSecretView(Endpoint):
    feature = Feature.WEBHOOKS
    required_scopes = {"POST": Scope.WEBHOOKS_MANAGE}

    @idempotent
    @extend_schema(
        operation_id="webhook_endpoints_rotate",
        summary="Rotate the signing secret",
        description="Answers with the new one, this once. For 24 hours both sign every request.",
        tags=_TAGS,
        request=None,
        responses={200: NewWebhookEndpointSerializer} | problems(404),
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        endpoint, secret = endpoints.rotate_secret(endpoint_id=endpoint_id)
        shown = dict(WebhookEndpointSerializer(endpoint).data)
        return Response(shown | {"signing_secret": secret})


class DeliveryListView(Endpoint):
    feature = Feature.WEBHOOKS
    required_scopes = {"GET": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="webhook_deliveries_list",
        summary="List the deliveries of an endpoint, newest first",
        tags=_TAGS,
        parameters=[DeliveryQuerySerializer, *PAGE_PARAMETERS],
        responses={200: page_of(DeliverySerializer)} | problems(400, 404, 422),
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        wanted = read_query(DeliveryQuerySerializer, request)
        rows = selectors.list_deliveries(endpoint_id).filter(**wanted)
        return answer_page(rows, DeliverySerializer, request)


class DeliveryView(Endpoint):
    feature = Feature.WEBHOOKS
    required_scopes = {"GET": Scope.WEBHOOKS_MANAGE}

    @extend_schema(
        operation_id="webhook_deliveries_get",
        summary="Get a delivery with its tries",
        tags=_TAGS,
        responses={200: DeliveryDetailSerializer} | problems(404),
    )
    def get(self, request: Request, delivery_id: UUID) -> Response:
        return Response(DeliveryDetailSerializer(selectors.get_delivery(delivery_id)).data)


class DeliveryReplayView(Endpoint):
    feature = Feature.WEBHOOKS
    required_scopes = {"POST": Scope.WEBHOOKS_MANAGE}

    @idempotent
    @extend_schema(
        operation_id="webhook_deliveries_replay",
        summary="Send a delivery again",
        description="Whatever became of it. It keeps its id, so a receiver that has it already "
        "can tell.",
        tags=_TAGS,
        request=None,
        responses={202: DeliverySerializer} | problems(404, 409),
    )
    def post(self, request: Request, delivery_id: UUID) -> Response:
        delivery = deliveries.replay_delivery(delivery_id=delivery_id)
        return Response(DeliverySerializer(delivery).data, status=202)
