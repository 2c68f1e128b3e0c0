"""Looks again, every two seconds, at the keys behind this process's open connections.

One task per event loop asks about all of them in one query, however many sockets there are, so that
a revoked key loses its sockets and streams within 5 s wherever it was revoked, and one whose scopes
or agents were cut down can do no more on an open socket than in a new request.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from conversations.pulse import DATABASE_ERRORS
from orkesta.database import in_thread
from orkesta.errors import OrkestaError
from tenants.principals import Principal
from tenants.websocket_auth import Rights, find_rights

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 2.0

Tell = Callable[[OrkestaError], None]


class KeyWatch:
    """The keys of one event loop's connections, and the task that looks at them."""

    def __init__(self) -> None:
        self._listeners: dict[UUID, list[Tell]] = {}
        self._rights: dict[UUID, Rights] = {}
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

    def as_of_now(self, principal: Principal) -> Principal:
        """The principal with what its key may do now, as of the last look."""
        rights = self._rights.get(principal.key_id) if principal.key_id else None
        if rights is None:
            return principal
        return replace(principal, scopes=rights.scopes, agents=rights.agents)

    def _leave(self, key_id: UUID, tell: Tell) -> None:
        listeners = self._listeners.get(key_id, [])
        if tell in listeners:
            listeners.remove(tell)
        if not listeners:
            self._listeners.pop(key_id, None)
            self._rights.pop(key_id, None)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                found = await in_thread(find_rights, list(self._listeners))
            except DATABASE_ERRORS:
                logger.warning("Keys cannot be checked again now.", exc_info=True)
                continue
            for key_id, rights in found.items():
                self._take_in(key_id, rights)

    def _take_in(self, key_id: UUID, rights: Rights | OrkestaError) -> None:
        if isinstance(rights, Rights):
            if key_id in self._listeners:  # else everybody has left meanwhile
                self._rights[key_id] = rights
            return
        self._rights.pop(key_id, None)
        for tell in self._listeners.pop(key_id, []):
            tell(rights)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, KeyWatch] = WeakKeyDictionary()


def get_key_watch() -> KeyWatch:
    """The watch of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _watches.get(loop)
    if found is None:
        found = _watches[loop] = KeyWatch()
    return found
