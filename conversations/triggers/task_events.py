"""What webhooks are told of a task, read from the facts that watchers are told. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from conversations.triggers.events import WebhookEvent
from conversations.triggers.outbox import Announcement

_BY_STATUS: Final = {
    event.removeprefix("task."): event for event in WebhookEvent if event.startswith("task.")
}


class Told(Protocol):
    """A fact of the session's log."""

    @property
    def type(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...
    @property
    def task_id(self) -> UUID | None: ...


def announcements_of(session_id: UUID, facts: Sequence[Told]) -> list[Announcement]:
    """One for each task that one of the facts puts into a status that webhooks know; with its
    answer or its error, when they are among the facts. Of branches they hear nothing: these are
    how a task is done, and nobody asked for them.
    """
    return [
        Announcement(event, _data(session_id, fact, facts))
        for fact in facts
        if fact.type == "task.status_changed"
        and "parent_task_id" not in fact.data
        and (event := _BY_STATUS.get(fact.data["status"])) is not None
    ]


def _data(session_id: UUID, fact: Told, facts: Iterable[Told]) -> dict[str, Any]:
    data = {
        "task_id": str(fact.task_id),
        "session_id": str(session_id),
        "status": fact.data["status"],
        "reason": fact.data.get("reason", ""),
        "result": None,
        "error": None,
    }
    for other in facts:
        if other.task_id == fact.task_id and other.type == "chat.response":
            data["result"] = other.data
        elif other.task_id == fact.task_id and other.type == "error":
            data["error"] = other.data
    return data
