"""The open connections: counted, limited, and told to whoever asks.

Each process counts its own. Where processes share a Redis they tell each other their counts every
few seconds (`conversations.connection_share`), for whoever asks how many there are; what a tier
allows is kept exactly over all of them (`conversations.places`). Without Redis each process knows
of itself alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

from django.conf import settings

from tenants.errors import SocketsExhausted

RETRY_SECONDS: Final = 5
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose connection it is: the tenant's, and that of the customer whose session it follows."""

    tenant_id: UUID
    #: The session's `user_ref`; without one, its id.
    user: str


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections a tenant, and each of its users, may have; None is unlimited."""

    tenant: int | None = None
    user: int | None = None

    @property
    def is_limited(self) -> bool:
        return self.tenant is not None or self.user is not None


@dataclass(slots=True)
class Seat:
    """One open connection, a WebSocket or an event stream."""

    owner: Owner | None = None
    close_code: int = 1000
    num_frames: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """What one process has counted since it began."""

    open: int
    peak: int
    opened: int
    limit: int
    frames_sent: int
    closed_by_code: Mapping[str, int]
    by_tenant: Mapping[str, int]


@dataclass(slots=True)
class Connections:
    """Lives on one event loop, so it needs no lock."""

    seats: set[int] = field(default_factory=set)
    by_tenant: Counter[UUID] = field(default_factory=Counter)
    by_owner: Counter[Owner] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
    peak: int = 0
    num_opened: int = 0
    num_frames: int = 0
    #: What the other processes have told, newest known.
    others: Sequence[Count] = ()
    #: Hears whose connection was closed.
    on_left: Callable[[Owner], None] | None = None

    @contextmanager
    def seat(self) -> Iterator[Seat]:
        """A place among those that this process has. Raises SocketsExhausted."""
        self.check_room()
        seat = Seat()
        self.seats.add(id(seat))
        self.num_opened += 1
        self.peak = max(self.peak, len(self.seats))
        try:
            yield seat
        finally:
            self._leave(seat)

    def check_room(self) -> None:
        """Raises SocketsExhausted when this process has no place left."""
        if len(self.seats) >= settings.ORKESTA_MAX_SOCKETS:
            raise SocketsExhausted(retry_after=RETRY_SECONDS)

    def check_owners_room(self, owner: Owner, room: Room) -> None:
        """Raises SocketsExhausted when, as far as is known here, one more would not fit."""
        if not self.has_room(owner, room, more=1):
            raise SocketsExhausted(retry_after=RETRY_SECONDS)

    def has_room(self, owner: Owner, room: Room, *, more: int = 0) -> bool:
        """Whether the connections that are known here, and `more`, fit."""
        pairs = ((room.tenant, self.num_of(owner.tenant_id)), (room.user, self.by_owner[owner]))
        return all(limit is None or num + more <= limit for limit, num in pairs)

    def take(self, seat: Seat, owner: Owner) -> None:
        """Count the seat as this owner's."""
        seat.owner = owner
        self.by_tenant[owner.tenant_id] += 1
        self.by_owner[owner] += 1

    def leave(self, seat: Seat) -> None:
        """Count it as nobody's again."""
        owner, seat.owner = seat.owner, None
        if owner is None:
            return
        _count_down(self.by_tenant, owner.tenant_id)
        _count_down(self.by_owner, owner)
        if self.on_left is not None:
            self.on_left(owner)

    def count(self) -> Count:
        """What this process has counted. May be asked from any thread."""
        closed, by_tenant = dict(self.closed), dict(self.by_tenant)
        return Count(
            open=len(self.seats),
            peak=self.peak,
            opened=self.num_opened,
            limit=settings.ORKESTA_MAX_SOCKETS,
            frames_sent=self.num_frames,
            closed_by_code={str(code): num for code, num in sorted(closed.items())},
            by_tenant={str(tenant_id): num for tenant_id, num in by_tenant.items()},
        )

    def stats(self, tenant_id: UUID) -> dict[str, Any]:
        """What `/ws/stats` tells: the totals, and of tenants the caller's own only."""
        counts = [self.count(), *self.others]
        closed: Counter[str] = Counter()
        for count in counts:
            closed.update(count.closed_by_code)
        return {
            "processes": len(counts),
            "open": sum(count.open for count in counts),
            "peak": max(count.peak for count in counts),
            "opened": sum(count.opened for count in counts),
            "limit": sum(count.limit for count in counts),
            "frames_sent": sum(count.frames_sent for count in counts),
            "closed_by_code": dict(sorted(closed.items())),
            "own_open": self.num_of(tenant_id),
        }

    def num_of(self, tenant_id: UUID) -> int:
        """The tenant's open connections, those at other processes included as far as known."""
        elsewhere = sum(count.by_tenant.get(str(tenant_id), 0) for count in self.others)
        return self.by_tenant[tenant_id] + elsewhere

    def _leave(self, seat: Seat) -> None:
        self.seats.discard(id(seat))
        self.closed[seat.close_code] += 1
        self.num_frames += seat.num_frames
        self.leave(seat)


def _count_down(counter: Counter[K], key: K) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


connections = Connections()
