"""Events for the tests of live streams, and a client that puts frames together as documented."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from conversations.live_event import LiveEvent

NOW = datetime(2026, 11, 20, 12, 30, 15, 123_456, tzinfo=UTC)
SESSION = UUID(int=1)
TASK = UUID(int=2)


def fact(
    seq: int, kind: str = "task.status_changed", *, task_id: UUID = TASK, **data: Any
) -> LiveEvent:
    return LiveEvent(kind, SESSION, task_id, seq, NOW, data)


def ephemeral(kind: str, data: dict[str, Any], *, seq: int = 0, task_id: UUID = TASK) -> LiveEvent:
    return LiveEvent(kind, SESSION, task_id, seq, NOW, data, is_durable=False)


class PlainClient:
    """Reads frames in the order they come, joins deltas, and trusts nothing else."""

    def __init__(self) -> None:
        self.cursor = "0"
        self.durable: list[int] = []
        self.texts: dict[str, str] = {}
        self.answers: dict[str, str] = {}

    def take(self, frame: dict[str, Any]) -> None:
        kind, data = frame["type"], frame["data"]
        self.cursor = frame["cursor"]
        assert data.get("message_id") not in self.answers, "an answer changes after it was given"
        if kind == "message.reset":
            self.texts[data["message_id"]] = ""
        elif kind == "message.delta":
            so_far = self.texts.get(data["message_id"], "")
            assert data["offset"] == len(so_far), "a piece is missing or comes twice"
            self.texts[data["message_id"]] = so_far + data["text"]
        elif kind not in ("step.started", "ping"):
            self.durable.append(frame["seq"])
        if kind == "chat.response":
            assert self.texts.get(data["message_id"], "") == data["content"]
            self.answers[data["message_id"]] = data["content"]
