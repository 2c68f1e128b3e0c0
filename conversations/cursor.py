"""Where a watcher stands, and what each event means to it. Pure: no clock, no database, no await.

A cursor names everything a client has seen. Clients treat it as opaque; its grammar is

    <seq>                                            between messages
    <seq>~<message id>~<stream>~<offset>~<crc32>     in the middle of a streamed message

`seq` is the newest durable event seen, `stream` ("<attempt>.<step>") the run of the text being
streamed, `offset` the number of its characters (Unicode code points) seen, and `crc32` their
checksum: a client gets the missing tail only when what it holds really begins the text.

Live events may arrive late, twice, out of order, or never. `advance` takes them as they come,
`replay` takes the rows of the log, `resume` the text so far. Whatever arrives, a client that puts
the frames together sees every durable event once, in order, and each message's text byte for byte.
"""

import re
import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from conversations.live_event import EventType, LiveEvent
from conversations.partial import PartialText
from conversations.states import TERMINAL
from orkesta.errors import MalformedCursor

Stream = tuple[int, ...]

#: The stream of a text that is told whole, from the log.
WHOLE: Final[Stream] = (0, 0)
#: As many answers are remembered, so that their late deltas are known for what they are.
NUM_REMEMBERED: Final = 32
_CURSOR: Final = re.compile(
    r"(\d{1,18})(?:~([0-9a-f-]{36})~(\d{1,9}\.\d{1,9})~(\d{1,9})~([0-9a-f]{8}))?", re.ASCII
)


class Want(StrEnum):
    """What has to be read before more can be told."""

    NOTHING = "nothing"
    CATCH_UP = "catch_up"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Draft:
    """The part of a running message that a watcher has seen."""

    message_id: str
    stream: Stream
    offset: int = 0
    crc: int = 0
    task_id: UUID | None = None

    def grown(self, text: str) -> "Draft":
        crc = zlib.crc32(_bytes(text), self.crc)
        return replace(self, offset=self.offset + len(text), crc=crc)

    def begins(self, text: str) -> bool:
        """Whether `text` starts with exactly what has been seen."""
        return self.offset <= len(text) and zlib.crc32(_bytes(text[: self.offset])) == self.crc


@dataclass(frozen=True, slots=True)
class WatchState:
    """Everything a watcher has seen. With `only_task`, other tasks' events are passed over."""

    seq: int = 0
    draft: Draft | None = None
    only_task: UUID | None = None
    answered: tuple[str, ...] = ()
    step: tuple[UUID | None, int] = (None, 0)

    @property
    def cursor(self) -> str:
        draft = self.draft
        if draft is None:
            return str(self.seq)
        stream = ".".join(map(str, draft.stream))
        return f"{self.seq}~{draft.message_id}~{stream}~{draft.offset}~{draft.crc:08x}"


@dataclass(frozen=True, slots=True)
class Frame:
    """One event to send, and where the client stands once it has it."""

    event: LiveEvent
    seq: int
    cursor: str

    @property
    def text(self) -> str:
        """The frame as JSON."""
        return self.event.text(seq=self.seq, cursor=self.cursor)


class Advance(NamedTuple):
    """The new state, what to send, and what to read before the same event is tried again."""

    state: WatchState
    frames: tuple[Frame, ...] = ()
    want: Want = Want.NOTHING


def parse_cursor(raw: str, *, only_task: UUID | None = None) -> WatchState:
    """Where a client with this cursor stands. Raises MalformedCursor."""
    found = _CURSOR.fullmatch(raw)
    if found is None:
        raise MalformedCursor
    seq, message_id, stream, offset, crc = found.groups()
    draft = None
    if message_id is not None:
        draft = Draft(message_id, _stream(stream), int(offset), int(crc, 16))
    return WatchState(int(seq), draft, only_task)


def frame(state: WatchState, event: LiveEvent) -> Frame:
    """`event` for a client that stands at `state` once it has it."""
    return Frame(event, state.seq, state.cursor)


