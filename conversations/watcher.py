"""What one watcher of a session, or of one of its tasks, is to be sent.

The watcher first joins the live events, then reads the log after its cursor, then the text so far
of a message that is being written, and then forwards. Whatever the live events leave out it finds
in the rows: at a gap at once, in silence within a second while a task runs, at the latest with the
next ping.
"""

import asyncio
import logging
from types import TracebackType
from typing import Final, NamedTuple, Self
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from conversations.cursor import (
    Advance,
    Frame,
    Want,
    WatchState,
    advance,
    parse_cursor,
    replay,
    resume,
)
from conversations.errors import SessionNotFound
from conversations.hub import Inbox, get_hub
from conversations.live import group_name
from conversations.live_event import EventType, LiveEvent
from conversations.models import Event
from conversations.partial import get_partial_store
from conversations.pulse import DATABASE_ERRORS, Pulse, look
from conversations.selectors import list_events
from conversations.states import TERMINAL
from orkesta.errors import MalformedCursor, OrkestaError
from tenants.scope import in_tenant

logger = logging.getLogger(__name__)

#: Instead of a cursor: begin with what happens from now on.
LATEST: Final = "latest"
PAGE: Final = 200
POLL_SECONDS: Final = 1.0
#: Between two looks because of a piece of text that is missing.
TEXT_SECONDS: Final = 0.25


class Seen(NamedTuple):
    """How far the client has come. The watcher itself may be ahead by the frames of one pull."""

    seq: int
    cursor: str


