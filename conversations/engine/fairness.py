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

    def turn(queue: Queue, given: int) -> tuple[float, int, bytes]:
        time = (queue.num_running + given + 1) / queue.weight
        return time, last_served.get(queue.tenant_id, -1) if not given else 0, queue.tenant_id.bytes

    given: dict[UUID, int] = {}
    waiting = [(turn(queue, 0), queue) for queue in queues if queue.has_room_for(1)]
    heapify(waiting)
    for _ in range(num_free):
        if not waiting:
            break
        queue = waiting[0][1]
        got = given[queue.tenant_id] = given.get(queue.tenant_id, 0) + 1
        if queue.has_room_for(got + 1):
            heapreplace(waiting, (turn(queue, got), queue))
        else:
            heappop(waiting)
    return given
