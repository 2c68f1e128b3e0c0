"""What people think of answers."""

from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from conversations.api.serializers.feedback import FeedbackBodySerializer, FeedbackSerializer
from conversations.services.feedback import give_feedback
from orkesta.api.endpoint import Endpoint, read_body
from orkesta.api.openapi import problems
from tenants.idempotency import idempotent
from tenants.principals import Scope


class MessageFeedbackView(Endpoint):
    required_scopes = {"POST": Scope.CHAT_WRITE}

    @idempotent
    @extend_schema(
        operation_id="messages_feedback",
        summary="Say whether an answer was helpful",
        description="Each `user.id` has one opinion of an answer: another one takes its place. It "
        "counts for the version of the prompt that the agent was told.",
        tags=["chat"],
        request=FeedbackBodySerializer,
        responses={200: FeedbackSerializer} | problems(404, has_body=True),
        examples=[
            OpenApiExample(
                "not what was asked",
                request_only=True,
                value={"rating": "down", "comment": "I asked for 1/2 inch.", "user": {"id": "c1"}},
            )
        ],
    )
    def post(self, request: Request, message_id: UUID) -> Response:
        given, _ = read_body(FeedbackBodySerializer, request)
        user = given.get("user") or {}
        feedback = give_feedback(
            message_id=message_id,
            rating=given["rating"],
            comment=given["comment"],
            user_ref=user.get("id", ""),
        )
        return Response(FeedbackSerializer(feedback).data)
