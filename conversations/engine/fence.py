"""Who may write to a task: the attempt that holds it. What every write of the engine begins with.

When the row says that somebody else owns the task, or that it is terminal, nothing is changed.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from django.db.models import IntegerField, QuerySet, UUIDField
from django.db.models.functions import Now

from conversations.engine.claims import Claim
from conversations.engine.facts import Outcome
from conversations.errors import LeaseLost
from conversations.models import Task
from conversations.states import TERMINAL, TaskStatus, Wanted, may_move
from orkesta.database import update_returning
from orkesta.errors import StateConflict
from orkesta.statements import Param
from tenants.statements import TenantStatement, update

logger = logging.getLogger(__name__)


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


def usual_fence(outcome: Outcome | None) -> TenantStatement | None:
    """Of a task that goes on or completes, the statement that `holds` runs; None of others."""
    if outcome is None:
        return _GOES_ON
    return _COMPLETES if outcome == Outcome(TaskStatus.COMPLETED) else None


def holds(claim: Claim, outcome: Outcome | None, num_steps: int) -> bool:
    """Change the task if this attempt still owns it and nobody wants anything of it; False when
    that is not so.
    """
    statement = usual_fence(outcome)
    if statement is None:
        return _fence(claim, _changes(outcome, num_steps), wanted=Wanted.NOTHING)
    return bool(statement(task_id=claim.task_id, attempt=claim.attempt, num_steps=num_steps))


def holds_to_begin(claim: Claim, num_steps: int) -> bool:
    """`holds`, for a call that is about to be made."""
    return bool(_BEGINS(task_id=claim.task_id, attempt=claim.attempt, num_steps=num_steps))


def must_hold(claim: Claim, outcome: Outcome | None, num_steps: int | None) -> None:
    """Change the task whatever anybody wants of it. Raises LeaseLost when this attempt no longer
    owns it.
    """
    if not _fence(claim, _changes(outcome, num_steps)):
        raise _fenced(claim)


def _fence(claim: Claim, changes: Mapping[str, Any], *, wanted: Wanted | None = None) -> bool:
    """Change the task if this attempt still owns it; False when it does not."""
    rows = Task.objects.filter(
        pk=claim.task_id, attempt=claim.attempt, status=TaskStatus.PROCESSING
    )
    if wanted is not None:
        rows = rows.filter(wanted=wanted)
    return bool(update_returning(rows, changes, ["id"]))


def obey_wish(claim: Claim, outcome: Outcome | None, num_steps: int | None) -> Outcome | None:
    """The fence met somebody's wish, or another owner: find out which. A pause does not hold up a
    task that ends anyway. Raises LeaseLost.
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
    must_hold(claim, outcome, num_steps)
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
