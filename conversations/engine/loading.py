"""What running a task starts from: its message, what was said before, and how far it has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conversations.engine.claims import Claim
from conversations.engine.state import StepRecord, TaskState, fold
from conversations.errors import TaskNotFound
from conversations.models import Message, Task
from conversations.states import StepKind, StepStatus
from routing.snapshot import TenantSnapshot, get_snapshot

#: Turns of the conversation, each a question and its answer, that an agent is told of.
NUM_TURNS_REMEMBERED: Final = 10


@dataclass(frozen=True, slots=True)
class TaskInput:
    """Everything that running a task starts from."""

    text: str
    history: Sequence[Mapping[str, str]]
    asked_for: str
    active_agent: str
    user_name: str
    context: Mapping[str, Any]
    state: TaskState
    snapshot: TenantSnapshot


def load(claim: Claim) -> TaskInput:
    """Read the claimed task. Needs the tenant's scope."""
    rows = Task.objects.select_related("session__active_agent", "question")
    task = rows.get(pk=claim.task_id)
    session, question = task.session, task.question
    if question is None:
        raise TaskNotFound("The message of the task has been removed.")
    said = Message.objects.filter(session=session, turn__lt=claim.turn)
    recent = said.order_by("-turn", "-seq")[: 2 * NUM_TURNS_REMEMBERED]
    return TaskInput(
        text=question.content,
        history=[{"role": m.role, "content": m.content} for m in reversed(recent)],
        asked_for=task.agent_slug,
        active_agent=session.active_agent.slug if session.active_agent else "",
        user_name=session.user_name,
        context={**session.context, **task.context},
        state=fold(_steps(task)) if task.num_steps else TaskState(),
        snapshot=get_snapshot(claim.tenant_id, claim.config_version),
    )


def _steps(task: Task) -> list[StepRecord]:
    return [
        StepRecord(
            number=row.number,
            kind=StepKind(row.kind),
            status=StepStatus(row.status),
            agent_slug=row.agent_slug,
            reason=row.reason,
            output=row.output,
        )
        for row in task.steps.exclude(status=StepStatus.STARTED).order_by("number")
    ]
