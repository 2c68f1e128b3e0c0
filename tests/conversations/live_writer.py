"""Writes an answer as the engine does: rows, text so far, live events; at the test's pace."""

from typing import Any
from uuid import UUID, uuid5

from django.utils import timezone

from conversations import live
from conversations.event_log import Fact, Place, append
from conversations.live import LiveEvent
from conversations.models import Task
from conversations.partial import PartialText, get_partial_store
from conversations.states import TaskStatus
from tenants.scope import in_tenant
from tests.cast import House
from tests.engine import apost


class Writer:
    """One task of one session, driven by hand."""

    def __init__(self, house: House, session_id: UUID, task: Task) -> None:
        self.house, self.session_id, self.task = house, session_id, task
        self.message_id = uuid5(task.id, "answer")
        self.attempt, self.text, self.last_seq = 1, "", 0

    async def begin(self) -> None:
        await self._move(TaskStatus.PROCESSING)
        await self.record("step.recorded", number=1, kind="route", agent="desk")

    async def say(self, *pieces: str) -> None:
        for piece in pieces:
            offset, self.text = len(self.text), self.text + piece
            await self._keep()
            await self.whisper("message.delta", offset=offset, text=piece)

    async def restart(self) -> None:
        self.attempt, self.text = self.attempt + 1, ""
        await self._keep()
        await self.whisper("message.reset")

    async def finish(self) -> None:
        answer = {"message_id": str(self.message_id), "content": self.text}
        await self.record("step.recorded", number=2, kind="model", agent="desk")
        await self.record("chat.response", role="assistant", agent="desk", **answer)
        await self._move(TaskStatus.COMPLETED)
        await get_partial_store().discard(self.house.id, self.task.id)

    async def record(self, kind: str, /, **data: Any) -> None:
        place = Place(self.house.id, self.session_id)
        events = await in_tenant(self.house.id, append, place, [Fact(kind, data, self.task.id)])
        self.last_seq = events[-1].seq

    async def whisper(self, kind: str, /, **data: Any) -> None:
        data |= {"message_id": str(self.message_id), "stream": self.stream}
        event = LiveEvent(
            kind, self.session_id, self.task.id, self.last_seq, timezone.now(), data, False
        )
        await live.publish(self.house.id, self.session_id, [event])

    @property
    def stream(self) -> str:
        return f"{self.attempt}.2"

    async def _keep(self) -> None:
        partial = PartialText(self.message_id, self.stream, self.text)
        await get_partial_store().put(self.house.id, self.task.id, partial)

    async def _move(self, status: TaskStatus) -> None:
        await in_tenant(self.house.id, _set_status, self.task.id, status)
        await self.record("task.status_changed", task_id=str(self.task.id), status=status)


def _set_status(task_id: UUID, status: TaskStatus) -> None:
    Task.objects.filter(pk=task_id).update(status=status)


async def start_writer(house: House, session_id: UUID | None = None) -> Writer:
    """A message has come in, and a worker has begun to answer it."""
    posted = await apost(house, "¿Tienen tubos?", session_id)
    writer = Writer(house, posted.session_id, posted.task)
    await writer.begin()
    return writer
