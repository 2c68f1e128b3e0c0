"""What running a task starts from: its message, what was said before, and how far it has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import BigIntegerField, UUIDField

from conversations.engine.claims import Claim
from conversations.engine.folding import fold
from conversations.engine.state import NO_BACKLOG, Backlog, StepRecord, TaskState
from conversations.errors import TaskNotFound
from conversations.models import Message, Step, Task
from conversations.plan import read_plan
from conversations.states import StepKind, StepStatus
from orkesta.statements import Param
from routing.rules import SessionState
from routing.rules.conversation import MAX_TURNS
from routing.snapshot import TenantSnapshot, get_snapshot
from tenants.statements import select

#: Messages since the summary that are read: enough for twice the longest window of an agent.
NUM_MESSAGES_READ: Final = 80

_TASK: Final = select(
    lambda: Task.objects.filter(pk=Param("task_id", UUIDField())).values_list(
        "question__content",
        "question__created_at",
        "agent_slug",
        "context",
        "plan",
        "num_steps",
        "session__active_agent__slug",
        "session__last_intent",
        "session__user_ref",
        "session__user_name",
        "session__context",
        "session__summary",
        "session__summary_turn",
        "session__opened_by_id",
        "prompt_label",
        "task_type",
        "tenant__config_version",
    )
)
_SAID_BEFORE: Final = select(
    lambda: (
        Message.objects.filter(
            session_id=Param("session_id", UUIDField()),
            turn__lt=Param("turn", BigIntegerField()),
            turn__gt=Param("after_turn", BigIntegerField()),
        )
        .order_by("-turn", "-seq")
        .values_list("turn", "role", "content", "created_at")[:NUM_MESSAGES_READ]
    )
)


@dataclass(frozen=True, slots=True)
class Said:
    """A message of an earlier turn."""

    turn: int
    role: str
    content: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TaskInput:
    """Everything that running a task starts from. `summary` covers all turns before `history`."""

    session_id: UUID
    text: str
    asked_at: datetime
    history: Sequence[Said]
    summary: str
    asked_for: str
    active_agent: str
    last_intent: str
    user_ref: str
    user_name: str
    #: Of the key that opened the session: whose usage it is.
    key_id: UUID | None
    context: Mapping[str, Any]
    state: TaskState
    snapshot: TenantSnapshot
    prompt_label: str = ""
    task_type: str = ""

    def turns_before(self, count: int) -> int:
        """The earliest of the last `count` turns; of fewer, the first."""
        turns = sorted({said.turn for said in self.history})
        return turns[-count:][0] if turns else 0

    def session_state(self) -> SessionState:
        """How far the session had come when the message came in."""
        num_turns = len({said.turn for said in self.history})
        silence = (self.asked_at - self.history[-1].at).total_seconds() if self.history else None
        return SessionState(
            num_turns=num_turns + (MAX_TURNS if self.summary else 0),
            active_agent=self.active_agent,
            idle_seconds=None if silence is None else max(silence, 0.0),
            last_intent=self.last_intent,
        )


def load(claim: Claim) -> TaskInput:
    """Read the claimed task. Needs the tenant's scope."""
    rows = _TASK(task_id=claim.task_id)
    if not rows or rows[0][0] is None:
        raise TaskNotFound("The task, or its message, has been removed.")
    text, asked_at, asked_for, context, plan, num_steps, active, intent, *rest = rows[0]
    user_ref, user_name, of_session, summary, summary_turn, key_id, *told, config_version = rest
    if summary_turn >= claim.turn:  # a fork of long ago: the summary knows what came after
        summary, summary_turn = "", 0
    said = _SAID_BEFORE(session_id=claim.session_id, turn=claim.turn, after_turn=summary_turn)
    history = [Said(*row) for row in reversed(said)]
    return TaskInput(
        session_id=claim.session_id,
        text=text,
        asked_at=asked_at,
        history=history,
        summary=summary,
        asked_for=asked_for,
        active_agent=active or "",
        last_intent=intent,
        user_ref=user_ref,
        user_name=user_name,
        key_id=key_id,
        context={**of_session, **context},
        prompt_label=told[0],
        task_type=told[1],
        state=fold(
            recorded_steps(claim) if num_steps else (),
            # Whoever waits for a branch does not wait for a summary, too.
            backlog=NO_BACKLOG if claim.is_branch else _backlog(history),
            plan=read_plan(plan),
            is_branch=claim.is_branch,
        ),
        snapshot=get_snapshot(claim.tenant_id, config_version),
    )


def _backlog(history: Sequence[Said]) -> Backlog:
    """How much has been said since the summary."""
    num_turns = len({said.turn for said in history})
    return Backlog(num_turns, sum(len(said.content) for said in history))


def recorded_steps(claim: Claim) -> list[StepRecord]:
    """The task's steps, in order. Needs the tenant's scope."""
    return [
        StepRecord(
            number=row.number,
            kind=StepKind(row.kind),
            status=StepStatus(row.status),
            agent_slug=row.agent_slug,
            reason=row.reason,
            # What a model was told is long, and nobody goes by it.
            input={} if row.kind == StepKind.MODEL else row.input,
            output=row.output,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            duration_ms=row.duration_ms,
            attempt=row.attempt,
        )
        for row in Step.objects.filter(task_id=claim.task_id).order_by("number")
    ]
