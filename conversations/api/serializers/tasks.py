"""Tasks and their steps."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from conversations.api.serializers.chat import AnswerSerializer, FailureSerializer
from conversations.failures import failure
from conversations.models import Step, Task
from conversations.progress import progress_of
from conversations.selectors import find_answer, list_branches
from conversations.states import StepKind, StepStatus, TaskStatus, Wanted
from orkesta.api.fields import Id


class TaskQuerySerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(TaskStatus.choices, required=False)
    session_id = Id(required=False, help_text="Tasks of this session only.")
    parent_task_id = Id(required=False, help_text="The branches of this task.")


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
        """What a tool was called with, a person asked, or branches are to do; else empty."""
        if step.kind == StepKind.JOIN:
            return {"branches": step.input["branches"]}
        is_told = step.kind in {StepKind.TOOL, StepKind.HUMAN, StepKind.HANDOFF}
        return dict(step.input) if is_told else {}


class TaskSummarySerializer(serializers.Serializer[Any]):
    """A task in a list."""

    task_id = serializers.UUIDField(source="id")
    session_id = serializers.UUIDField()
    parent_task_id = serializers.UUIDField(
        source="parent_id", allow_null=True, help_text="Of a branch: the task that waits for it."
    )
    status = serializers.ChoiceField(TaskStatus.choices)
    wanted = serializers.ChoiceField(Wanted.choices, allow_blank=True)
    prompt_label = serializers.CharField(help_text="Empty: the published versions.")
    task_type = serializers.CharField(help_text="Empty: that of each agent's prompt.")
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


class TokensSerializer(serializers.Serializer[Any]):
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()


class BranchSerializer(TaskSummarySerializer):
    """A task that does one branch of a workflow; ask for it to get its steps."""

    agent = serializers.CharField(source="agent_slug")
    instruction = serializers.SerializerMethodField()
    finding = serializers.CharField(help_text="What it found; empty until it has completed.")
    usage = TokensSerializer(source="*")

    def get_instruction(self, task: Task) -> str:
        return str(task.plan[0]["instruction"])


class TaskSerializer(TaskSummarySerializer):
    """A task with all that is known of it."""

    plan = serializers.ListField(
        child=serializers.DictField(),
        help_text="Of a workflow: `[{agent, instruction}]`, and `{parallel: [...]}` where agents "
        "work at the same time; each part's answer is a step.",
    )
    branches = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    intermediate_results = StepSerializer(source="steps.all", many=True)
    result = serializers.SerializerMethodField()

    @extend_schema_field(BranchSerializer(many=True))
    def get_branches(self, task: Task) -> list[Any]:
        """In the order of the plan."""
        return list(BranchSerializer(_branches(task), many=True).data)

    @extend_schema_field(TokensSerializer)
    def get_usage(self, task: Task) -> dict[str, int]:
        """Of all its steps, and of those of its branches."""
        counted = [*task.steps.all(), *_branches(task)]
        return {
            name: sum(getattr(one, name) for one in counted)
            for name in ("input_tokens", "output_tokens")
        }

    @extend_schema_field(AnswerSerializer(allow_null=True))
    def get_result(self, task: Task) -> dict[str, Any] | None:
        """What it answered; of a branch, what it found, which no customer is told."""
        if task.finding:
            return {"content": task.finding, "role": "assistant", "agent": task.agent_slug}
        answer = find_answer(task)
        return None if answer is None else dict(AnswerSerializer(answer).data)


def _branches(task: Any) -> list[Any]:
    """Read once for both fields that tell of them."""
    if not hasattr(task, "read_branches"):
        task.read_branches = list_branches(task)
    return list(task.read_branches)
