"""The seam between the edge and the engine: waking whoever may run a task.

The Task row is the truth and every worker looks at the table by itself once a second, so a wake
that is lost costs a second and nothing else. Dispatching therefore never fails and never blocks.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Final, Protocol
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from conversations.engine.stream import TaskStream
from orkesta.failpoints import Failpoint, failpoint

PRIORITY: Final = 5
#: How far a task's `available_at` is put back when it may begin at once.
CLOCK_TOLERANCE: Final = timedelta(seconds=1)

Wake = Callable[[UUID, bool], None]


def at_once() -> datetime:
    """`available_at` of a task that may begin now, also by the database's clock: SQLite's ticks in
    milliseconds, another machine's may be a little behind, and a worker that is woken to find
    nothing due looks again only a second later.
    """
    return timezone.now() - CLOCK_TOLERANCE


class Dispatcher(Protocol):
    """Whatever carries task ids to workers."""

    def dispatch(self, task_id: UUID, *, delay: float = 0.0, priority: int = PRIORITY) -> None:
        """Let a worker look at the task, not before `delay` seconds."""
        ...

    def signal(self, task_id: UUID) -> None:
        """Let the worker that runs the task look at what is wanted of it."""
        ...

    def listen(self, wake: Wake) -> Callable[[], None]:
        """Call `wake(task_id, is_signal)`, from any thread; returns how to stop. To be called where
        the worker's event loop runs.
        """
        ...


class InProcess:
    """Wakes the workers of this very process: the embedded set-up."""

    def __init__(self) -> None:
        self._listeners: list[Wake] = []

    def dispatch(self, task_id: UUID, *, delay: float = 0.0, priority: int = PRIORITY) -> None:
        if delay > 0:
            return  # the workers' own look finds it when `available_at` has come
        for wake in tuple(self._listeners):
            wake(task_id, False)

    def signal(self, task_id: UUID) -> None:
        for wake in tuple(self._listeners):
            wake(task_id, True)

    def listen(self, wake: Wake) -> Callable[[], None]:
        self._listeners.append(wake)
        return lambda: self._listeners.remove(wake)


class Distributed:
    """Wakes workers of any machine through Redis.

    Which task a woken worker takes is the table's business: most urgent first. So one stream
    serves all priorities.
    """

    def __init__(self, stream: TaskStream) -> None:
        self._stream = stream

    def dispatch(self, task_id: UUID, *, delay: float = 0.0, priority: int = PRIORITY) -> None:
        if delay <= 0:
            self._stream.kick(task_id)

    def signal(self, task_id: UUID) -> None:
        self._stream.signal(task_id)

    def listen(self, wake: Wake) -> Callable[[], None]:
        listening = asyncio.ensure_future(self._stream.listen(wake))

        def stop() -> None:
            listening.cancel()

        return stop


@cache
def get_dispatcher() -> Dispatcher:
    """The dispatcher of this installation."""
    return Distributed(TaskStream(settings.REDIS_URL)) if settings.REDIS_URL else InProcess()


def dispatch_on_commit(task_id: UUID, *, delay: float = 0.0, priority: int = PRIORITY) -> None:
    """Wake after the transaction: a worker woken before it would find nothing."""

    def dispatch() -> None:
        failpoint(Failpoint.TASK_COMMITTED)
        get_dispatcher().dispatch(task_id, delay=delay, priority=priority)

    transaction.on_commit(dispatch)


def signal_on_commit(task_id: UUID) -> None:
    transaction.on_commit(lambda: get_dispatcher().signal(task_id))
