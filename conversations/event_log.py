"""The numbered log of a session's durable events. Rows first; watchers are told after commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import BigIntegerField, F, Model, Q, UUIDField
from django.utils import timezone

from conversations.errors import SessionNotFound
from conversations.live import LiveEvent, publish_on_commit
from conversations.models import Event, Session, Step, Task
from conversations.triggers.outbox import announce
from conversations.triggers.task_events import announcements_of
from orkesta.insertions import Nth, collecting
from orkesta.statements import Param
from tenants.statements import TenantStatement, insert, number_and_insert, update


@dataclass(frozen=True, slots=True)
class Fact:
    """A durable event before it has its number."""

    type: str
    data: dict[str, Any]
    task_id: UUID | None = None


def fact_of(task: Task, kind: str, data: dict[str, Any]) -> Fact:
    """Something about the task; of a branch it says whose, and webhooks hear nothing of it."""
    whose = {} if task.parent_id is None else {"parent_task_id": str(task.parent_id)}
    return Fact(kind, data | whose, task.id)


def step_recorded(task: Task, step: Step) -> Fact:
    """A step that has ended without a worker: a person's, or the one that joins branches."""
    data = {
        "number": step.number,
        "kind": step.kind,
        "status": step.status,
        "agent": step.agent_slug,
        "reason": step.reason,
        "duration_ms": round(step.duration_ms, 3),
        "input_tokens": step.input_tokens,
        "output_tokens": step.output_tokens,
    }
    return fact_of(task, "step.recorded", data)


@dataclass(frozen=True, slots=True)
class Place:
    """Where facts are written: the session, and the tenant whose watchers hear of them. With
    `config_version`, webhooks that were set up after it may not hear of them, and those of a tenant
    without webhooks cost no query.
    """

    tenant_id: UUID
    session_id: UUID
    config_version: int | None = None

    @classmethod
    def of(cls, session: Session) -> "Place":
        return cls(session.tenant_id, session.id)


def numbering(
    changes: Callable[[], Mapping[str, Any]] = dict, *, where: Callable[[], Q] = Q
) -> TenantStatement:
    """A way to take numbers that changes the session row by more than their count, and only where
    the row is as wanted.
    """
    taken = F("last_seq") + Param("count", BigIntegerField())
    return update(
        lambda: Session.objects.filter(where(), pk=Param("session_id", UUIDField())),
        lambda: {"last_seq": taken} | dict(changes()),
        returning=["last_seq"],
    )


PLAIN: Final = numbering()


def take_numbers(place: Place, count: int, *, by: TenantStatement = PLAIN, **values: Any) -> int:
    """Reserve `count` consecutive numbers of the session's log, under its row lock until the
    commit; the first of them. `values` are the parameters of `by`. Raises SessionNotFound.
    """
    first = find_numbers(place, count, by=by, **values)
    if first is None:
        raise SessionNotFound
    return first


def find_numbers(place: Place, count: int, *, by: TenantStatement, **values: Any) -> int | None:
    """Like `take_numbers`; None when the session is not as `by` wants it."""
    rows = by(session_id=place.session_id, count=count, **values)
    return rows[0][0] - count + 1 if rows else None


def write(place: Place, facts: Sequence[Fact], *, first: int) -> list[LiveEvent]:
    """Insert `facts` as events numbered from `first` on, with the webhook deliveries that they
    call for, and tell watchers once they are committed.

    The numbers must have been taken in this transaction.
    """
    at = timezone.now()
    insert(_rows(place, facts, [first + i for i in range(len(facts))], at))
    return _tell(place, facts, first=first, at=at)


def number_and_write(
    place: Place,
    facts: Sequence[Fact],
    groups: Sequence[Sequence[Model]],
    *,
    by: TenantStatement,
    fence: TenantStatement | None = None,
    **values: Any,
) -> int | None:
    """Take numbers for `facts` and write them and the rows, collected before, in which an `Nth` is
    one of these numbers; then as `write`. The first number; None, and nothing is written, when the
    session is not as `by` wants it, or the row of `fence`, locked before, is not there.

    `values` are the parameters of both. On PostgreSQL it is one statement.
    """
    at = timezone.now()
    with collecting() as events:
        insert(_rows(place, facts, [Nth(i) for i in range(len(facts))], at))
    first = number_and_insert(
        [*groups, *events],
        by=by,
        fence=fence,
        count=len(facts),
        session_id=place.session_id,
        **values,
    )
    if first is not None:
        _tell(place, facts, first=first, at=at)
    return first


def _rows(place: Place, facts: Sequence[Fact], seqs: Sequence[int], at: datetime) -> list[Event]:
    return [
        Event(
            tenant_id=place.tenant_id,
            session_id=place.session_id,
            task_id=fact.task_id,
            seq=seq,
            type=fact.type,
            data=fact.data,
            created_at=at,
        )
        for fact, seq in zip(facts, seqs, strict=True)
    ]


def _tell(place: Place, facts: Sequence[Fact], *, first: int, at: datetime) -> list[LiveEvent]:
    """Webhooks by deliveries, in this transaction; watchers once it is committed."""
    events = [
        LiveEvent(fact.type, place.session_id, fact.task_id, first + i, at, fact.data, True)
        for i, fact in enumerate(facts)
    ]
    announced = announcements_of(place.session_id, facts)
    announce(place.tenant_id, announced, at=at, config_version=place.config_version)
    publish_on_commit(place.tenant_id, place.session_id, events)
    return events


def append(place: Place, facts: Sequence[Fact]) -> list[LiveEvent]:
    """Take numbers and write, in one go."""
    return write(place, facts, first=take_numbers(place, len(facts)))
