"""Partial texts in the memory of the one process of the embedded set-up."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

from conversations.partial.texts import TTL_SECONDS, PartialText

MAX_ENTRIES: Final = 10_000
MAX_CHARS: Final = 20_000_000


class InMemoryPartialStore:
    """For one process. Bounded in entries and characters: what was written to least lately goes."""

    def __init__(
        self,
        *,
        max_entries: int = MAX_ENTRIES,
        max_chars: int = MAX_CHARS,
        ttl_seconds: float = TTL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_entries = max_entries
        self._max_chars = max_chars
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._entries: OrderedDict[tuple[UUID, UUID], tuple[float, PartialText]] = OrderedDict()
        self._num_chars = 0

    async def get(self, tenant_id: UUID, task_id: UUID) -> PartialText | None:
        entry = self._entries.get((tenant_id, task_id))
        return None if entry is None or entry[0] <= self._clock() else entry[1]

    async def put(self, tenant_id: UUID, task_id: UUID, partial: PartialText) -> None:
        known = await self.get(tenant_id, task_id)
        if known is not None and _run(known) > _run(partial):
            return
        self._drop((tenant_id, task_id))
        self._entries[tenant_id, task_id] = (self._clock() + self._ttl_seconds, partial)
        self._num_chars += len(partial.text)
        self._shrink()

    async def discard(self, tenant_id: UUID, task_id: UUID) -> None:
        self._drop((tenant_id, task_id))

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: tuple[UUID, UUID]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._num_chars -= len(entry[1].text)

    def _shrink(self) -> None:
        """Entries stand in the order of their last write, so the first is the one to drop."""
        now = self._clock()
        while self._entries:
            key, (forget_at, _) = next(iter(self._entries.items()))
            is_full = len(self._entries) > self._max_entries or self._num_chars > self._max_chars
            if not is_full and forget_at > now:
                return
            self._drop(key)


def _run(partial: PartialText) -> tuple[int, ...]:
    return tuple(map(int, partial.stream.split(".")))
