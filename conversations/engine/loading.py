"""What running a task starts from: its message, what was said before, and how far it has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import BigIntegerField, UUIDField

from conversations.engine.claims import Claim
from conversations.engine.state import StepRecord, TaskState, fold
from conversations.errors import TaskNotFound
from conversations.models import Message, Step, Task
from conversations.states import StepKind, StepStatus
from orkesta.statements import Param
from routing.snapshot import TenantSnapshot, get_snapshot
from tenants.statements import select

#: Turns of the conversation, each a question and its answer, that an agent is told of.
NUM_TURNS_REMEMBERED: Final = 10

_TASK: Final = select(
    lambda: Task.objects.filter(pk=Param("task_id", UUIDField())).values_list(
        "question__content",
        "agent_slug",
        "context",
        "num_steps",
        "session__active_agent__slug",
        "session__user_name",
        "session__context",
        "tenant__config_version",
    )
)
_SAID_BEFORE: Final = select(
    lambda: (
        Message.objects.filter(
            session_id=Param("session_id", UUIDField()), turn__lt=Param("turn", BigIntegerField())
        )
        .order_by("-turn", "-seq")
        .values_list("role", "content")[: 2 * NUM_TURNS_REMEMBERED]
    )
)


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
    rows = _TASK(task_id=claim.task_id)
    if not rows or rows[0][0] is None:
        raise TaskNotFound("The task, or its message, has been removed.")
    text, asked_for, context, num_steps, active, user_name, of_session, config_version = rows[0]
    said = _SAID_BEFORE(session_id=claim.session_id, turn=claim.turn)
    return TaskInput(
        text=text,
        history=[{"role": role, "content": content} for role, content in reversed(said)],
        asked_for=asked_for,
        active_agent=active or "",
        user_name=user_name,
        context={**of_session, **context},
        state=fold(_steps(claim)) if num_steps else TaskState(),
        snapshot=get_snapshot(claim.tenant_id, config_version),
    )


def _steps(claim: Claim) -> list[StepRecord]:
    return [
        StepRecord(
            number=row.number,
            kind=StepKind(row.kind),
            status=StepStatus(row.status),
            agent_slug=row.agent_slug,
            reason=row.reason,
            output=row.output,
        )
        for row in Step.objects.filter(task_id=claim.task_id)
        .exclude(status=StepStatus.STARTED)
        .order_by("number")
    ]
