"""What other routing rules would have done with the last messages."""

from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from conversations.routing_history import NUM_REPLAYED, list_past_messages
from orkesta.api.endpoint import Endpoint, read_body
from orkesta.api.fields import Body, OptionalNumber
from orkesta.api.openapi import problems
from orkesta.errors import Invalid
from routing.api.rule_serializers import DraftRuleSerializer
from routing.replay import Change, ChangeKind, Replay, replay
from routing.rules import Rule, compile_condition, know_each_other
from routing.selectors import has_embedding_model, list_agents
from routing.snapshot import read_rules
from tenants.authentication import principal_of
from tenants.idempotency import idempotent
from tenants.principals import Scope
from tenants.selectors import get_tenant

MAX_RULES = 500


class ReplayBody(Body):
    """All rules of the draft, in their order."""

    rules = serializers.ListField(child=DraftRuleSerializer(), max_length=MAX_RULES)
    limit = OptionalNumber(min_value=1, max_value=NUM_REPLAYED, help_text="How many messages.")


class VerdictSerializer(serializers.Serializer[Any]):
    """Who answers. `rule` is empty when the LLM is asked; `agent` when only it can say."""

    agent = serializers.CharField(source="agent_slug")
    rule = serializers.CharField()
    reason = serializers.CharField()


class ChangeSerializer(serializers.Serializer[Change]):
    kind = serializers.ChoiceField(list(ChangeKind))
    task_id = serializers.UUIDField(source="message.task_id")
    session_id = serializers.UUIDField(source="message.session_id")
    message = serializers.CharField(source="message.text")
    at = serializers.DateTimeField(source="message.at")
    before = VerdictSerializer()
    after = VerdictSerializer()


class ReplaySerializer(serializers.Serializer[Replay]):
    num_messages = serializers.IntegerField()
    num_unchanged = serializers.IntegerField()
    num_llm_before = serializers.IntegerField(help_text="Messages that no rule decides on now.")
    num_llm_after = serializers.IntegerField(help_text="Messages that no rule of the draft does.")
    num_embeddings = serializers.IntegerField(
        help_text="Messages that the draft would embed. None was for this replay: what was found "
        "when a message came in counts again."
    )
    hits = serializers.DictField(
        child=serializers.IntegerField(), help_text="Messages that each rule decides on, by name."
    )
    changes = ChangeSerializer(many=True)


_DRAFT = OpenApiExample(
    "one keyword rule",
    request_only=True,
    value={
        "rules": [
            {
                "name": "Factura",
                "kind": "keyword",
                "condition": {"any": ["factura", "CFDI"]},
                "agent": "pagos",
                "intent": "facturar",
            }
        ]
    },
)


class RoutingReplayView(Endpoint):
    required_scopes = {"POST": Scope.AGENTS_READ}

    @extend_schema(
        operation_id="routing_replay",
        summary="Replay the last messages on other rules",
        description="What would change if these were the rules: another agent answers (`agent`), a "
        "rule decides what the LLM was asked (`caught`), or the LLM is asked what a rule decided "
        "(`released`). Nothing is stored and no LLM is asked: a message that no rule decides on, "
        "before or after, is unchanged.",
        tags=["routing"],
        request=ReplayBody,
        examples=[_DRAFT],
        responses={200: ReplaySerializer} | problems(has_body=True),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        given, ignored = read_body(ReplayBody, request)
        tenant = get_tenant(principal_of(request).tenant_id)
        found = replay(
            list_past_messages(given["limit"] or NUM_REPLAYED),
            now=read_rules(),
            draft=_drafted(given["rules"]),
            zone=ZoneInfo(tenant.time_zone),
            can_embed=has_embedding_model(),
        )
        told = ReplaySerializer(found).data
        return Response({**told, "ignored": ignored} if ignored else told)


def _drafted(given: list[dict[str, Any]]) -> tuple[Rule, ...]:
    """The rules of the draft. Raises Invalid when one names an agent that cannot answer."""
    known = set(list_agents().values_list("slug", flat=True))
    faults = [
        {"pointer": f"/rules/{number}/agent", "code": "unknown_agent", "detail": rule["agent"]}
        for number, rule in enumerate(given)
        if rule["agent"] not in known
    ]
    if faults:
        raise Invalid(errors=faults)
    return know_each_other(
        [
            Rule(
                str(number),
                rule["name"],
                compile_condition(rule["kind"], rule["condition"]),
                rule["agent"],
                rule["intent"],
            )
            for number, rule in enumerate(given)
            if rule["is_active"] is not False
        ]
    )
