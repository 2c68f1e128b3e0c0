"""Waking a loop of this process early. A ring only hints: every loop looks by itself as well."""

from collections.abc import Callable
from typing import Final

from django.db import transaction


class Doorbell:
    """Rung from any thread; whoever listens takes care of its own loop."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` at every ring; returns how to stop."""
        self._listeners.append(wake)
        return lambda: self._listeners.remove(wake)

    def ring(self) -> None:
        for wake in tuple(self._listeners):
            wake()

    def ring_on_commit(self) -> None:
        """Ring once the transaction is committed: before it there is nothing to be found."""
        transaction.on_commit(self.ring)


#: There are deliveries to send.
deliveries_waiting: Final = Doorbell()
