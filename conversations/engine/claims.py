"""Who owns a task: claiming, renewing and watching leases. All times are the database's clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from enum import IntEnum
from functools import cache
from itertools import count, islice
from threading import Lock
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    UUIDField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import IsNull

from conversations.engine import queues
from conversations.engine.fairness import Queue, allot
from conversations.models import Task
from conversations.states import UNFINISHED, TaskStatus, Wanted
from orkesta.database import update_returning
from orkesta.statements import Param, Row, Statement, update
from tenants.scope import scopes_disabled

_WAITING: Final = "waiting"
_ABANDONED: Final = "abandoned"
#: Tenants whose tasks are claimed at once, each by a statement; a worker comes again for the rest.
MAX_TENANTS: Final = 32
#: Tenants whose turns are remembered; the order of the others is nobody's loss.
MAX_TURNS: Final = 10_000
_IDS: Final = ("task_id", "tenant_id", "session_id", "batch_id", "parent_id")


class Suspicion(IntEnum):
    """What `num_crashes` says of a task: deaths of processes that ran it, since its last step.

    Of deaths that nobody witnessed two are counted and no more: whole installations are restarted.
    """

    SOME = 2
    """Runs in quarantine from now on (`conversations.engine.quarantine`)."""
    STRONG = 3
    """The quarantine died, too, and others were in it: it runs alone in one."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One worker's ownership of one task. Every write of the engine is fenced by `attempt`."""

    task_id: UUID
    tenant_id: UUID
    session_id: UUID
    attempt: int
    turn: int
    num_crashes: int = 0
    batch_id: UUID | None = None
    parent_id: UUID | None = None

    @property
    def is_branch(self) -> bool:
        """Whether another task waits for this one, and no customer does."""
        return self.parent_id is not None

    @property
    def is_suspect(self) -> bool:
        return self.num_crashes >= Suspicion.SOME

    @property
    def name(self) -> str:
        """Of this attempt at the task: a worker that stood still may find itself with two."""
        return f"{self.task_id.hex}.{self.attempt}"

    def packed(self) -> dict[str, Any]:
        """As JSON's own types; `unpacked` makes a claim of it again."""
        return {
            field.name: value.hex if isinstance(value := getattr(self, field.name), UUID) else value
            for field in fields(self)
        }

    @classmethod
    def unpacked(cls, packed: Mapping[str, Any]) -> "Claim":
        ids = {name: UUID(hex=packed[name]) for name in _IDS if packed[name] is not None}
        return cls(**{**packed, **ids})


@dataclass(frozen=True, slots=True)
class Look:
    """What the row of a claimed task says now."""

    attempt: int
    wanted: Wanted


def lease_end(lease: Combinable) -> Combinable:
    return ExpressionWrapper(Now() + lease, output_field=DateTimeField())


def _lease() -> timedelta:
    return timedelta(seconds=settings.ORKESTA_LEASE_SECONDS)


def claim_tasks(*, worker: str, limit: int) -> list[Claim]:
    """Own up to `limit` tasks: first those whose owner's lease ran out, then those that wait.

    Tenants take turns (`conversations.engine.fairness`) and never have more at work than their tier
    allows, however many workers claim at once. Within a tenant the most urgent come first, then the
    oldest, and never two of the same session. `attempt` is one higher than any before.
    """
    with scopes_disabled():
        view = queues.look()
        if not view.has_abandoned and not view.queues:
            return []
        with transaction.atomic():
            rows = _take(_ABANDONED, limit, worker=worker) if view.has_abandoned else []
            rows += _take_turns(worker, limit - len(rows), view.queues)
    return [Claim(*row) for row in rows]


def _take_turns(worker: str, num_free: int, found: Sequence[Queue]) -> list[Row]:
    rows: list[Row] = []
    waiting = {queue.tenant_id: queue for queue in found}
    while len(rows) < min(num_free, MAX_TENANTS):
        turns = allot(num_free - len(rows), waiting.values(), last_served=_turns.last_served)
        given = dict(islice(turns.items(), MAX_TENANTS))
        if not given:
            break
        allowed = _allowed([waiting[tenant_id] for tenant_id in given])
        for tenant_id, asked in given.items():
            share = min(asked, allowed.get(tenant_id, asked))
            got = _take(_WAITING, share, worker=worker, tenant=tenant_id)
            rows += got
            if got:
                _turns.note(tenant_id)
            queue = waiting.pop(tenant_id)
            if len(got) == asked:  # there may be more
                waiting[tenant_id] = replace(queue, num_running=queue.num_running + asked)
    return rows


def _allowed(given: Iterable[Queue]) -> dict[UUID, int]:
    """How many tasks those tenants may start whose number is limited. They are held, so that nobody
    else starts one meanwhile; one that somebody else holds is left to him.
    """
    caps = {queue.tenant_id: queue.cap for queue in given if queue.cap is not None}
    running = queues.hold(caps) if caps else {}
    return {
        tenant_id: max(0, cap - running[tenant_id]) if tenant_id in running else 0
        for tenant_id, cap in caps.items()
    }


