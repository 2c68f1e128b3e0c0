"""What running a task starts from: its message, what was said before, and how far it has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conversations.engine.claims import Claim
from conversations.engine.state import StepRecord, TaskState, fold
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
    task = Task.objects.select_related("session__active_agent").get(pk=claim.task_id)
    session = task.session
    said = Message.objects.filter(session=session, turn__lte=task.seq).order_by("-turn", "-seq")
    messages = list(reversed(said[: 2 * NUM_TURNS_REMEMBERED + 1]))
    own = next(m for m in messages if m.turn == task.seq and m.role == Message.Role.USER)
    return TaskInput(
        text=own.content,
        history=[{"role": m.role, "content": m.content} for m in messages if m.turn < task.seq],
        asked_for=task.agent_slug,
        active_agent=session.active_agent.slug if session.active_agent else "",
        user_name=session.user_name,
        context={**session.context, **task.context},
        state=fold(_steps(task)) if claim.attempt > 1 else TaskState(),
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
