"""What is kept of a message while it is being written, and the port to where it is kept."""

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

#: Seconds. Longer than any model call takes; an entry is renewed at every flush.
TTL_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class PartialText:
    """What one run (`stream`, "<attempt>.<step>") of a message has written so far."""

    message_id: UUID
    stream: str
    text: str


class PartialStore(Protocol):
    """Keeps one text per task."""

    async def get(self, tenant_id: UUID, task_id: UUID) -> PartialText | None:
        """The task's text so far; None when nothing is known of it."""
        ...

    async def put(self, tenant_id: UUID, task_id: UUID, partial: PartialText) -> None:
        """Remember the whole text so far. A run that has been replaced changes nothing."""
        ...

    async def discard(self, tenant_id: UUID, task_id: UUID) -> None:
        """Forget it: the message is complete, or never will be."""
        ...