def _take(which: str, limit: int, **values: Any) -> list[Row]:
    """Claim up to `limit` tasks of one kind."""
    rows: list[Row] = []
    while len(rows) < limit:
        some = _power_of_two(limit - len(rows))
        found = _claiming(which, some)(lease=_lease(), **values)
        rows += found
        if len(found) < some:
            break
    return rows


@cache
def _claiming(which: str, limit: int) -> Statement:
    is_abandoned = Q(status=TaskStatus.PROCESSING, num_crashes__lt=Suspicion.SOME)
    crashed = Case(When(is_abandoned, then=Value(1)), default=Value(0))
    return update(
        lambda: Task.objects.filter(pk__in=_claimable(which)[:limit]),
        lambda: {
            "status": TaskStatus.PROCESSING,
            "attempt": F("attempt") + 1,
            "num_crashes": F("num_crashes") + crashed,
            "worker": Param("worker", CharField()),
            "lease_until": lease_end(Param("lease", DurationField())),
            "started_at": Coalesce(F("started_at"), Now()),
        },
        returning=[
            "id",
            "tenant",
            "session",
            "attempt",
            "turn",
            "num_crashes",
            "batch",
            "parent",
        ],
    )


def _power_of_two(limit: int) -> int:
    """The largest up to `limit`: each is a statement of its own, and so there are few of them."""
    return 1 << (limit.bit_length() - 1)


def _claimable(which: str) -> QuerySet[Task, UUID]:
    earlier = in_its_way()
    if which == _ABANDONED:
        rows = Task.objects.filter(status=TaskStatus.PROCESSING, lease_until__lt=Now())
    else:
        rows = Task.objects.filter(
            tenant=Param("tenant", UUIDField()), status=TaskStatus.QUEUED, available_at__lte=Now()
        )
    rows = rows.exclude(Exists(earlier))
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows.order_by("-priority", "id").values_list("id", flat=True)


def in_its_way() -> QuerySet[Task]:
    """As a subquery: the unfinished tasks for which a task has to wait, because they were before it
    in its session. None for a branch: its turn came when its parent's did.
    """
    # Said of the outer task within, so that PostgreSQL may still plan an anti-join.
    is_branch = ExpressionWrapper(OuterRef("parent_id"), output_field=UUIDField())
    return Task.objects.filter(
        IsNull(is_branch, True),
        session=OuterRef("session"),
        seq__lt=OuterRef("seq"),
        status__in=sorted(UNFINISHED),
    )


class _Turns:
    """When this process last started a task of each tenant, in numbers."""

    def __init__(self) -> None:
        self.last_served: dict[UUID, int] = {}
        self._numbers = count()
        self._lock = Lock()

    def note(self, tenant_id: UUID) -> None:
        with self._lock:
            if len(self.last_served) >= MAX_TURNS:
                self.last_served.clear()
            self.last_served[tenant_id] = next(self._numbers)


_turns: Final = _Turns()


def renew(*, worker: str, task_ids: Sequence[UUID]) -> dict[UUID, Look]:
    """Prolong this worker's leases; tasks that are missing from the answer have been lost."""
    # A transaction, so that it queues for SQLite's write lock with the others (`orkesta.sqlite`).
    with scopes_disabled(), transaction.atomic():
        owned = _owned(worker, task_ids)
        changes = {"lease_until": lease_end(Value(_lease()))}
        rows = update_returning(owned, changes, ["id", "attempt", "wanted"])
    return {row["id"]: Look(row["attempt"], Wanted(row["wanted"])) for row in rows}


def look(*, worker: str, task_ids: Sequence[UUID]) -> dict[UUID, Look]:
    """What is wanted of this worker's tasks; those missing from the answer have been lost."""
    with scopes_disabled():
        rows = _owned(worker, task_ids).values_list("id", "attempt", "wanted")
        return {id_: Look(attempt, Wanted(wanted)) for id_, attempt, wanted in rows}


def _owned(worker: str, task_ids: Sequence[UUID]) -> QuerySet[Task]:
    return Task.objects.filter(pk__in=task_ids, worker=worker, status=TaskStatus.PROCESSING)


def accuse(claim: Claim, *, is_proven: bool = False) -> bool:
    """The quarantine died with the task in it: let it be claimed at once, to run alone; whether
    that is so. When it `is_proven` to be the task's doing, keep it.

    Not so if it had come further before: then its new step is as innocent as any other.
    """
    rows = Task.objects.filter(
        pk=claim.task_id, attempt=claim.attempt, status=TaskStatus.PROCESSING
    )
    if is_proven:
        return rows.filter(num_crashes__gte=Suspicion.SOME).exists()
    return bool(
        rows.filter(num_crashes__gte=Suspicion.SOME).update(
            num_crashes=Suspicion.STRONG, lease_until=_over()
        )
    )


def expire_leases() -> int:
    """Let every running task be claimed at once. Only for a process that knows it is the only one,
    at its start; returns how many there were.
    """
    with scopes_disabled():
        running = Task.objects.filter(status=TaskStatus.PROCESSING)
        return running.update(lease_until=_over())


def _over() -> Combinable:
    return Now() - Value(timedelta(seconds=1))
