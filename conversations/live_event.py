"""One event as watchers see it: what it holds, and how it looks on the wire.

Durable events are rows (`conversations.models.Event`) and can always be read again. Ephemeral ones
are not: they carry the `seq` of the newest durable event and any of them may be lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Self
from uuid import UUID

import orjson
from django.core.serializers.json import DjangoJSONEncoder


class EventType(StrEnum):
    """Every type that a watcher may receive; `docs/live-events.md` describes each."""

    MESSAGE_CREATED = "message.created"
    TASK_STATUS_CHANGED = "task.status_changed"
    STEP_RECORDED = "step.recorded"
    TOOL_CALLED = "tool.called"
    INPUT_REQUIRED = "input.required"
    INPUT_GIVEN = "input.given"
    CHAT_RESPONSE = "chat.response"
    ERROR = "error"
    SESSION_STATUS_CHANGED = "session.status_changed"

    STEP_STARTED = "step.started"
    MESSAGE_DELTA = "message.delta"
    MESSAGE_RESET = "message.reset"

    CHAT_ACCEPTED = "chat.accepted"
    PING = "ping"
    PONG = "pong"
    RESUMED = "resumed"
    END = "end"


#: Published while they are true, never stored.
EPHEMERAL: Final = frozenset(
    {EventType.STEP_STARTED, EventType.MESSAGE_DELTA, EventType.MESSAGE_RESET}
)

# Rows hold `data` as Django's encoder wrote it; a live event must read the same as its row.
_encode_like_rows = DjangoJSONEncoder().default


def to_json(value: object) -> bytes:
    """`value` as JSON, with dates, UUIDs and decimals written as the Event rows hold them."""
    return orjson.dumps(value, default=_encode_like_rows, option=orjson.OPT_PASSTHROUGH_DATETIME)


def wire_time(at: datetime) -> str:
    """ISO-8601 in UTC with milliseconds, such as `2026-11-20T21:08:00.120Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


# No slots: `_wire_parts` is kept in the instance, so that many sockets share one rendering.
@dataclass(frozen=True)
class LiveEvent:
    """A fact told to watchers. `seq` numbers a session's durable events, from 1, without gaps."""

    type: str
    session_id: UUID
    task_id: UUID | None
    seq: int
    at: datetime
    data: Mapping[str, Any]
    is_durable: bool = True

    @property
    def cursor(self) -> str:
        """Where a watcher stands that has seen everything up to this event.

        A delta's names the text as well; a watcher in the middle of a message adds that to every
        cursor it hands out (`conversations.cursor`).
        """
        if self.type != EventType.MESSAGE_DELTA:
            return str(self.seq)
        data = self.data
        offset = data["offset"] + len(data["text"])
        return f"{self.seq}~{data['message_id']}~{data['stream']}~{offset}"

    def wire(self) -> dict[str, Any]:
        """The event as clients receive it: `{type, task_id, session_id, seq, cursor, at, data}`."""
        return {
            "type": str(self.type),
            "task_id": self.task_id and str(self.task_id),
            "session_id": str(self.session_id),
            "seq": self.seq,
            "cursor": self.cursor,
            "at": wire_time(self.at),
            "data": orjson.loads(to_json(self.data)),
        }

    def text(self, *, seq: int, cursor: str) -> str:
        """The same as JSON text, for a watcher who stands at `seq` and `cursor`."""
        before, after = self._wire_parts
        return f'{before}{seq},"cursor":"{cursor}"{after}'

    @cached_property
    def _wire_parts(self) -> tuple[str, str]:
        head = {"type": str(self.type), "task_id": self.task_id, "session_id": self.session_id}
        before = orjson.dumps(head)[:-1] + b',"seq":'
        after = b',"at":"%s","data":%s}' % (wire_time(self.at).encode(), to_json(self.data))
        return before.decode(), after.decode()

    def packed(self) -> dict[str, Any]:
        """What travels between processes; `unpacked` makes it an event again."""
        return {
            "type": str(self.type),
            "session_id": self.session_id,
            "task_id": self.task_id,
            "seq": self.seq,
            "at": self.at.timestamp(),
            "data": self.data,
            "is_durable": self.is_durable,
        }

    @classmethod
    def unpacked(cls, fields: Mapping[str, Any]) -> Self:
        task_id = fields["task_id"]
        return cls(
            type=fields["type"],
            session_id=UUID(fields["session_id"]),
            task_id=task_id and UUID(task_id),
            seq=fields["seq"],
            at=datetime.fromtimestamp(fields["at"], UTC),
            data=fields["data"],
            is_durable=fields["is_durable"],
        )
