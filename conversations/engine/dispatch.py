"""The seam between the edge and the engine: waking whoever may run a task.

The Task row is the truth and every worker looks at the table by itself once a second, so a wake
that is lost costs a second and nothing else. `dispatch` therefore never fails and never blocks.
"""

from collections.abc import Callable
from typing import Final, Protocol
from uuid import UUID

from django.db import transaction

PRIORITY: Final = 5


class Dispatcher(Protocol):
    """Whatever carries task ids to workers."""

    def dispatch(self, task_id: UUID, *, delay: float = 0.0, priority: int = PRIORITY) -> None:
        """Let a worker look at the task, not before `delay` seconds."""
        ...

    def signal(self, task_id: UUID) -> None:
        """Let the worker that runs the task look at what is wanted of it."""
        ...


class InProcess:
    """Wakes the workers of this very process; each registers how."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[UUID, bool], None]] = []

    def listen(self, wake: Callable[[UUID, bool], None]) -> Callable[[], None]:
        """Call `wake(task_id, is_signal)` from whatever thread dispatches; returns how to stop."""
        self._listeners.append(wake)
        return lambda: self._listeners.remove(wake)

    def dispatch(self, task_id: UUID, *, delay: float = 0.0, priority: int = PRIORITY) -> None:
        if delay > 0:
            return  # the workers' own look finds it when `available_at` has come
        for wake in tuple(self._listeners):
            wake(task_id, False)

    def signal(self, task_id: UUID) -> None:
        for wake in tuple(self._listeners):
            wake(task_id, True)


in_process = InProcess()


def dispatch(task_id: UUID, *, delay: float = 0.0, priority: int = PRIORITY) -> None:
    in_process.dispatch(task_id, delay=delay, priority=priority)


def dispatch_on_commit(task_id: UUID, *, delay: float = 0.0, priority: int = PRIORITY) -> None:
    """Wake after the transaction: a worker woken before it would find nothing."""
    transaction.on_commit(lambda: dispatch(task_id, delay=delay, priority=priority))


def signal_on_commit(task_id: UUID) -> None:
    transaction.on_commit(lambda: in_process.signal(task_id))
