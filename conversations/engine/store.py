"""The engine's door to the database: record a step, settle a task.

Every function is one short transaction under the tenant's scope, fenced by the claim's attempt:
when the row says that somebody else owns the task, or that it is terminal, nothing is written and
`LeaseLost` is raised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from conversations.batch_count import note_end
from conversations.branches import hold_parent, note_branch_end
from conversations.engine import branching, facts
from conversations.engine.actions import Finish, GiveUp
from conversations.engine.charging import write_usage
from conversations.engine.claims import Claim
from conversations.engine.dispatch import dispatch_on_commit
from conversations.engine.facts import Outcome, answer_id
from conversations.engine.fence import holds, holds_to_begin, must_hold, obey_wish, usual_fence
from conversations.engine.numbering import (
    hold_and_take_numbers,
    numbering_of,
    place_of,
    take_numbers_of,
)
from conversations.engine.state import StepRecord
from conversations.engine.step_rows import write_steps
from conversations.event_log import Fact, append, number_and_write, take_numbers, write
from conversations.input_models import InputRequest
from conversations.models import Message, Task
from conversations.states import TERMINAL, StepKind, TaskStatus
from orkesta.failpoints import Failpoint, failpoint
from orkesta.insertions import Nth, collecting, inserting_together
from routing.hits import note_hit
from tenants.statements import insert

Ending = Finish | GiveUp


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
    place, last = place_of(claim), steps[-1]
    told, answer = _tell(claim, steps, then, outcome, is_first=is_first)
    first = _record_at_once(claim, steps, told, answer, outcome=outcome, num_steps=count)
    if first is not None:
        return _recorded(claim, last, outcome, last_seq=first + len(told) - 1)
    first = hold_and_take_numbers(claim, outcome, count, len(told), last)
    if first is None:
        obeyed = obey_wish(claim, outcome, count)
        if obeyed != outcome:
            outcome = obeyed
            told, answer = _tell(claim, steps, then, outcome, is_first=is_first)
        first = take_numbers_of(claim, len(told), last)
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
    fence = usual_fence(outcome)
    if fence is None or claim.is_branch or any(step.is_begun for step in steps):
        return None
    with collecting() as rows:
        write_steps(claim, steps)
        if answer is not None:
            _keep_answer(claim, answer[0], seq=Nth(answer[1]))
    by, more = numbering_of(claim, steps[-1])
    return number_and_write(
        place_of(claim),
        told,
        rows,
        by=by,
        fence=fence,
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
    if not holds_to_begin(claim, num_steps):
        outcome = obey_wish(claim, None, num_steps)
    told = [] if outcome else [facts.tool_called(claim, step)]
    if is_first:
        told.insert(0, facts.status_changed(claim, Outcome(TaskStatus.PROCESSING)))
    if outcome is None:
        write_steps(claim, [step])
    else:
        told.extend(facts.ending(claim, outcome))
        _note_end(claim, outcome)
    events = append(place_of(claim), told)
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
    if not holds(claim, waiting, step.number):
        outcome = obey_wish(claim, waiting, step.number)
    told = []
    if is_first:
        told.append(facts.status_changed(claim, Outcome(TaskStatus.PROCESSING)))
    if outcome == waiting:
        write_steps(claim, [step])
        insert([request])
        told.append(facts.input_required(claim, request))
    told.extend(facts.ending(claim, outcome or waiting))
    append(place_of(claim), told)
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
    if not holds(claim, waiting, step.number):
        outcome = obey_wish(claim, waiting, None)
    told = []
    if is_first:
        told.append(facts.status_changed(claim, Outcome(TaskStatus.PROCESSING)))
    if outcome != waiting:
        told.extend(facts.ending(claim, outcome or waiting))
        append(place_of(claim), told)
        _note_end(claim, outcome)
        return outcome or waiting
    place, parent = len(told), Task.objects.get(pk=claim.task_id)
    told += [*branching.begun(claim, step), branching.waiting(claim, step)]
    first = take_numbers(place_of(claim), len(told))
    branches = branching.branches_of(parent, step, first=first + place)
    insert(branches)
    write_steps(claim, [step])
    write(place_of(claim), told, first=first)
    for branch in branches:
        dispatch_on_commit(branch.id, priority=branch.priority)
    failpoint(Failpoint.BRANCHES_WRITTEN)
    return waiting


@transaction.atomic
@inserting_together()
def settle(claim: Claim, outcome: Outcome, *, step: StepRecord | None = None) -> None:
    """End the task, or hand it back to the queue, with the step that was interrupted, if any."""
    hold_parent(claim.parent_id)
    must_hold(claim, outcome, step.number if step else None)
    told = facts.ending(claim, outcome)
    if step is not None:
        write_steps(claim, [step])
        told = [*facts.of_step(claim, step), *told]
    else:
        write_usage(claim)
    append(place_of(claim), told)
    _note_end(claim, outcome)


@transaction.atomic
@inserting_together()
def finish(claim: Claim, ending: Ending) -> None:
    """End a task whose last step had been recorded without its ending."""
    hold_parent(claim.parent_id)
    outcome = _ended(ending)
    must_hold(claim, outcome, None)
    told = facts.ending(claim, outcome)
    place = place_of(claim)
    if isinstance(ending, Finish):
        told = [*facts.said(claim, ending), *told]
    first = take_numbers(place, len(told))
    if isinstance(ending, Finish):
        _keep_answer(claim, ending, seq=first)
    write(place, told, first=first)
    _note_end(claim, outcome)


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
