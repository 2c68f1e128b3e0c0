"""The engine's door to the database: record a step, settle a task.

Every function is one short transaction under the tenant's scope, fenced by the claim's attempt:
when the row says that somebody else owns the task, or that it is terminal, nothing is written and
`LeaseLost` is raised.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import (
    BigIntegerField,
    CharField,
    IntegerField,
    QuerySet,
    TextField,
    UUIDField,
)
from django.db.models.functions import Now
from django.utils import timezone

from conversations.batch_count import note_end
from conversations.branches import hold_parent, note_branch_end
from conversations.engine import branching, facts
from conversations.engine.actions import Finish, GiveUp
from conversations.engine.charging import write_usage
from conversations.engine.claims import Claim
from conversations.engine.dispatch import dispatch_on_commit
from conversations.engine.facts import Outcome, answer_id
from conversations.engine.state import StepRecord
from conversations.engine.step_rows import write_steps
from conversations.errors import LeaseLost
from conversations.event_log import (
    PLAIN,
    Fact,
    Place,
    append,
    find_numbers,
    number_and_write,
    numbering,
    take_numbers,
    write,
)
from conversations.input_models import InputRequest
from conversations.models import Message, Task
from conversations.states import TERMINAL, StepKind, StepStatus, TaskStatus, Wanted, may_move
from orkesta.database import update_returning
from orkesta.errors import StateConflict
from orkesta.failpoints import Failpoint, failpoint
from orkesta.statements import Nth, Param, collecting, inserting_together
from routing.hits import note_hit
from routing.models import Agent
from routing.snapshot import known_version
from tenants.statements import TenantStatement, insert, provided, update

logger = logging.getLogger(__name__)

Ending = Finish | GiveUp


def _undisturbed() -> QuerySet[Task]:
    """The task of a claim, as long as the claim holds and nobody wants anything of it."""
    return Task.objects.filter(
        pk=Param("task_id", UUIDField()),
        attempt=Param("attempt", IntegerField()),
        status=TaskStatus.PROCESSING,
        wanted=Wanted.NOTHING,
    )


_NUM_STEPS: Final = Param("num_steps", IntegerField())
_GOES_ON: Final = update(
    _undisturbed, lambda: {"num_steps": _NUM_STEPS, "num_crashes": 0}, returning=["id"]
)
#: A call that is begun is no progress yet: one that kills its process has to be found out.
_BEGINS: Final = update(_undisturbed, lambda: {"num_steps": _NUM_STEPS}, returning=["id"])
_COMPLETES: Final = update(
    _undisturbed,
    lambda: _changes(Outcome(TaskStatus.COMPLETED), 0) | {"num_steps": _NUM_STEPS},
    returning=["id"],
)
#: The agent that was routed to has the conversation from now on.
_HANDING_OVER: Final = numbering(
    lambda: {
        "active_agent": Agent.objects.filter(slug=Param("slug", CharField())).values("pk")[:1],
        "last_intent": Param("intent", CharField()),
    }
)
_HANDED_OFF: Final = numbering(
    lambda: {"active_agent": Agent.objects.filter(slug=Param("slug", CharField())).values("pk")[:1]}
)
_SUMMARISING: Final = numbering(
    lambda: {
        "summary": Param("text", TextField()),
        "summary_turn": Param("turn", BigIntegerField()),
    }
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """How the task ended, or None when it goes on, and the number of the newest event."""

    outcome: Outcome | None
    last_seq: int


@transaction.atomic
@inserting_together()
def record(
    claim: Claim,
    *steps: StepRecord,
    then: Ending | None,
    is_first: bool = False,
    num_steps: int | None = None,
) -> Recorded:
    """Write finished steps and, with `then`, what they end the task with, in one transaction.
    `num_steps` is how many the task has now, when that is not the number of the last one.

    Somebody who wanted the task cancelled or paused before this commit gets that instead.
    """
    hold_parent(claim.parent_id)
    outcome = None if then is None else _ended(then)
    count = num_steps or steps[-1].number
    place, last = _place(claim), steps[-1]
    told, answer = _tell(claim, steps, then, outcome, is_first=is_first)
    first = _record_at_once(claim, steps, told, answer, outcome=outcome, num_steps=count)
    if first is not None:
        return _recorded(claim, last, outcome, last_seq=first + len(told) - 1)
    first = _hold_and_take_numbers(claim, outcome, count, len(told), last)
    if first is None:
        obeyed = _obey_wish(claim, outcome, count)
        if obeyed != outcome:
            outcome = obeyed
            told, answer = _tell(claim, steps, then, outcome, is_first=is_first)
        first = _take_numbers(claim, len(told), last)
    write_steps(claim, steps)
    if answer is not None:
        _keep_answer(claim, answer[0], seq=first + answer[1])
    write(place, told, first=first)
    return _recorded(claim, last, outcome, last_seq=first + len(told) - 1)


def _record_at_once(
    claim: Claim,
    steps: Sequence[StepRecord],
    told: Sequence[Fact],
    answer: tuple[Finish, int] | None,
    *,
    outcome: Outcome | None,
    num_steps: int,
) -> int | None:
    """The usual: the claim holds, nobody wants anything, and there are new rows only. On PostgreSQL
    that is one statement. None, and nothing is written, when it is not so.
    """
    is_usual = outcome is None or outcome == Outcome(TaskStatus.COMPLETED)
    if not is_usual or claim.is_branch or any(step.is_begun for step in steps):
        return None
    with collecting() as rows:
        write_steps(claim, steps)
        if answer is not None:
            _keep_answer(claim, answer[0], seq=Nth(answer[1]))
    by, more = _numbering(claim, steps[-1])
    return number_and_write(
        _place(claim),
        told,
        rows,
        by=by,
        fence=_GOES_ON if outcome is None else _COMPLETES,
        task_id=claim.task_id,
        attempt=claim.attempt,
        num_steps=num_steps,
        **more,
    )


def _recorded(
    claim: Claim, step: StepRecord, outcome: Outcome | None, *, last_seq: int
) -> Recorded:
    """What else goes with steps that are written."""
    _count_hit(claim, step)
    _note_end(claim, outcome)
    failpoint(Failpoint.STEP_WRITTEN)
    return Recorded(outcome, last_seq)


def _tell(
    claim: Claim,
    steps: Sequence[StepRecord],
    then: Ending | None,
    outcome: Outcome | None,
    *,
    is_first: bool,
) -> tuple[list[Fact], tuple[Finish, int] | None]:
    """What is told of the steps and of the outcome, and the answer with its place in it."""
    told = [fact for step in steps for fact in facts.of_step(claim, step)]
    if is_first:
        told.insert(0, facts.status_changed(claim, Outcome(TaskStatus.PROCESSING)))
    answer = None
    if isinstance(then, Finish) and outcome == _ended(then):
        answer = (then, len(told))
        told.extend(facts.said(claim, then))
    if outcome is not None:
        told.extend(facts.ending(claim, outcome))
    return told, answer


@transaction.atomic
@inserting_together()
def begin(claim: Claim, step: StepRecord, *, is_first: bool, num_steps: int) -> Recorded:
    """Write that a call is about to be made, with its key, before it is. With an outcome it must
    not be made: somebody wanted the task cancelled or paused.
    """
    hold_parent(claim.parent_id)
    outcome = None
    if not _BEGINS(task_id=claim.task_id, attempt=claim.attempt, num_steps=num_steps):
        outcome = _obey_wish(claim, None, num_steps)
    told = [] if outcome else [facts.tool_called(claim, step)]
    if is_first:
        told.insert(0, facts.status_changed(claim, Outcome(TaskStatus.PROCESSING)))
    if outcome is None:
        write_steps(claim, [step])
    else:
        told.extend(facts.ending(claim, outcome))
        _note_end(claim, outcome)
    events = append(_place(claim), told)
    return Recorded(outcome, last_seq=events[-1].seq)


@transaction.atomic
@inserting_together()
def ask(claim: Claim, step: StepRecord, request: InputRequest, *, is_first: bool) -> Outcome:
    """Let the task wait for a person: the step that begins with the request, the request itself,
    and the status, together. Somebody who wanted the task cancelled gets that instead.
    """
    hold_parent(claim.parent_id)
    waiting = Outcome(TaskStatus.INPUT_REQUIRED, request.kind)
    outcome: Outcome | None = waiting
    if not _holds(claim, waiting, step.number):
        outcome = _obey_wish(claim, waiting, step.number)
    told = []
    if is_first:
        told.append(facts.status_changed(claim, Outcome(TaskStatus.PROCESSING)))
    if outcome == waiting:
        write_steps(claim, [step])
        insert([request])
        told.append(facts.input_required(claim, request))
    told.extend(facts.ending(claim, outcome or waiting))
    append(_place(claim), told)
    _note_end(claim, outcome)
    return outcome or waiting


@transaction.atomic
@inserting_together()
def fork(claim: Claim, step: StepRecord, *, is_first: bool) -> Outcome:
    """Let the task wait for branches: the step that begins with them, a task for each, and the
    status, together. Somebody who wanted the task cancelled or paused gets that instead.
    """
    waiting = Outcome(TaskStatus.WAITING)
    outcome: Outcome | None = waiting
    if not _holds(claim, waiting, step.number):
        outcome = _obey_wish(claim, waiting, None)
    told = []
    if is_first:
        told.append(facts.status_changed(claim, Outcome(TaskStatus.PROCESSING)))
    if outcome != waiting:
        told.extend(facts.ending(claim, outcome or waiting))
        append(_place(claim), told)
        _note_end(claim, outcome)
        return outcome or waiting
    place, parent = len(told), Task.objects.get(pk=claim.task_id)
    told += [*branching.begun(claim, step), branching.waiting(claim, step)]
    first = take_numbers(_place(claim), len(told))
    branches = branching.branches_of(parent, step, first=first + place)
    insert(branches)
    write_steps(claim, [step])
    write(_place(claim), told, first=first)
    for branch in branches:
        dispatch_on_commit(branch.id, priority=branch.priority)
    failpoint(Failpoint.BRANCHES_WRITTEN)
    return waiting


@transaction.atomic
@inserting_together()
def settle(claim: Claim, outcome: Outcome, *, step: StepRecord | None = None) -> None:
    """End the task, or hand it back to the queue, with the step that was interrupted, if any."""
    hold_parent(claim.parent_id)
    if not _fence(claim, _changes(outcome, step.number if step else None)):
        raise _fenced(claim)
    told = facts.ending(claim, outcome)
    if step is not None:
        write_steps(claim, [step])
        told = [*facts.of_step(claim, step), *told]
    else:
        write_usage(claim)
    append(_place(claim), told)
    _note_end(claim, outcome)


@transaction.atomic
@inserting_together()
def finish(claim: Claim, ending: Ending) -> None:
    """End a task whose last step had been recorded without its ending."""
    hold_parent(claim.parent_id)
    outcome = _ended(ending)
    if not _fence(claim, _changes(outcome, None)):
        raise _fenced(claim)
    told = facts.ending(claim, outcome)
    place = _place(claim)
    if isinstance(ending, Finish):
        told = [*facts.said(claim, ending), *told]
    first = take_numbers(place, len(told))
    if isinstance(ending, Finish):
        _keep_answer(claim, ending, seq=first)
    write(place, told, first=first)
    _note_end(claim, outcome)


def _place(claim: Claim) -> Place:
    return Place(claim.tenant_id, claim.session_id, known_version(claim.tenant_id))


def _note_end(claim: Claim, outcome: Outcome | None) -> None:
    if outcome is not None and outcome.status in TERMINAL:
        note_end(claim.batch_id)
        note_branch_end(claim.parent_id)


def _ended(ending: Ending) -> Outcome:
    match ending:
        case GiveUp(code, detail):
            return Outcome(TaskStatus.FAILED, code, detail)
        case Finish(failure=failure):
            why = (failure.code, failure.detail) if failure else ()
            return Outcome(TaskStatus.COMPLETED, *why)


def _holds(claim: Claim, outcome: Outcome | None, num_steps: int) -> bool:
    """Change the task if this attempt still owns it and nobody wants anything of it; False when
    that is not so.
    """
    if outcome is not None and outcome != Outcome(TaskStatus.COMPLETED):
        return _fence(claim, _changes(outcome, num_steps), wanted=Wanted.NOTHING)
    statement = _GOES_ON if outcome is None else _COMPLETES
    return bool(statement(task_id=claim.task_id, attempt=claim.attempt, num_steps=num_steps))


def _fence(claim: Claim, changes: Mapping[str, Any], *, wanted: Wanted | None = None) -> bool:
    """Change the task if this attempt still owns it; False when it does not."""
    rows = Task.objects.filter(
        pk=claim.task_id, attempt=claim.attempt, status=TaskStatus.PROCESSING
    )
    if wanted is not None:
        rows = rows.filter(wanted=wanted)
    return bool(update_returning(rows, changes, ["id"]))


def _obey_wish(claim: Claim, outcome: Outcome | None, num_steps: int | None) -> Outcome | None:
    """The fence met somebody's wish, or another owner: find out which. A pause does not hold up a
    task that ends anyway.
    """
    row = (
        Task.objects.select_for_update()
        .filter(pk=claim.task_id, attempt=claim.attempt, status=TaskStatus.PROCESSING)
        .first()
    )
    if row is None:
        raise _fenced(claim)
    if row.wanted == Wanted.CANCEL:
        outcome = Outcome(TaskStatus.CANCELLED, "cancelled")
    elif row.wanted == Wanted.PAUSE and (outcome is None or outcome.status is TaskStatus.WAITING):
        outcome = Outcome(TaskStatus.PAUSED, "paused")
    if not _fence(claim, _changes(outcome, num_steps)):
        raise _fenced(claim)
    return outcome


def _fenced(claim: Claim) -> LeaseLost:
    """A worker that was thought dead has written too late. Harmless, and worth knowing of."""
    logger.warning("task %s: a write of attempt %s was fenced", claim.task_id, claim.attempt)
    return LeaseLost()


def _changes(outcome: Outcome | None, num_steps: int | None) -> dict[str, Any]:
    """The new values of the task row."""
    changes: dict[str, Any] = (
        {"num_crashes": 0} if num_steps is None else {"num_steps": num_steps, "num_crashes": 0}
    )
    if outcome is None:
        return changes
    if not may_move(frm=TaskStatus.PROCESSING, to=outcome.status):
        raise StateConflict(f"A running task cannot become {outcome.status}.")
    changes |= {"status": outcome.status, "lease_until": None, "wanted": Wanted.NOTHING}
    if outcome.has_failed:
        changes |= {"error_code": outcome.reason, "error_detail": outcome.detail[:2000]}
    if outcome.status in TERMINAL:
        changes |= {"finished_at": Now()}
    return changes


def _hold_and_take_numbers(
    claim: Claim, outcome: Outcome | None, num_steps: int, count: int, step: StepRecord
) -> int | None:
    """`_holds`, and the first of `count` numbers; None when it does not hold. On PostgreSQL, where
    each statement is a round trip, that is one.
    """
    is_usual = outcome is None or outcome == Outcome(TaskStatus.COMPLETED)
    if connection.vendor != "postgresql" or not is_usual:
        held = _holds(claim, outcome, num_steps)
        return _take_numbers(claim, count, step) if held else None
    fence = _GOES_ON if outcome is None else _COMPLETES
    by, more = _numbering(claim, step)
    values = {"task_id": claim.task_id, "attempt": claim.attempt, "num_steps": num_steps}
    return find_numbers(_place(claim), count, by=_together(fence, by), **values, **more)


@cache
def _together(fence: TenantStatement, then: TenantStatement) -> TenantStatement:
    return provided(fence, then)


def _take_numbers(claim: Claim, count: int, step: StepRecord) -> int:
    by, values = _numbering(claim, step)
    return take_numbers(_place(claim), count, by=by, **values)


def _numbering(claim: Claim, step: StepRecord) -> tuple[TenantStatement, dict[str, Any]]:
    """How numbers are taken for what is told of the step, and what the session learns by it; of a
    branch, nothing.
    """
    if claim.is_branch:
        return PLAIN, {}
    if step.status is not StepStatus.SUCCEEDED or not step.agent_slug:
        return PLAIN, {}
    match step.kind:
        case StepKind.ROUTE:
            return _HANDING_OVER, {"slug": step.agent_slug, "intent": _intent(step)}
        case StepKind.HANDOFF:
            return _HANDED_OFF, {"slug": step.agent_slug}
        case StepKind.SUMMARY:
            return _SUMMARISING, {"text": step.output["text"], "turn": step.output["up_to_turn"]}
        case _:
            return PLAIN, {}


def _intent(step: StepRecord) -> str:
    return str(step.output.get("intent") or "")[:63]


def _count_hit(claim: Claim, step: StepRecord) -> None:
    """A rule has decided, once this is committed."""
    trace = step.output.get("trace") if step.kind is StepKind.ROUTE else None
    if trace and (rule_id := trace.get("rule_id")):
        day = timezone.now().date()
        transaction.on_commit(partial(note_hit, claim.tenant_id, UUID(rule_id), day))


def _keep_answer(claim: Claim, answer: Finish, *, seq: int) -> None:
    """As the session's next message; what a branch says is for nobody to read but its parent."""
    if claim.is_branch:
        Task.objects.filter(pk=claim.task_id).update(finding=answer.content)
        return
    row = Message(
        id=answer_id(claim.task_id),
        tenant_id=claim.tenant_id,
        session_id=claim.session_id,
        task_id=claim.task_id,
        seq=seq,
        turn=claim.turn,
        role=Message.Role.ASSISTANT,
        content=answer.content,
        agent_slug=answer.agent_slug,
    )
    insert([row])
