"""What people may do to a task: cancel, pause, resume, retry, fork.

Each move is checked against the table of states under the lock of the task's row: of two people
who press the same button, one moves the task and the other gets `StateConflict` (409).
"""

from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, Subquery
from django.utils import timezone

from conversations.batch_count import note_end
from conversations.branches import note_branch_end, open_join
from conversations.engine.dispatch import at_once, dispatch_on_commit, signal_on_commit
from conversations.errors import StepNotFound, TaskNotFound
from conversations.event_log import Fact, Place, append, fact_of, take_numbers, write
from conversations.models import Step, Task
from conversations.services.sessions import check_is_open, lock_session
from conversations.states import (
    TERMINAL,
    UNFINISHED,
    StepKind,
    StepStatus,
    TaskStatus,
    Wanted,
    may_move,
)
from orkesta.errors import StateConflict
from tenants.audit import record
from tenants.audit_models import AuditAction


class Verb(StrEnum):
    """What a person may do to a task."""

    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    FORK = "fork"
    CANCEL = "cancel"


#: What has no good end, and so may be taken up again.
_RETRIED: Final = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED})
_TAKEN_FROM: Final = {
    Verb.PAUSE: frozenset(s for s in TaskStatus if may_move(frm=s, to=TaskStatus.PAUSED)),
    Verb.RESUME: frozenset({TaskStatus.PAUSED}),
    Verb.RETRY: _RETRIED,
    Verb.FORK: TERMINAL,
    Verb.CANCEL: frozenset(s for s in TaskStatus if may_move(frm=s, to=TaskStatus.CANCELLED)),
}
#: A branch that is done anew would have nobody to tell: its workflow is.
_OF_WHOLE_TASKS: Final = frozenset({Verb.RETRY, Verb.FORK})
#: What a wish to do this makes of a task that no worker holds.
_AT_REST: Final = {Wanted.CANCEL: TaskStatus.CANCELLED, Wanted.PAUSE: TaskStatus.PAUSED}
_WISHES: Final = {
    Wanted.CANCEL: AuditAction.TASK_CANCELLED,
    Wanted.PAUSE: AuditAction.TASK_PAUSED,
}


def statuses_for(verb: Verb) -> frozenset[TaskStatus]:
    """The statuses of tasks to which this may be done."""
    return _TAKEN_FROM[verb]


def verbs_for(task: Task) -> frozenset[Verb]:
    """What may be done to the task as it is here; a running one that is already asked for
    something has nothing but its cancellation to be asked for.
    """
    verbs = frozenset(verb for verb in Verb if task.status in _TAKEN_FROM[verb])
    if task.parent_id is not None:
        verbs -= _OF_WHOLE_TASKS
    return verbs - {Verb.PAUSE, Verb(task.wanted)} if task.wanted else verbs


def cancel_task(*, task_id: UUID) -> Task:
    """Stop the task for good. One that no worker holds is cancelled here and now; a running one is
    marked, and its worker closes the upstream call and settles it. Cancelling twice is no error.

    Raises TaskNotFound, and StateConflict when the task has completed or failed.
    """
    return _wish(task_id, Wanted.CANCEL)


def pause_task(*, task_id: UUID) -> Task:
    """Hold the task until it is resumed, with all recorded steps; pausing twice is no error.

    Raises TaskNotFound, and StateConflict when the task has ended or waits for a person.
    """
    return _wish(task_id, Wanted.PAUSE)


@transaction.atomic
def resume_task(*, task_id: UUID) -> Task:
    """Let a paused task go on after its last recorded step, and its branches after theirs.

    Raises TaskNotFound, and StateConflict when it is not paused, or is a branch of one that is.
    """
    task = lock_task(task_id)
    if task.status != TaskStatus.PAUSED:
        raise StateConflict(f"Only a paused task can be resumed; this one is {task.status}.")
    if is_held(task):
        raise StateConflict("The task is a branch of one that is paused: resume that one.")
    record(AuditAction.TASK_RESUMED, task)
    if open_join(task) is None:
        _requeue(task)
        return task
    move(task, TaskStatus.WAITING, reason="resumed")
    for branch in _lock_branches(task):
        if branch.status == TaskStatus.PAUSED:
            _requeue(branch)
        elif branch.wanted == Wanted.PAUSE:
            branch.wanted = Wanted.NOTHING
            branch.save(update_fields=["wanted"])
    return task


