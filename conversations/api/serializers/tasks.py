"""Tasks and their steps."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.api.serializers.chat import AnswerSerializer, FailureSerializer
from conversations.failures import failure
from conversations.models import Step, Task
from conversations.progress import progress_of
from conversations.selectors import find_answer
from conversations.states import StepKind, StepStatus, TaskStatus, Wanted
from orkesta.api.fields import Id


class TaskQuerySerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(TaskStatus.choices, required=False)
    session_id = Id(required=False, help_text="Tasks of this session only.")


class StepSerializer(serializers.Serializer[Any]):
    """One recorded fact of a task. What was sent to an LLM is for the admin only."""

    number = serializers.IntegerField()
    kind = serializers.ChoiceField(StepKind.choices)
    status = serializers.ChoiceField(StepStatus.choices)
    agent = serializers.CharField(source="agent_slug")
    reason = serializers.CharField()
    input = serializers.SerializerMethodField()
    output = serializers.DictField()
    llm = serializers.CharField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    first_token_ms = serializers.FloatField(allow_null=True)
    duration_ms = serializers.FloatField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_input(self, step: Step) -> dict[str, Any]:
        """What a tool was called with, or a person asked; empty for other steps."""
        is_told = step.kind in {StepKind.TOOL, StepKind.HUMAN, StepKind.HANDOFF}
        return dict(step.input) if is_told else {}


class TaskSummarySerializer(serializers.Serializer[Any]):
    """A task in a list."""

    task_id = serializers.UUIDField(source="id")
    session_id = serializers.UUIDField()
    status = serializers.ChoiceField(TaskStatus.choices)
    wanted = serializers.ChoiceField(Wanted.choices, allow_blank=True)
    current_step = serializers.SerializerMethodField()
    total_steps = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    degraded = serializers.BooleanField(
        source="is_degraded",
        help_text="Nobody could answer; the result is a polite text, and `error` says why.",
    )
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_current_step(self, task: Task) -> int:
        """Steps recorded so far."""
        return progress_of(task).current

    def get_total_steps(self, task: Task) -> int:
        """Steps it is expected to take: an estimate that may grow until the task ends."""
        return progress_of(task).total

    def get_progress(self, task: Task) -> float:
        """From 0 to 1."""
        return progress_of(task).fraction

    @extend_schema_field(FailureSerializer(allow_null=True))
    def get_error(self, task: Task) -> dict[str, Any] | None:
        return failure(task.error_code, task.error_detail)


class TaskSerializer(TaskSummarySerializer):
    """A task with all that is known of it."""

    plan = serializers.ListField(
        child=serializers.DictField(),
        help_text="Of a workflow: `[{agent, instruction}]`; each part's answer is a step.",
    )
    intermediate_results = StepSerializer(source="steps.all", many=True)
    result = serializers.SerializerMethodField()

    @extend_schema_field(AnswerSerializer(allow_null=True))
    def get_result(self, task: Task) -> dict[str, Any] | None:
        answer = find_answer(task)
        return None if answer is None else dict(AnswerSerializer(answer).data)
