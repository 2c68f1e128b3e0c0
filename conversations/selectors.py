"""Reads of conversations, under a tenant scope; absent and foreign rows look the same."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db.models import BigIntegerField, Count, Max, Min, Prefetch, QuerySet, Sum, UUIDField
from django.db.models.functions import Coalesce

from conversations.errors import BatchNotFound, SessionNotFound, TaskNotFound
from conversations.input_models import InputRequest
from conversations.models import Batch, Event, Message, Session, Step, Task
from conversations.plan import has_branches
from conversations.states import InputStatus, TaskStatus
from orkesta.statements import Param
from tenants.statements import TenantStatement, select

_EVENT_COLUMNS: Final = (
    "id",
    "tenant_id",
    "session_id",
    "task_id",
    "seq",
    "type",
    "data",
    "created_at",
)


def get_session(session_id: UUID) -> Session:
    """The session, with its active agent. Raises SessionNotFound."""
    session = Session.objects.select_related("active_agent").filter(pk=session_id).first()
    if session is None:
        raise SessionNotFound
    return session


def list_sessions() -> QuerySet[Session]:
    return Session.objects.select_related("active_agent").order_by("-id")


def get_task(task_id: UUID) -> Task:
    """The task, with its steps and its answer at hand. Raises TaskNotFound."""
    answers = Message.objects.filter(role=Message.Role.ASSISTANT)
    task = (
        Task.objects.prefetch_related("steps", Prefetch("messages", answers, to_attr="answers"))
        .filter(pk=task_id)
        .first()
    )
    if task is None:
        raise TaskNotFound
    return task


def list_tasks(*, parent_id: UUID | None = None) -> QuerySet[Task]:
    """What was asked for, newest first; with `parent_id` the branches of that task."""
    return Task.objects.filter(parent=parent_id).order_by("-id")


def list_branches(task: Task) -> list[Any]:
    """The branches of the task, in the order of its plan, each with its `input_tokens` and
    `output_tokens`. No query for a task without any.
    """
    if not has_branches(task.plan):
        return []
    spent = {name: Coalesce(Sum(f"steps__{name}"), 0) for name in ("input_tokens", "output_tokens")}
    return list(task.branches.annotate(**spent).order_by("seq"))


def find_answer(task: Task) -> Message | None:
    """What the task answered; None while it has not."""
    found: Sequence[Message] | None = getattr(task, "answers", None)
    if found is None:
        return task.messages.filter(role=Message.Role.ASSISTANT).first()
    return found[0] if found else None


def list_messages(session_id: UUID) -> QuerySet[Message]:
    """The session's messages in order. Raises SessionNotFound."""
    get_session(session_id)
    return Message.objects.filter(session_id=session_id).order_by("seq")


def list_steps(task_id: UUID) -> QuerySet[Step]:
    """The task's steps in order. Raises TaskNotFound."""
    if not Task.objects.filter(pk=task_id).exists():
        raise TaskNotFound
    return Step.objects.filter(task_id=task_id).order_by("number")


def list_events(session_id: UUID, *, after_seq: int = 0, limit: int = 500) -> list[Event]:
    """The session's events numbered above `after_seq`, oldest first, at most `limit`."""
    rows = _events_after(limit)(session_id=session_id, after_seq=after_seq)
    return [Event(**dict(zip(_EVENT_COLUMNS, row, strict=True))) for row in rows]


# Every watcher reads this at its start and at each gap, all of them at once after a restart.
@lru_cache(maxsize=64)
def _events_after(limit: int) -> TenantStatement:
    return select(
        lambda: (
            Event.objects.filter(
                session_id=Param("session_id", UUIDField()),
                seq__gt=Param("after_seq", BigIntegerField()),
            )
            .order_by("seq")
            .values_list(*_EVENT_COLUMNS)[:limit]
        )
    )


def list_inputs(*, status: str = InputStatus.PENDING, **wanted: Any) -> QuerySet[InputRequest]:
    """What tasks ask of people; of those that wait, only what a task still waits for."""
    rows = InputRequest.objects.filter(status=status, **wanted)
    if status == InputStatus.PENDING:
        rows = rows.filter(task__status=TaskStatus.INPUT_REQUIRED)
    return rows.select_related("task").order_by("-id")


def get_batch(batch_id: UUID) -> Batch:
    """The batch. Raises BatchNotFound."""
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise BatchNotFound
    return batch


def list_batches() -> QuerySet[Batch]:
    return Batch.objects.order_by("-id")


def count_by_status(batch: Batch) -> dict[str, int]:
    """How many tasks of the batch there are in each status."""
    counted = batch.tasks.order_by().values_list("status").annotate(Count("pk"))
    return dict(counted.values_list("status", "pk__count"))


def last_seq(session_id: UUID) -> int:
    """Number of the session's newest durable event; 0 when there is none, or no such session."""
    found = Session.objects.filter(pk=session_id).values_list("last_seq", flat=True).first()
    return found or 0


def task_seqs(task_id: UUID) -> tuple[int, int]:
    """Numbers of the task's first and newest event; (0, 0) when it has none."""
    found = Event.objects.filter(task_id=task_id).aggregate(first=Min("seq"), last=Max("seq"))
    return found["first"] or 0, found["last"] or 0