def _requeue(task: Task) -> None:
    move(task, TaskStatus.QUEUED, reason="resumed")
    dispatch_on_commit(task.id, priority=task.priority)


def retry_task(*, task_id: UUID) -> Task:
    """A new task that takes up a failed or cancelled one after its last good step.

    The old one stays what it was: terminal is final. Raises TaskNotFound, SessionNotOpen, and
    StateConflict when the task has not failed or been cancelled, or is taken up already.
    """
    return _fork(task_id, after_step=None, statuses=_RETRIED)


def fork_task(*, task_id: UUID, after_step: int) -> Task:
    """A new task with the first `after_step` steps of a finished one; the rest is done anew. 0
    begins from nothing.

    Raises TaskNotFound, StepNotFound, SessionNotOpen, and StateConflict while it is unfinished.
    """
    return _fork(task_id, after_step=after_step, statuses=TERMINAL)


@transaction.atomic
def _wish(task_id: UUID, wanted: Wanted) -> Task:
    task = lock_task(task_id)
    status = TaskStatus(task.status)
    if status is _AT_REST[wanted] or task.wanted == wanted:
        return task
    if task.wanted == Wanted.CANCEL:
        raise StateConflict("The task is being cancelled.")
    if not may_move(frm=status, to=_AT_REST[wanted]):
        raise StateConflict(f"The task is {status}: it cannot be {_AT_REST[wanted]}.")
    record(_WISHES[wanted], task, {"status": (status, _AT_REST[wanted])})
    _obey(task, wanted)
    return task


def _obey(task: Task, wanted: Wanted) -> None:
    """What is wanted of a locked task, here or, while a worker holds it, as soon as that one hears
    of it. Its branches are wanted the same; one that waits for a person goes on waiting.
    """
    if task.status == TaskStatus.PROCESSING:
        task.wanted = wanted
        task.save(update_fields=["wanted"])
        signal_on_commit(task.id)
        return
    has_branches = task.status in {TaskStatus.WAITING, TaskStatus.PAUSED}
    move(task, _AT_REST[wanted], reason=_AT_REST[wanted].value)
    for branch in _lock_branches(task) if has_branches else ():
        is_at_rest = may_move(frm=branch.status, to=_AT_REST[wanted])
        if is_at_rest and branch.wanted != Wanted.CANCEL:
            _obey(branch, wanted)


def _lock_branches(task: Task) -> list[Task]:
    """The branches for which the locked task waits, locked until the transaction ends."""
    rows = task.branches.filter(status__in=sorted(UNFINISHED))
    return list(rows.select_for_update().order_by("id"))


def is_held(task: Task) -> bool:
    """Whether the locked task is a branch of one that is paused."""
    return Task.objects.filter(branches=task.pk, status=TaskStatus.PAUSED).exists()


