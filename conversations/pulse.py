"""A look at sessions' rows, for watchers that have heard nothing for a while.

However many sockets look at the same time, each tenant's sessions are read together: while one read
is under way, the next one gathers.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import DatabaseError, InterfaceError

from conversations.models import Session, Task
from conversations.states import UNFINISHED, TaskStatus
from tenants.scope import in_tenant

DATABASE_ERRORS: Final = (DatabaseError, InterfaceError)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a session's rows say: the number of its newest event, and whose tasks may add more."""

    last_seq: int
    unfinished: frozenset[UUID] = frozenset()
    queued: frozenset[UUID] = frozenset()
    running: frozenset[UUID] = frozenset()

    @property
    def is_busy(self) -> bool:
        """Whether something is going to happen by itself."""
        return bool(self.queued or self.running)


def read_pulses(session_ids: Collection[UUID]) -> dict[UUID, Pulse]:
    """The pulse of each session that exists, under a tenant scope.

    Tasks are read before numbers: a task that ended in between is still called running here, but
    the number then covers its last event.
    """
    tasks: dict[UUID, dict[str, set[UUID]]] = {id_: {} for id_ in session_ids}
    rows = Task.objects.filter(session__in=session_ids, status__in=sorted(UNFINISHED))
    for session_id, task_id, status in rows.values_list("session_id", "id", "status"):
        tasks[session_id].setdefault(status, set()).add(task_id)
    numbers = Session.objects.filter(pk__in=session_ids).values_list("id", "last_seq")
    return {
        session_id: Pulse(
            last_seq,
            unfinished=frozenset().union(*tasks[session_id].values()),
            queued=frozenset(tasks[session_id].get(TaskStatus.QUEUED, ())),
            running=frozenset(tasks[session_id].get(TaskStatus.PROCESSING, ())),
        )
        for session_id, last_seq in numbers
    }


class _Lookout:
    """Gathers the questions of one event loop."""

    def __init__(self) -> None:
        self._asked: dict[UUID, dict[UUID, asyncio.Future[Pulse | None]]] = {}
        self._readers: dict[UUID, asyncio.Task[None]] = {}

    def ask(self, tenant_id: UUID, session_id: UUID) -> asyncio.Future[Pulse | None]:
        asked = self._asked.setdefault(tenant_id, {})
        answer = asked.get(session_id)
        if answer is None or answer.cancelled():
            answer = asked[session_id] = asyncio.get_running_loop().create_future()
        if tenant_id not in self._readers:
            self._readers[tenant_id] = asyncio.create_task(self._read(tenant_id))
        return answer

    async def _read(self, tenant_id: UUID) -> None:
        try:
            while asked := self._asked.pop(tenant_id, {}):
                await self._answer(tenant_id, asked)
        finally:
            del self._readers[tenant_id]

    async def _answer(
        self, tenant_id: UUID, asked: dict[UUID, asyncio.Future[Pulse | None]]
    ) -> None:
        reading = asyncio.ensure_future(in_tenant(tenant_id, read_pulses, list(asked)))
        try:
            await asyncio.wait({reading})
        finally:
            reading.cancel()  # does nothing to one that has ended
        waiting = {id_: answer for id_, answer in asked.items() if not answer.done()}
        # Whatever it was, those who asked have to hear of it: they are the ones who wait.
        error = reading.exception()
        for session_id, answer in waiting.items():
            if error is None:
                answer.set_result(reading.result().get(session_id))
            else:
                answer.set_exception(error)


_lookouts: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lookout] = WeakKeyDictionary()


async def look(tenant_id: UUID, session_id: UUID) -> Pulse | None:
    """The session's pulse; None when the tenant has no such session. Raises DATABASE_ERRORS."""
    loop = asyncio.get_running_loop()
    lookout = _lookouts.get(loop)
    if lookout is None:
        lookout = _lookouts[loop] = _Lookout()
    # Shielded: several watchers may wait for the same answer, and one of them may leave.
    return await asyncio.shield(lookout.ask(tenant_id, session_id))