def advance(state: WatchState, event: LiveEvent, *, after: Want = Want.NOTHING) -> Advance:
    """Take a live event; `after` says what has just been read because of it. After the text so far
    has been read, its task must be known to be running still.
    """
    if event.is_durable:
        if event.seq == state.seq + 1:
            return _tell(state, event)
        return Advance(state, (), Want.CATCH_UP if event.seq > state.seq else Want.NOTHING)
    if state.only_task is not None and event.task_id != state.only_task:
        return Advance(state)
    if event.seq > state.seq and after is Want.NOTHING:
        return Advance(state, (), Want.CATCH_UP)
    take = _EPHEMERAL.get(event.type)
    if take is None:
        return Advance(state, (frame(state, event),))
    return take(state, event, is_running=after is Want.PARTIAL)


def replay(state: WatchState, event: LiveEvent) -> Advance:
    """Take a row of the log: what is not there any more has been purged, and is not waited for."""
    return _tell(state, event) if event.seq > state.seq else Advance(state)


def resume(
    state: WatchState, partial: PartialText, *, session_id: UUID, task_id: UUID, at: datetime
) -> Advance:
    """Take the text so far of a message that is being written."""
    message_id, stream = str(partial.message_id), _stream(partial.stream)
    draft = state.draft
    if message_id in state.answered:
        return Advance(state)
    source = LiveEvent("", session_id, task_id, state.seq, at, {}, is_durable=False)
    if draft is None or draft.message_id != message_id or draft.stream < stream:
        return _restart(state, source, message_id, stream, partial.text)
    if draft.stream > stream or draft.offset > len(partial.text):
        return Advance(state)  # the store is behind what has been sent
    if not draft.begins(partial.text):
        return _restart(state, source, message_id, stream, partial.text)
    return _grow(state, source, partial.text[draft.offset :])


# --- Durable events -----------------------------------------------------------------------------


def _tell(state: WatchState, event: LiveEvent) -> Advance:
    """The next durable event; an answer comes after whatever is missing of its text."""
    if state.only_task is not None and event.task_id != state.only_task:
        return Advance(replace(state, seq=event.seq))
    frames: tuple[Frame, ...] = ()
    if event.type == EventType.CHAT_RESPONSE:
        state, frames, _ = _complete(state, event)
        answered = (*state.answered, str(event.data["message_id"]))[-NUM_REMEMBERED:]
        state = replace(state, draft=None, answered=answered)
    elif event.type == EventType.TASK_STATUS_CHANGED and _ends_draft(state.draft, event):
        state = replace(state, draft=None)
    elif event.type == EventType.STEP_RECORDED:
        state = replace(state, step=(event.task_id, event.data["number"]))
    state = replace(state, seq=event.seq)
    return Advance(state, (*frames, frame(state, event)))


def _complete(state: WatchState, answer: LiveEvent) -> Advance:
    message_id, content = str(answer.data["message_id"]), str(answer.data["content"])
    draft = state.draft
    if draft is None or draft.message_id != message_id:
        state = replace(state, draft=Draft(message_id, WHOLE, task_id=answer.task_id))
        return _grow(state, answer, content)
    if not draft.begins(content):
        return _restart(state, answer, message_id, WHOLE, content)
    return _grow(state, answer, content[draft.offset :])


def _ends_draft(draft: Draft | None, event: LiveEvent) -> bool:
    is_its_task = draft is not None and draft.task_id == event.task_id
    return is_its_task and event.data.get("status") in TERMINAL


# --- Ephemeral events ---------------------------------------------------------------------------