@transaction.atomic
def _fork(task_id: UUID, *, after_step: int | None, statuses: frozenset[TaskStatus]) -> Task:
    origin = lock_task(task_id)
    if origin.status not in statuses:
        raise StateConflict(f"The task is {origin.status}.")
    if origin.parent_id is not None:
        raise StateConflict("The task is a branch of another one: take up that one.")
    # Two people who press the same button want one answer.
    if after_step is None and origin.forks.filter(status__in=sorted(UNFINISHED)).exists():
        raise StateConflict("The task is being tried again already.")
    session = lock_session(origin.session_id)
    check_is_open(session)
    steps = _steps_to_keep(origin, after_step)
    place = Place.of(session)
    first = take_numbers(place, 1)
    task = Task(
        tenant_id=place.tenant_id,
        session=session,
        question_id=origin.question_id,
        forked_from=origin,
        seq=first,
        turn=origin.turn,
        agent_slug=origin.agent_slug,
        prompt_label=origin.prompt_label,
        task_type=origin.task_type,
        context=origin.context,
        plan=origin.plan,
        priority=origin.priority,
        num_steps=len(steps),
        available_at=at_once(),
    )
    Task.objects.bulk_create([task])
    Step.objects.bulk_create(_copy(step, task) for step in steps)
    data = {"task_id": str(task.id), "status": TaskStatus.QUEUED, "forked_from": str(origin.id)}
    write(place, [Fact("task.status_changed", data, task.id)], first=first)
    record(AuditAction.TASK_FORKED, task, {"forked_from": (None, origin.id)})
    dispatch_on_commit(task.id, priority=task.priority)
    return task


def _steps_to_keep(origin: Task, after_step: int | None) -> list[Step]:
    """The first `after_step` steps, or with None all but the failed ones at the end. A failure
    before that is a result that the task has gone on with.
    """
    if after_step is None:
        return _good_steps(list(origin.steps.order_by("number")))
    steps = list(origin.steps.exclude(status=StepStatus.STARTED).order_by("number"))
    if not 0 <= after_step <= len(steps):
        raise StepNotFound
    return steps[:after_step]


def _good_steps(steps: list[Step]) -> list[Step]:
    """Without the failures at the end. But a call that was cut off may have had its effect: it is
    not made again just because the task is.
    """
    steps = [step for step in map(_known, steps) if step.status != StepStatus.STARTED]
    while steps and steps[-1].status == StepStatus.FAILED and not _may_have_acted(steps[-1]):
        steps.pop()
    return steps


def _known(step: Step) -> Step:
    if step.kind == StepKind.TOOL and step.status == StepStatus.STARTED:
        step.status = StepStatus.FAILED
        detail = "It was cut off; it is not known whether it took effect. Do not repeat it."
        step.output = {"code": "outcome_unknown", "detail": detail, "is_outcome_unknown": True}
    return step


def _may_have_acted(step: Step) -> bool:
    return step.kind == StepKind.TOOL and bool(step.output.get("is_outcome_unknown"))


def _copy(step: Step, task: Task) -> Step:
    values = {
        field.attname: getattr(step, field.attname)
        for field in Step._meta.concrete_fields
        if field.name not in {"id", "task"}
    }
    return Step(task=task, **values)


def lock_task(task_id: UUID) -> Task:
    """The task, locked until the transaction ends; if it is a branch, the one that waits for it is
    locked, too, and first. Raises TaskNotFound.
    """
    parent = Task.objects.filter(pk=task_id).values("parent_id")
    # A branch has its place in the session behind its parent's.
    rows = Task.objects.filter(Q(pk=task_id) | Q(pk=Subquery(parent))).order_by("seq")
    locked = list(rows.select_for_update())
    if not locked:
        raise TaskNotFound
    return locked[-1]


def move(task: Task, to: TaskStatus, *, reason: str) -> None:
    """Change the status of a locked task that no worker holds, and write the event of it.

    Raises StateConflict when the table does not allow it.
    """
    if not may_move(frm=task.status, to=to):
        raise StateConflict(f"A task that is {task.status} cannot become {to}.")
    task.status, task.wanted, task.lease_until = to, Wanted.NOTHING, None
    task.finished_at = timezone.now() if to in TERMINAL else None
    task.available_at = at_once()
    task.save(update_fields=["status", "wanted", "lease_until", "finished_at", "available_at"])
    data = {"task_id": str(task.id), "status": to, "reason": reason}
    append(Place(task.tenant_id, task.session_id), [fact_of(task, "task.status_changed", data)])
    if to in TERMINAL:
        note_end(task.batch_id)
        note_branch_end(task.parent_id)
