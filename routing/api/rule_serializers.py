"""Bodies and answers of trying rules out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from orkesta.api.fields import (
    Body,
    Flag,
    OptionalNumber,
    OptionalObject,
    OptionalText,
    Text,
)
from routing.meaning import Meant
from routing.rehearsal import Rehearsal
from routing.rules import KINDS, RuleInvalid, SessionState, Trial, compile_condition
from routing.rules.conversation import MAX_IDLE_MINUTES

MAX_TRIED_CHARS = 8000


class SessionStateSerializer(serializers.Serializer[Any]):
    """How far the session has come before the message; nothing given is its first message."""

    num_turns = OptionalNumber(min_value=0, max_value=10_000)
    active_agent = OptionalText(max_length=63, help_text="Slug of the agent that has it.")
    idle_minutes = OptionalNumber(min_value=0, max_value=MAX_IDLE_MINUTES)
    last_intent = OptionalText(max_length=63, help_text="Intent of the turn before.")


class RoutingTestBody(Body):
    """A message to try, and what rules may look at besides."""

    message = Text(max_length=MAX_TRIED_CHARS)
    context = OptionalObject()  # type: ignore[assignment]
    session = SessionStateSerializer(required=False, allow_null=True)
    at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When it comes in; now, when it is not given."
    )
    embed = Flag(
        help_text="Ask the embedding model, too, for one call; needs the scope agents:write."
    )


def read_state(given: Mapping[str, Any] | None) -> SessionState:
    """The state of the session, as `RoutingTestBody` read it."""
    asked = given or {}
    idle = asked.get("idle_minutes")
    return SessionState(
        num_turns=asked.get("num_turns") or 0,
        active_agent=asked.get("active_agent", ""),
        idle_seconds=None if idle is None else idle * 60.0,
        last_intent=asked.get("last_intent", ""),
    )


def read_time(given: datetime | None) -> datetime:
    return given or timezone.now()


class TrialSerializer(serializers.Serializer[Trial]):
    """What one rule says of the message."""

    position = serializers.IntegerField()
    rule_id = serializers.CharField(source="rule.id")
    rule = serializers.CharField(source="rule.name")
    agent = serializers.CharField(source="rule.agent_slug")
    is_match = serializers.SerializerMethodField()
    reason = serializers.CharField(allow_null=True, help_text="Why it matches; null: it does not.")
    score = serializers.SerializerMethodField(
        help_text="For examples: how near the nearest one comes, 0 to 1."
    )
    nearest = serializers.SerializerMethodField()

    def get_is_match(self, trial: Trial) -> bool:
        return trial.reason is not None

    def get_score(self, trial: Trial) -> float | None:
        return round(trial.near.score, 4) if trial.near else None

    def get_nearest(self, trial: Trial) -> str | None:
        return trial.near.example if trial.near else None


class NextMoveSerializer(serializers.Serializer[Any]):
    """What happens then: `source` is rule, llm, sticky, fallback or nobody. With llm, `agent` is
    who answers should the LLM not know.
    """

    source = serializers.CharField()  # type: ignore[assignment]
    agent = serializers.CharField(source="agent_slug")


class NearInMeaningSerializer(serializers.Serializer[Any]):
    rule_id = serializers.CharField()
    rule = serializers.CharField()
    score = serializers.FloatField()
    threshold = serializers.FloatField()
    example = serializers.CharField()


class MeaningSerializer(serializers.Serializer[Meant]):
    """What the embedding model says, which is asked when no rule has decided. `is_asked` is false
    when nobody was, because nobody said that it may cost something.
    """

    endpoint = serializers.CharField()
    llm = serializers.CharField()
    is_asked = serializers.BooleanField()
    near = NearInMeaningSerializer(many=True)
    problem = serializers.CharField()


class RoutingTestSerializer(serializers.Serializer[Rehearsal]):
    rules = TrialSerializer(source="trials", many=True)
    winner = TrialSerializer(allow_null=True)
    next = NextMoveSerializer()
    meaning = MeaningSerializer(allow_null=True)
    duration_ms = serializers.FloatField()


class DraftRuleSerializer(serializers.Serializer[Any]):
    """A rule as it might be saved. `condition` is what docs/routing.md says of its kind."""

    name = Text(max_length=100)
    kind = serializers.ChoiceField(sorted(KINDS))
    condition = OptionalObject()
    agent = Text(max_length=63, help_text="Slug of the agent that answers.")
    intent = OptionalText(max_length=63)
    is_active = Flag()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            compile_condition(attrs["kind"], attrs["condition"])
        except RuleInvalid as exc:
            raise serializers.ValidationError({"condition": exc.message}, code=exc.code) from exc
        return attrs
