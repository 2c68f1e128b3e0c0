"""The numbered log of a session's durable events. Rows first; watchers are told after commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from conversations.live import LiveEvent, publish_on_commit
from conversations.models import Event, Session
from orkesta.database import update_returning


@dataclass(frozen=True, slots=True)
class Fact:
    """A durable event before it has its number."""

    type: str
    data: dict[str, Any]
    task_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where facts are written: the session, and the tenant whose watchers hear of them."""

    tenant_id: UUID
    session_id: UUID

    @classmethod
    def of(cls, session: Session) -> "Place":
        return cls(session.tenant_id, session.id)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Consecutive places in a session's log, taken under its row lock until the commit."""

    first: int
    values: dict[str, Any] = field(default_factory=dict)


def take_numbers(place: Place, count: int, **changes: Any) -> Numbers:
    """Reserve `count` numbers, changing the session row by `changes` in the same statement."""
    values = update_returning(
        Session.objects.filter(pk=place.session_id),
        {"last_seq": F("last_seq") + count} | changes,
        ["last_seq"],
    )
    return Numbers(first=values[0]["last_seq"] - count + 1)


def write(place: Place, facts: Sequence[Fact], *, first: int) -> list[LiveEvent]:
    """Insert `facts` as events numbered from `first` on, and tell watchers once they are committed.

    The numbers must have been taken in this transaction.
    """
    at = timezone.now()
    Event.objects.bulk_create(
        Event(
            tenant_id=place.tenant_id,
            session_id=place.session_id,
            task_id=fact.task_id,
            seq=first + i,
            type=fact.type,
            data=fact.data,
            created_at=at,
        )
        for i, fact in enumerate(facts)
    )
    events = [
        LiveEvent(fact.type, place.session_id, fact.task_id, first + i, at, fact.data, True)
        for i, fact in enumerate(facts)
    ]
    publish_on_commit(place.tenant_id, place.session_id, events)
    return events


def append(place: Place, facts: Sequence[Fact], **changes: Any) -> list[LiveEvent]:
    """Take numbers and write, in one go."""
    return write(place, facts, first=take_numbers(place, len(facts), **changes).first)
