"""Whose tasks are started next. Pure.

Each tenant has a virtual time: its tasks that run, each as long as its weight is small. The next
task is always of the tenant whose time would be the earliest then, so a thousand queued tasks of
one do not hold up the first of another, whoever has nothing to do leaves its share to the others,
and among equals the one comes first that has waited for its turn the longest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Queue:
    """The tasks of one tenant that wait, as far as their order among tenants goes."""

    tenant_id: UUID
    num_running: int
    weight: int = 1
    cap: int | None = None
    """How many may run at once; None is any number."""

    def has_room_for(self, more: int) -> bool:
        return self.cap is None or self.num_running + more <= self.cap


def allot(
    num_free: int, queues: Iterable[Queue], *, last_served: Mapping[UUID, int]
) -> dict[UUID, int]:
    """How many tasks of each tenant to start when all of them have enough, in the order in which
    their turns come. `last_served` numbers turns: a tenant that is missing has had none.
    """

    given: dict[UUID, int] = {}
    waiting = [
        (
            (queue.num_running + 1) / queue.weight,
            last_served.get(queue.tenant_id, -1),
            queue.tenant_id.bytes,
            queue,
        )
        for queue in queues
        if queue.has_room_for(1)
    ]
    heapify(waiting)
    num_left = num_free
    while num_left > 0 and waiting:
        *_, order, queue = waiting[0]
        before = given.get(queue.tenant_id, 0)
        # Whoever is alone takes all there is, and need not wait for its turn each time.
        more = 1 if len(waiting) > 1 else _room(queue, num_left, before)
        got = given[queue.tenant_id] = before + more
        num_left -= more
        if queue.has_room_for(got + 1):
            heapreplace(waiting, ((queue.num_running + got + 1) / queue.weight, 0, order, queue))
        else:
            heappop(waiting)
    return given


def _room(queue: Queue, num_free: int, given: int) -> int:
    """How many of `num_free` the queue may have beside those that it was given."""
    return num_free if queue.cap is None else min(num_free, queue.cap - queue.num_running - given)
