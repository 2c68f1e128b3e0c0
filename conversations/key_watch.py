"""Looks again, every two seconds, at the keys behind this process's open connections.

One task per event loop asks about all of them in one query, however many sockets there are, so that
a revoked key loses its sockets and streams within 5 s wherever it was revoked, and so does one that
may not be used any more from where they come; one whose scopes or agents were cut down can do no
more on an open socket than in a new request.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from conversations.pulse import DATABASE_ERRORS
from orkesta.database import in_thread
from orkesta.errors import OrkestaError
from tenants.errors import AddressNotAllowed
from tenants.principals import Principal
from tenants.websocket_auth import Rights, find_rights

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 2.0

Tell = Callable[[OrkestaError], None]


class Listener(NamedTuple):
    """A connection: who is told, and from where it comes, if its key's networks bind it."""

    tell: Tell
    address: str | None


class KeyWatch:
    """The keys of one event loop's connections, and the task that looks at them."""

    def __init__(self) -> None:
        self._listeners: dict[UUID, list[Listener]] = {}
        self._rights: dict[UUID, Rights] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watch(
        self, principal: Principal, tell: Tell, *, address: str | None = None
    ) -> Iterator[None]:
        """Inside, `tell` hears why, as soon as the key may not watch any more, or not from
        `address`; once. None is for who came with a ticket: no network binds them.
        """
        key_id = principal.key_id
        if key_id is None:
            yield
            return
        listener = Listener(tell, address)
        self._listeners.setdefault(key_id, []).append(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._leave(key_id, listener)

    def as_of_now(self, principal: Principal) -> Principal:
        """The principal with what its key may do now, as of the last look."""
        rights = self._rights.get(principal.key_id) if principal.key_id else None
        if rights is None:
            return principal
        return replace(principal, scopes=rights.scopes, agents=rights.agents)

    def _leave(self, key_id: UUID, listener: Listener) -> None:
        listeners = self._listeners.get(key_id, [])
        if listener in listeners:
            listeners.remove(listener)
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
        if not isinstance(rights, Rights):
            self._rights.pop(key_id, None)
            for listener in self._listeners.pop(key_id, []):
                listener.tell(rights)
            return
        listeners = self._listeners.get(key_id)
        if not listeners:  # everybody has left meanwhile
            return
        self._rights[key_id] = rights
        for listener in [one for one in listeners if not rights.reach(one.address)]:
            listeners.remove(listener)
            listener.tell(AddressNotAllowed())


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, KeyWatch] = WeakKeyDictionary()


def get_key_watch() -> KeyWatch:
    """The watch of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _watches.get(loop)
    if found is None:
        found = _watches[loop] = KeyWatch()
    return found
