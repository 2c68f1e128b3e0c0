"""A loop that looks at a table again and again, beside a worker or by itself."""

import asyncio
import logging
from abc import ABC, abstractmethod

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from conversations.triggers.doorbell import Doorbell

logger = logging.getLogger(__name__)


class TableLoop(ABC):
    """Make one where the event loop is running; `run_forever` ends after `stop`."""

    def __init__(self, *, doorbell: Doorbell | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._doorbell = doorbell
        self._is_stopping = False

    @abstractmethod
    async def run_once(self) -> bool:
        """Do what there is to do now; whether there may be more right away."""

    async def run_forever(self) -> None:
        """Trouble with the database is logged and waited out."""
        stop_listening = self._doorbell.listen(self._woken) if self._doorbell else None
        try:
            while not self._is_stopping:
                self._wake.clear()
                if not await self._run_once_or_log():
                    await self._sleep()
        finally:
            if stop_listening is not None:
                stop_listening()

    def stop(self) -> None:
        """Let the present turn end, and begin no other."""
        self._is_stopping = True
        self._wake.set()

    async def _run_once_or_log(self) -> bool:
        try:
            return await self.run_once()
        except (DatabaseError, InterfaceError) as exc:
            logger.error("%s: the database failed: %s", type(self).__name__, exc)
            return False

    async def _sleep(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), settings.ORKESTA_WORKER_SLEEP_SECONDS)
        except TimeoutError:
            return

    def _woken(self) -> None:
        """Called from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)
