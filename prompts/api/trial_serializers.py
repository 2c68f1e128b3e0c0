"""What the API of experiments, test cases, test runs and replays takes and gives."""

from typing import Any

from django.core.exceptions import ValidationError as ModelError
from rest_framework import serializers

from orkesta.api.fields import (
    Body,
    OptionalNumber,
    OptionalObject,
    OptionalText,
    Text,
)
from prompts.api.serializers import VersionOutcomesSerializer
from prompts.case_models import PromptTestCase, validate_pattern
from prompts.experiment_models import Experiment
from prompts.experiments import results_of
from prompts.replay_models import PromptReplayMessage, ReplayOutcome
from prompts.replays import MAX_MESSAGES
from prompts.run_models import RunStatus
from tenants.usage.money import to_dollars


class DollarsField(serializers.CharField):
    """Nano-dollars, told as US dollars with all their digits."""

    def to_representation(self, value: Any) -> str:
        return f"{to_dollars(int(value)):f}"


class StartExperimentSerializer(Body):
    version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, help_text="Number of the challenger."
    )
    share = serializers.ChoiceField(
        Experiment.Share.choices, help_text="How many in a hundred sessions are told it."
    )


class ShareSerializer(Body):
    share = serializers.ChoiceField(Experiment.Share.choices)


class ExperimentSerializer(serializers.Serializer[Experiment]):
    """A share of the sessions being told another version."""

    experiment_id = serializers.UUIDField(source="id")
    baseline = serializers.IntegerField(source="baseline.number")
    challenger = serializers.IntegerField(source="challenger.number")
    share = serializers.IntegerField()
    is_running = serializers.SerializerMethodField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    ending = serializers.ChoiceField(Experiment.Ending.choices, allow_blank=True)

    def get_is_running(self, experiment: Experiment) -> bool:
        return experiment.ended_at is None


class ResultsSerializer(serializers.Serializer[Any]):
    """How both versions did since the experiment began."""

    baseline = VersionOutcomesSerializer()
    challenger = VersionOutcomesSerializer()
    is_worse = serializers.BooleanField(
        help_text="The challenger fails more often, with less than one chance in a thousand of "
        "that being luck; it is then taken back within a minute."
    )


class ExperimentDetailSerializer(ExperimentSerializer):
    results = serializers.SerializerMethodField()

    def get_results(self, experiment: Experiment) -> ResultsSerializer:
        return ResultsSerializer(results_of(experiment)).data  # type: ignore[return-value]


class CaseBodySerializer(Body):
    """A message and what is expected of its answer."""

    default_error_messages = {"pattern": "This is not a regular expression of RE2."}

    message = Text(max_length=4000, help_text="What the customer says.")
    context = OptionalObject(help_text="What the page or app sends along.")  # type: ignore[assignment]
    must_contain = OptionalText(max_length=2000, help_text="One phrase per line.")
    must_not_contain = OptionalText(max_length=2000, help_text="One phrase per line.")
    pattern = OptionalText(max_length=500, help_text="RE2, found anywhere in the answer.")
    max_tokens = OptionalNumber(min_value=1, max_value=2**31 - 1)

    def validate_pattern(self, value: str) -> str:
        try:
            validate_pattern(value)
        except ModelError as exc:
            raise serializers.ValidationError(self.error_messages["pattern"], code="re2") from exc
        return value


class CaseSerializer(serializers.Serializer[PromptTestCase]):
    case_id = serializers.UUIDField(source="id")
    message = serializers.CharField()
    context = serializers.DictField()  # type: ignore[assignment]
    must_contain = serializers.CharField()
    must_not_contain = serializers.CharField()
    pattern = serializers.CharField()
    max_tokens = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()


class RunSerializer(serializers.Serializer[Any]):
    """How far a durable run is."""

    status = serializers.ChoiceField(RunStatus.choices)
    reason = serializers.CharField(
        help_text="`budget`: it waits until the budget is raised. `edited`: the text was changed."
    )
    num_done = serializers.IntegerField()
    num_parts = serializers.IntegerField()
    version = serializers.IntegerField(source="version.number")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class TestRunSummarySerializer(RunSerializer):
    __test__ = False

    run_id = serializers.UUIDField(source="id")
    num_passed = serializers.IntegerField()
    num_failed = serializers.IntegerField()


class CaseFaultSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="failed, lacks, contains, unlike or longer.")
    wanted = serializers.CharField()


class CaseResultSerializer(serializers.Serializer[Any]):
    case_id = serializers.CharField(source="case")
    message = serializers.CharField()
    answer = serializers.CharField()
    tokens = serializers.IntegerField()
    faults = CaseFaultSerializer(many=True)


class TestRunSerializer(TestRunSummarySerializer):
    results = CaseResultSerializer(many=True)


class StartReplaySerializer(Body):
    limit = OptionalNumber(
        min_value=1, max_value=MAX_MESSAGES, help_text="How many messages; 200 by default."
    )


class EstimateQuerySerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_MESSAGES, default=MAX_MESSAGES)


class EstimateSerializer(serializers.Serializer[Any]):
    """What a replay would cost."""

    num_messages = serializers.IntegerField(help_text="As many as there are, up to the limit.")
    cost = DollarsField(source="cost_nano", help_text="US dollars.")


class PromptReplaySerializer(RunSerializer):
    """Real messages under a version. Tokens and costs are of the messages that are done."""

    replay_id = serializers.UUIDField(source="id")
    estimated_cost = DollarsField(source="estimated_nano", help_text="US dollars, of all of it.")
    num_same = serializers.IntegerField(help_text="The same agent would answer.")
    num_changed = serializers.IntegerField(help_text="Another agent would.")
    num_fell_back = serializers.IntegerField()
    num_failed = serializers.IntegerField(help_text="Nobody could answer.")
    num_equal = serializers.IntegerField(help_text="Answers that are the same word for word.")
    old_tokens = serializers.IntegerField()
    new_tokens = serializers.IntegerField()
    old_cost = DollarsField(source="old_cost_nano")
    new_cost = DollarsField(source="new_cost_nano")


class ReplayedCallSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    arguments = serializers.DictField()
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="`recorded`: with its result of then. `not_made`: noted. `refused`: not valid."
    )


class PromptReplayedSerializer(serializers.Serializer[PromptReplayMessage]):
    """One message, as it was answered and as it would be."""

    task_id = serializers.UUIDField()
    session_id = serializers.UUIDField()
    outcome = serializers.ChoiceField(ReplayOutcome.choices)
    message = serializers.CharField()
    asked_at = serializers.DateTimeField()
    old_agent = serializers.CharField()
    old_answer = serializers.CharField()
    old_tokens = serializers.IntegerField()
    old_cost = DollarsField(source="old_cost_nano")
    new_agent = serializers.CharField()
    new_answer = serializers.CharField()
    new_tokens = serializers.IntegerField()
    new_cost = DollarsField(source="new_cost_nano")
    calls = ReplayedCallSerializer(many=True)
    problem = serializers.CharField()
