"""Looks again, every two seconds, at the keys behind this process's open connections.

One task per event loop asks about all of them in one query, however many sockets there are, so that
a revoked key loses its sockets and streams within 5 s wherever it was revoked.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from conversations.pulse import DATABASE_ERRORS
from orkesta.database import in_thread
from orkesta.errors import OrkestaError
from tenants.principals import Principal
from tenants.websocket_auth import find_faults

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 2.0

Tell = Callable[[OrkestaError], None]


class KeyWatch:
    """The keys of one event loop's connections, and the task that looks at them."""

    def __init__(self) -> None:
        self._listeners: dict[UUID, list[Tell]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, principal: Principal, tell: Tell) -> Iterator[None]:
        """Inside, `tell` hears why, as soon as the key may not watch any more; once."""
        key_id = principal.key_id
        if key_id is None:
            yield
            return
        self._listeners.setdefault(key_id, []).append(tell)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._leave(key_id, tell)

    def _leave(self, key_id: UUID, tell: Tell) -> None:
        listeners = self._listeners.get(key_id, [])
        if tell in listeners:
            listeners.remove(tell)
        if not listeners:
            self._listeners.pop(key_id, None)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                faults = await in_thread(find_faults, list(self._listeners))
            except DATABASE_ERRORS:
                logger.warning("Keys cannot be checked again now.", exc_info=True)
                continue
            for key_id, error in faults.items():
                for tell in self._listeners.pop(key_id, []):
                    tell(error)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, KeyWatch] = WeakKeyDictionary()


def get_key_watch() -> KeyWatch:
    """The watch of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _watches.get(loop)
    if found is None:
        found = _watches[loop] = KeyWatch()
    return found
