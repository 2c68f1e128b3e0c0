"""The loop that has examples embedded, soon after a rule or an embedding model was saved."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from conversations.triggers.loop import TableLoop
from orkesta.database import in_thread
from orkesta.errors import OrkestaError
from routing.embedding import embed_examples, find_embedding_tenants
from routing.gateway import Gateway, get_gateway

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3.0
#: Looked at again although nothing was saved: somebody may have written rows past the services.
AGAIN_SECONDS: Final = 600.0
#: After a failure; it doubles up to `AGAIN_SECONDS`.
FIRST_WAIT_SECONDS: Final = 15.0
MAX_AT_ONCE: Final = 4


@dataclass(slots=True)
class _Seen:
    """Which configuration of a tenant was looked at last, and when to look again in any case."""

    version: int = -1
    again_at: float = 0.0
    num_failures: int = 0


class ExampleTicker(TableLoop):
    """Looks at tenants that have an embedding model, each by itself: a provider that is slow for
    one does not keep the others waiting.
    """

    def __init__(self, *, gateway: Gateway | None = None) -> None:
        super().__init__()
        self._gateway = gateway or get_gateway()
        self._seen: dict[UUID, _Seen] = {}
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._next_at = self._loop.time()

    async def run_once(self) -> bool:
        if self._loop.time() < self._next_at:
            return False
        self._next_at = self._loop.time() + EVERY_SECONDS
        tenants = dict(await in_thread(find_embedding_tenants))
        self._seen = {tenant_id: self._seen.get(tenant_id, _Seen()) for tenant_id in tenants}
        for tenant_id, version in tenants.items():
            seen = self._seen[tenant_id]
            is_due = version != seen.version or self._loop.time() >= seen.again_at
            if is_due and tenant_id not in self._running:
                self._running[tenant_id] = asyncio.create_task(self._embed(tenant_id, version))
        return False

    def look_again(self) -> None:
        """Look at the next turn, whenever that is."""
        self._next_at = self._loop.time()

    async def settled(self) -> None:
        """When nothing is under way."""
        if self._running:
            await asyncio.wait(self._running.values())

    async def aclose(self) -> None:
        """Cut off what is under way; what is missing then is found by the next process."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _embed(self, tenant_id: UUID, version: int) -> None:
        seen = self._seen[tenant_id]
        try:
            async with self._places:
                found = await embed_examples(tenant_id, self._gateway)
        except OrkestaError as exc:
            wait = min(FIRST_WAIT_SECONDS * 2.0**seen.num_failures, AGAIN_SECONDS)
            seen.version, seen.again_at = version, self._loop.time() + wait
            seen.num_failures += 1
            logger.warning("examples of tenant %s have no vectors yet: %s", tenant_id, exc.message)
        else:
            # Whoever has it to do may die: look again when its claim is over.
            wait = AGAIN_SECONDS if found.is_done else EVERY_SECONDS
            seen.version, seen.again_at = version, self._loop.time() + wait
            seen.num_failures = 0
        finally:
            del self._running[tenant_id]