def _take_delta(state: WatchState, event: LiveEvent, *, is_running: bool) -> Advance:
    data, draft = event.data, state.draft
    message_id, stream = str(data["message_id"]), _stream(data["stream"])
    offset, text = int(data["offset"]), str(data["text"])
    if message_id in state.answered:
        return Advance(state)
    if draft is None or draft.message_id != message_id:
        # Only a publisher that knew all we know cannot be talking of an answer long finished.
        if offset > 0 or (event.seq < state.seq and not is_running):
            return Advance(state, (), Want.PARTIAL)
        return _begin(state, event, message_id, stream, text)
    if stream < draft.stream:
        return Advance(state)  # a worker that has been replaced, still talking
    if stream > draft.stream:
        if offset > 0:
            return Advance(state, (), Want.PARTIAL)
        return _restart(state, event, message_id, stream, text)
    if offset > draft.offset:
        return Advance(state, (), Want.PARTIAL)
    return _grow(state, event, text[draft.offset - offset :])


def _take_reset(state: WatchState, event: LiveEvent, *, is_running: bool) -> Advance:
    message_id, stream = str(event.data["message_id"]), _stream(event.data["stream"])
    draft = state.draft
    if message_id in state.answered:
        return Advance(state)
    if draft is None or draft.message_id != message_id:
        if event.seq < state.seq and not is_running:
            return Advance(state, (), Want.PARTIAL)
    elif stream <= draft.stream:
        return Advance(state)
    return _restart(state, event, message_id, stream, "")


def _take_step(state: WatchState, event: LiveEvent, *, is_running: bool) -> Advance:
    """Tell of a step once, and not after it has been recorded."""
    task_id, number = state.step
    if event.task_id != task_id and event.seq < state.seq and not is_running:
        return Advance(state, (), Want.PARTIAL)
    if event.task_id == task_id and event.data["number"] <= number:
        return Advance(state)
    state = replace(state, step=(event.task_id, event.data["number"]))
    return Advance(state, (frame(state, event),))


class _Take(Protocol):
    def __call__(self, state: WatchState, event: LiveEvent, *, is_running: bool) -> Advance: ...


_EPHEMERAL: Final[dict[str, _Take]] = {
    EventType.MESSAGE_DELTA: _take_delta,
    EventType.MESSAGE_RESET: _take_reset,
    EventType.STEP_STARTED: _take_step,
}


# --- Text ---------------------------------------------------------------------------------------


def _begin(
    state: WatchState, source: LiveEvent, message_id: str, stream: Stream, text: str
) -> Advance:
    """The start of a text. Of a later attempt, the client may hold an earlier one's."""
    if stream[0] > 1:
        return _restart(state, source, message_id, stream, text)
    draft = Draft(message_id, stream, task_id=source.task_id)
    return _grow(replace(state, draft=draft), source, text)


def _restart(
    state: WatchState, source: LiveEvent, message_id: str, stream: Stream, text: str
) -> Advance:
    """Let the client drop what it has of this message, and tell it anew."""
    draft = Draft(message_id, stream, task_id=source.task_id)
    state = replace(state, draft=draft)
    told = _event(source, EventType.MESSAGE_RESET, _naming(draft))
    grown = _grow(state, source, text)
    return Advance(grown.state, (frame(state, told), *grown.frames))


def _grow(state: WatchState, source: LiveEvent, text: str) -> Advance:
    """Send `text`, which follows what the draft has."""
    draft = state.draft
    if draft is None or not text:
        return Advance(state)
    state = replace(state, draft=replace(draft.grown(text), task_id=source.task_id))
    if source.type == EventType.MESSAGE_DELTA and source.data["text"] == text:
        return Advance(state, (frame(state, source),))  # as it came: rendered once for everybody
    data = _naming(draft) | {"offset": draft.offset, "text": text}
    return Advance(state, (frame(state, _event(source, EventType.MESSAGE_DELTA, data)),))


def _naming(draft: Draft) -> dict[str, Any]:
    return {"message_id": draft.message_id, "stream": ".".join(map(str, draft.stream))}


def _event(source: LiveEvent, kind: EventType, data: dict[str, Any]) -> LiveEvent:
    return replace(source, type=kind, data=data, is_durable=False)


def _stream(raw: str) -> Stream:
    return tuple(map(int, raw.split(".")))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
