"""Who does a durable run: claiming its next part, keeping the lease, ending it.

The same rules as for tasks: a claim is one higher than any before, its lease is by the database's
clock, and whoever comes too late writes nothing. A claim is for one part only, so that the runs of
all tenants take turns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from orkesta.database import update_returning
from prompts.case_models import PromptTestRun
from prompts.replay_models import PromptReplay
from prompts.run_models import DraftRun, RunStatus
from tenants.scope import scopes_disabled

Kind = type[PromptReplay] | type[PromptTestRun]

#: Every kind of run there is.
KINDS: Final[tuple[Kind, ...]] = (PromptReplay, PromptTestRun)
#: A part that killed so many processes is passed over.
MAX_CRASHES: Final = 3


@dataclass(frozen=True, slots=True)
class RunClaim:
    """One process's right to do the next part of a run."""

    kind: Kind
    run_id: UUID
    tenant_id: UUID
    attempt: int
    num_crashes: int

    @property
    def is_deadly(self) -> bool:
        """Whether the part has ended so many processes that nobody should try it again."""
        return self.num_crashes >= MAX_CRASHES


class RunLost(Exception):
    """The run was cancelled, or somebody else has it."""


def claim_run() -> RunClaim | None:
    """Own the next part of the run that has waited longest for its turn, of any tenant."""
    with scopes_disabled():
        for kind in KINDS:
            claim = _claim(kind)
            if claim is not None:
                return claim
    return None


@transaction.atomic
def _claim(kind: Kind) -> RunClaim | None:
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    due = kind.objects.filter(free, status=RunStatus.RUNNING, tenant__is_active=True)
    if connection.features.has_select_for_update_skip_locked:
        due = due.select_for_update(skip_locked=True, of=("self",))
    chosen = due.order_by("touched_at").values_list("pk", flat=True).first()
    if chosen is None:
        return None
    died = Case(When(lease_until=None, then=Value(0)), default=Value(1))
    changes = {
        "attempt": F("attempt") + 1,
        "num_crashes": F("num_crashes") + died,
        "lease_until": _lease_end(),
    }
    rows = update_returning(
        kind.objects.filter(free, pk=chosen, status=RunStatus.RUNNING),
        changes,
        ["id", "tenant", "attempt", "num_crashes"],
    )
    return RunClaim(kind, *(tuple(rows[0].values()))) if rows else None


def renew_run(claim: RunClaim) -> None:
    """Keep the part. Raises RunLost. Needs the tenant's scope."""
    with transaction.atomic():
        if not _owned(claim).update(lease_until=_lease_end()):
            raise RunLost


def release_run(claim: RunClaim) -> None:
    """Give the part back undone. Needs the tenant's scope."""
    with transaction.atomic():
        _owned(claim).update(lease_until=None)


def end_run(claim: RunClaim, status: RunStatus, reason: str) -> None:
    """Let the run be over, or wait. Needs the tenant's scope."""
    changes: dict[str, Any] = {"status": status, "reason": reason, "lease_until": None}
    if status is not RunStatus.PAUSED:
        changes["finished_at"] = Now()
    with transaction.atomic():
        _owned(claim).update(**changes)


def write_part(claim: RunClaim, changes: Mapping[str, Any]) -> bool:
    """Count a part as done, with what else changes; whether it was the last. To be called in the
    transaction that writes the part. Raises RunLost.
    """
    done = {
        "num_done": F("num_done") + 1,
        "num_crashes": 0,
        "lease_until": None,
        "touched_at": Now(),
        **changes,
    }
    rows = update_returning(_owned(claim), done, ["num_done", "num_parts"])
    if not rows:
        raise RunLost
    if rows[0]["num_done"] < rows[0]["num_parts"]:
        return False
    claim.kind.objects.filter(pk=claim.run_id).update(status=RunStatus.COMPLETED, finished_at=Now())
    return True


@transaction.atomic
def cancel_run(run: DraftRun) -> bool:
    """End the run; what is under way stops within a second. False when it had ended before."""
    unfinished = (RunStatus.RUNNING, RunStatus.PAUSED)
    rows = type(run).objects.filter(pk=run.pk, status__in=unfinished)
    return bool(
        rows.update(status=RunStatus.CANCELLED, reason="", lease_until=None, finished_at=Now())
    )


@transaction.atomic
def resume_run(run: DraftRun) -> bool:
    """Let a run that waits go on; False when it does not wait."""
    rows = type(run).objects.filter(pk=run.pk, status=RunStatus.PAUSED)
    return bool(rows.update(status=RunStatus.RUNNING, reason="", touched_at=Now()))


def _owned(claim: RunClaim) -> Any:
    return claim.kind.objects.filter(
        pk=claim.run_id, attempt=claim.attempt, status=RunStatus.RUNNING
    )


def _lease_end() -> Combinable:
    lease = Value(timedelta(seconds=settings.ORKESTA_LEASE_SECONDS))
    return ExpressionWrapper(Now() + lease, output_field=DateTimeField())