class Watcher:
    """Use as `async with`; call `pull` until `is_over`. Raises MalformedCursor at once."""

    def __init__(
        self, *, tenant_id: UUID, session_id: UUID, cursor: str = "", task_id: UUID | None = None
    ) -> None:
        self._tenant_id, self._session_id = tenant_id, session_id
        self._is_from_now = cursor == LATEST
        given = "0" if self._is_from_now else cursor or "0"
        self._state = parse_cursor(given, only_task=task_id)
        self._group = group_name(tenant_id, session_id)
        self._seen = Seen(self._state.seq, self._state.cursor)
        self._inbox = Inbox()
        self._running: frozenset[UUID] = frozenset()
        self._held: tuple[LiveEvent, Want] | None = None
        self._is_behind = self._is_draft_due = True
        self._is_open = self._is_busy = self._is_ending = False
        self._poll_at = self._ping_at = self._text_at = 0.0
        self._fault: OrkestaError | None = None
        self.is_over = False

    async def __aenter__(self) -> Self:
        await get_hub().join(self._group, self._inbox)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await get_hub().leave(self._group, self._inbox)

    @property
    def cursor(self) -> str:
        """Where the client stands: after the last frame of which `saw` was told, and after all
        frames of earlier pulls.
        """
        return self._seen.cursor

    def saw(self, frame: Frame) -> None:
        """The client has this frame, but perhaps not the others of the same pull."""
        self._seen = Seen(frame.seq, frame.cursor)

    def frame(self, kind: EventType, data: dict[str, object]) -> Frame:
        """An event outside of the story, for a client that stands where it stands."""
        at, (seq, cursor) = timezone.now(), self._seen
        return Frame(LiveEvent(kind, self._session_id, None, seq, at, data, False), seq, cursor)

    def nudge(self) -> None:
        """Look at the rows soon: something has been written."""
        self._is_busy = True
        self._inbox.wake()

    def fail(self, error: OrkestaError) -> None:
        """Let `pull` raise this, now and from now on: nothing more is to be shown."""
        self._fault = error
        self._inbox.wake()

    def check(self) -> None:
        """Raises what `fail` was told."""
        if self._fault is not None:
            raise self._fault

    async def pull(self) -> list[Frame]:
        """What to send next; waits until there is something. Empty only when the watch is over.

        Raises SessionNotFound; MalformedCursor when the cursor is ahead of the session; what `fail`
        was told.
        """
        while not self.is_over:
            self.check()
            self._seen = Seen(self._state.seq, self._state.cursor)
            try:
                frames = await self._step()
            except DATABASE_ERRORS as exc:
                logger.warning("Session %s cannot be read: %s", self._session_id, exc)
                await asyncio.sleep(POLL_SECONDS)
                continue
            if frames:
                return frames
        return []

    # --- One step of it -----------------------------------------------------------------------

    async def _step(self) -> list[Frame]:
        if not self._is_open:
            return await self._open()
        if self._is_behind:
            return await self._read_log()
        if self._is_draft_due:
            return await self._read_draft()
        if self._inbox.has_overflowed:
            self._inbox.has_overflowed = False
            self._is_behind = self._is_draft_due = True
            return []
        if self._held is not None:
            held, self._held = self._held, None
            return await self._take(*held)
        event = self._inbox.take()
        if event is not None:
            return await self._take(event, Want.NOTHING)
        return await self._wait()

    async def _open(self) -> list[Frame]:
        pulse = await self._look()
        self._ping_at = self._now() + settings.ORKESTA_PING_INTERVAL_SECONDS
        if self._is_from_now:
            self._state = WatchState(pulse.last_seq, only_task=self._state.only_task)
        elif self._state.seq > pulse.last_seq:
            raise MalformedCursor("The cursor is ahead of the session.")
        self._is_open = True
        return []

    async def _take(self, event: LiveEvent, after: Want) -> list[Frame]:
        """Take a live event. What it wants is read first; then it is taken again."""
        self._is_busy = True
        self._poll_at = self._now() + POLL_SECONDS
        frames, want = self._apply(advance(self._state, event, after=after))
        if want is Want.CATCH_UP and after is Want.NOTHING:
            self._is_behind = True
            self._held = (event, want)
        elif want is Want.PARTIAL and after is not want and self._now() >= self._text_at:
            self._text_at = self._now() + TEXT_SECONDS
            await self._look()
            if event.task_id in self._running:
                self._is_draft_due = True
                self._held = (event, want)
        return frames

    async def _read_log(self) -> list[Frame]:
        """A page of what comes after the cursor."""
        was_ending = self._is_ending
        rows = await in_tenant(
            self._tenant_id, list_events, self._session_id, after_seq=self._state.seq, limit=PAGE
        )
        self._is_behind = len(rows) == PAGE
        told: list[Frame] = []
        for row in rows:
            told += self._apply(replay(self._state, _event(row)))[0]
        self.is_over = was_ending and not self._is_behind
        return told

    async def _read_draft(self) -> list[Frame]:
        """The text so far of what is being written now."""
        self._is_draft_due = False
        told: list[Frame] = []
        for task_id in self._running:
            if self._state.only_task not in (None, task_id):
                continue
            partial = await get_partial_store().get(self._tenant_id, task_id)
            if partial is not None:
                where = {"session_id": self._session_id, "task_id": task_id}
                told += self._apply(resume(self._state, partial, at=timezone.now(), **where))[0]
        return told

    def _apply(self, advanced: Advance) -> tuple[list[Frame], Want]:
        self._state, frames, want = advanced
        if self._state.only_task is not None and any(_ends(told.event) for told in frames):
            self._is_ending = self._is_behind = True
        return list(frames), want

    # --- In silence ---------------------------------------------------------------------------

    async def _wait(self) -> list[Frame]:
        """Until something arrives, or it is time to look."""
        look_at = min(self._poll_at, self._ping_at) if self._is_busy else self._ping_at
        await self._inbox.wait(look_at - self._now())
        now = self._now()
        if now >= self._ping_at:
            self._ping_at = now + settings.ORKESTA_PING_INTERVAL_SECONDS
            pulse = await self._look()
            return [self.frame(EventType.PING, {"seq": pulse.last_seq})]
        if self._is_busy and now >= self._poll_at:
            await self._look()
            self._is_draft_due = bool(self._running)
        return []

    async def _look(self) -> Pulse:
        pulse = await look(self._tenant_id, self._session_id)
        if pulse is None:
            raise SessionNotFound
        self._poll_at = self._now() + POLL_SECONDS
        self._running, self._is_busy = pulse.running, pulse.is_busy
        self._is_behind = self._is_behind or pulse.last_seq > self._state.seq
        only_task = self._state.only_task
        if only_task is not None and only_task not in pulse.unfinished:
            self._is_ending = self._is_behind = True
        return pulse

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _event(row: Event) -> LiveEvent:
    return LiveEvent(row.type, row.session_id, row.task_id, row.seq, row.created_at, row.data)


def _ends(event: LiveEvent) -> bool:
    is_status = event.type == EventType.TASK_STATUS_CHANGED
    return is_status and event.data.get("status") in TERMINAL
