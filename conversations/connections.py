"""The open connections of this process: counted, limited, and told to whoever asks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from tenants.errors import SocketsExhausted

RETRY_SECONDS: Final = 5


@dataclass(slots=True)
class Seat:
    """One open connection, a WebSocket or an event stream."""

    tenant_id: UUID | None = None
    close_code: int = 1000
    num_frames: int = 0


@dataclass(slots=True)
class Connections:
    """Lives on one event loop, so it needs no lock."""

    seats: set[int] = field(default_factory=set)
    by_tenant: Counter[UUID] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
    peak: int = 0
    num_opened: int = 0
    num_frames: int = 0

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

    def check_tenants_room(self, tenant_id: UUID, *, limit: int | None) -> None:
        """Raises SocketsExhausted when the tenant has as many as its tier allows here."""
        if limit is not None and self.by_tenant[tenant_id] >= limit:
            raise SocketsExhausted(retry_after=RETRY_SECONDS)

    def belongs_to(self, seat: Seat, tenant_id: UUID, *, limit: int | None) -> None:
        """Count it as this tenant's, which may have `limit`. Raises SocketsExhausted."""
        self.check_tenants_room(tenant_id, limit=limit)
        seat.tenant_id = tenant_id
        self.by_tenant[tenant_id] += 1

    def stats(self, tenant_id: UUID) -> dict[str, Any]:
        """What `/ws/stats` tells: this process's totals, and of tenants the caller's own only."""
        return {
            "open": len(self.seats),
            "peak": self.peak,
            "opened": self.num_opened,
            "limit": settings.ORKESTA_MAX_SOCKETS,
            "frames_sent": self.num_frames,
            "closed_by_code": {str(code): num for code, num in sorted(self.closed.items())},
            "own_open": self.by_tenant[tenant_id],
        }

    def _leave(self, seat: Seat) -> None:
        self.seats.discard(id(seat))
        self.closed[seat.close_code] += 1
        self.num_frames += seat.num_frames
        if seat.tenant_id is not None:
            self.by_tenant[seat.tenant_id] -= 1
            if not self.by_tenant[seat.tenant_id]:
                del self.by_tenant[seat.tenant_id]


connections = Connections()
