"""What customers asked the agents of a prompt, and what they were answered.

Tasks live a few storeys above; whoever keeps them says here how to ask for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A customer's message that an agent of the prompt answered, or tried to."""

    task_id: UUID
    session_id: UUID
    text: str
    asked_at: datetime
    agent_slug: str
    answer: str
    context: Mapping[str, Any] = field(default_factory=dict)
    user_name: str = ""
    task_type: str = ""


class Source(Protocol):
    """Whoever knows them. Both are called in the tenant's scope."""

    def list_turns(self, prompt_id: UUID, limit: int) -> list[PastTurn]:
        """The last ones, newest first."""
        ...

    def wake(self) -> None:
        """Let whoever runs drafts look, once this transaction is committed."""
        ...


_sources: list[Source] = []


def ask_for_past(source: Source) -> None:
    """Let `source` be who knows."""
    _sources[:] = [source]


def list_past_turns(prompt_id: UUID, limit: int) -> list[PastTurn]:
    """The last messages that the prompt's agents answered, newest first."""
    return _sources[0].list_turns(prompt_id, limit) if _sources else []


def wake_runners() -> None:
    """Let whoever runs drafts look, once this transaction is committed."""
    if _sources:
        _sources[0].wake()
