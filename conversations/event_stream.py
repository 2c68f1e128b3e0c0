"""Server-sent events: a watcher's frames as the body of an HTTP response.

`text/event-stream` is described in the HTML Standard §9.2. Each event's `id` is its cursor, so a
browser's EventSource resumes by itself with `Last-Event-ID`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from conversations.backlog import Backlog
from conversations.connection_share import take_place
from conversations.connections import Owner, Room, connections
from conversations.cursor import Frame
from conversations.key_watch import get_key_watch
from conversations.live_event import EventType
from conversations.watcher import Watcher
from orkesta.errors import OrkestaError, problem
from tenants.principals import Principal

CONTENT_TYPE: Final = "text/event-stream; charset=utf-8"
RETRY_MILLISECONDS: Final = 1000
#: Who reads slowly is looked at this often, for a key that was taken away meanwhile.
LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Followed:
    """What one client asked to follow: a session, or one task of it."""

    principal: Principal
    session_id: UUID
    owner: Owner
    room: Room
    cursor: str
    task_id: UUID | None = None
    request_id: str = ""
    #: From where it is followed, for keys that are bound to networks.
    address: str | None = None


class EventStream:
    """The body of one response. A task's ends with it; a session's goes on."""

    def __init__(self, followed: Followed) -> None:
        self._followed = followed
        self._backlog = Backlog()
        self._watcher = Watcher(
            tenant_id=followed.principal.tenant_id,
            session_id=followed.session_id,
            task_id=followed.task_id,
            cursor=followed.cursor,
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        try:
            with connections.seat() as seat:
                await take_place(seat, self._followed.owner, self._followed.room)
                watching = get_key_watch().watch(
                    self._followed.principal, self._watcher.fail, address=self._followed.address
                )
                with watching:
                    async with self._watcher as watcher:
                        while not watcher.is_over:
                            for frame in await watcher.pull():
                                yield await self._chunk(frame)
                                watcher.saw(frame)
                                seat.num_frames += 1
        except OrkestaError as exc:
            data = problem(exc, request_id=self._followed.request_id)
            yield rendered(self._watcher.frame(EventType.ERROR, data))
        yield rendered(self._watcher.frame(EventType.END, {}))

    async def _chunk(self, frame: Frame) -> bytes:
        """The frame, once the client may be thought to have read most of what it was sent."""
        chunk = rendered(frame)
        while (seconds := self._backlog.wait(len(chunk), now=self._now())) > 0:
            await asyncio.sleep(min(seconds, LOOK_SECONDS))
            self._watcher.check()
        self._backlog.sent(len(chunk), mark="", now=self._now())
        return chunk

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def rendered(frame: Frame) -> bytes:
    """The frame as one event of the stream; a ping is a comment, which clients pass over."""
    if frame.event.type == EventType.PING:
        return f": ping {frame.event.data['seq']}\n\n".encode()
    return f"id: {frame.cursor}\nevent: {frame.event.type}\ndata: {frame.text}\n\n".encode()
