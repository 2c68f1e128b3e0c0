"""`WS /ws/{tenant}/{session}`: live events out, messages in."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, ClassVar

from conversations import live
from conversations.backlog import Backlog
from conversations.connections import Seat, connections
from conversations.consumers.closing import (
    LAST_WORDS_SECONDS,
    CloseCode,
    TooManyFrames,
    TooSlow,
    close,
    close_code,
    refusal,
)
from conversations.consumers.handshake import admit, read_cursor, read_handshake
from conversations.consumers.incoming import (
    FRAMES,
    Pace,
    Speaker,
    cursor_of,
    read_frame,
    request_id_of,
)
from conversations.consumers.outgoing import SEND_ERRORS, Gone, Outgoing
from conversations.cursor import parse_cursor
from conversations.live_event import EventType
from conversations.pulse import DATABASE_ERRORS
from conversations.watcher import Watcher
from orkesta.api.fields import Body
from orkesta.api.problems import translate
from orkesta.errors import BodyTooLarge, InternalError, Invalid, OrkestaError, TooMany, problem
from orkesta.ids import uuid7
from tenants.websocket_auth import SUBPROTOCOL

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

#: What may go wrong with a frame or a handshake and is the caller's, or the database's, affair.
FORESEEN = (OrkestaError, *DATABASE_ERRORS)
#: Frames that end the connection; after any other error it stays open.
FATAL = (BodyTooLarge, TooManyFrames)


class SessionSocket:
    """One connection, from handshake to close. An ASGI application: `SessionSocket.serve`."""

    #: What each frame that a client may send has to say.
    frames: ClassVar[Mapping[str, type[Body]]] = FRAMES

    def __init__(self, scope: Scope, receive: Receive, send: Send, seat: Seat) -> None:
        self._scope, self._receive, self._send, self._seat = scope, receive, send, seat
        self._request_id = uuid7().hex
        self._cursor = ""
        self._is_closed = False
        self._address: str | None = None
        self._pace, self._backlog = Pace(), Backlog()
        self._pump: asyncio.Task[None] | None = None
        self._outgoing: Outgoing | None = None

    @classmethod
    async def serve(cls, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket."""
        live.bind_loop()
        await receive()  # websocket.connect
        # Accepted first of all: a refused handshake could not say why.
        protocol = SUBPROTOCOL if SUBPROTOCOL in (scope.get("subprotocols") or ()) else None
        await send({"type": "websocket.accept", "subprotocol": protocol})
        try:
            with connections.seat() as seat:
                await cls(scope, receive, send, seat)._live()
        except TooMany as exc:
            for message in refusal(exc):
                await send(message)

    async def _live(self) -> None:
        try:
            self._cursor = read_cursor(self._scope)
            handshake = read_handshake(self._scope)
            self._address = handshake.bound_address
            principal = await admit(handshake, self._seat)
        except FORESEEN as exc:
            await self._close_for(translate(exc))
            return
        speaker = Speaker(principal, handshake.session_id)
        try:
            self._start(self._outgoing_for(speaker, self._cursor))
            await self._listen(speaker)
        finally:
            await self._stop()

    # --- Out ----------------------------------------------------------------------------------

    def _outgoing_for(self, speaker: Speaker, cursor: str) -> Outgoing:
        principal = speaker.principal
        watcher = Watcher(
            tenant_id=principal.tenant_id, session_id=speaker.session_id, cursor=cursor
        )
        return Outgoing(
            self._send,
            watcher=watcher,
            principal=principal,
            seat=self._seat,
            backlog=self._backlog,
            address=self._address,
        )

    def _start(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._pump = asyncio.create_task(self._run(outgoing))
        self._pump.add_done_callback(self._on_pump_gone)

    async def _stop(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.wait({pump})

    async def _run(self, outgoing: Outgoing) -> None:
        try:
            await outgoing.run()
        except Gone:
            return  # `_listen` hears of it by itself
        except FORESEEN as exc:
            await self._close_for(translate(exc), was_open=True)

    def _on_pump_gone(self, pump: asyncio.Task[None]) -> None:
        """What nobody foresaw must not leave a socket open that will never say anything again."""
        if pump is not self._pump:
            return  # `_stop` has ended it
        error = None if pump.cancelled() else pump.exception()
        if pump.cancelled() or error is not None:
            logger.error("A socket failed.", exc_info=error)
            self._dying = asyncio.ensure_future(self._close_for(InternalError()))

    # --- In -----------------------------------------------------------------------------------

    async def _listen(self, speaker: Speaker) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                if not self._is_closed:
                    self._seat.close_code = message.get("code") or CloseCode.NORMAL
                return
            if not self._is_closed:
                await self._take(message, speaker)

    async def _take(self, message: dict[str, Any], speaker: Speaker) -> None:
        """One frame. An error is told, with the `request_id` of the frame when it has one."""
        request_id = ""
        try:
            self._pace.check(now=asyncio.get_running_loop().time())
            frame = read_frame(message)
            request_id = request_id_of(frame)
            await self._obey(frame, request_id, speaker)
        except FATAL as exc:
            await self._close_for(exc)
        except FORESEEN as exc:
            await self._tell(EventType.ERROR, problem(translate(exc)), request_id)

    async def _obey(self, frame: dict[str, Any], request_id: str, speaker: Speaker) -> None:
        self._take_proof("")
        kind = str(frame.get("type"))
        if kind not in self.frames:
            raise Invalid(f"There is no frame of the type {kind[:100]!r}.")
        match kind:
            case "ping":
                await self._tell(EventType.PONG, {}, request_id)
            case "pong":
                self._take_proof(str(frame.get("id", "")))
            case "ack":
                self._take_proof(cursor_of(frame))
            case "resume":
                await self._resume(cursor_of(frame), request_id, speaker)
            case "chat.send":
                await self._tell(EventType.CHAT_ACCEPTED, await speaker.post(frame), request_id)
                self._nudge()
            case "chat.cancel":
                await self._tell(EventType.CHAT_ACCEPTED, await speaker.cancel(frame), request_id)

    async def _resume(self, cursor: str, request_id: str, speaker: Speaker) -> None:
        """Watch again from `cursor`. Whatever was sent before the `resumed` event is void."""
        parse_cursor(cursor)
        await self._stop()
        self._outgoing = outgoing = self._outgoing_for(speaker, cursor)
        await self._tell(EventType.RESUMED, {}, request_id)
        self._start(outgoing)

    def _take_proof(self, mark: str) -> None:
        """Answers that we asked for do not count as frames of the client's own."""
        if self._outgoing is not None and self._outgoing.heard(mark):
            self._pace.give_back()

    def _nudge(self) -> None:
        if self._outgoing is not None:
            self._outgoing.watcher.nudge()

    async def _tell(self, kind: EventType, data: dict[str, Any], request_id: str) -> None:
        """Send an answer to one frame; without a name of its own it bears the connection's."""
        data = data | {"request_id": request_id or self._request_id}
        if self._outgoing is None or self._is_closed:
            return
        try:
            await self._outgoing.tell(kind, data)
        except Gone:
            return  # `_listen` hears of it by itself
        except TooSlow as exc:
            await self._close_for(exc)

    # --- The end ------------------------------------------------------------------------------

    async def _close_for(self, error: OrkestaError, *, was_open: bool = False) -> None:
        """Say why, and close. Once."""
        if self._is_closed:
            return
        self._is_closed = True
        self._seat.close_code = close_code(error, was_open=was_open)
        cursor = self._outgoing.watcher.cursor if self._outgoing else self._cursor
        why, end = refusal(error, request_id=self._request_id, cursor=cursor, was_open=was_open)
        # Who does not read may not hear it; the close must come through all the same.
        with suppress(TimeoutError, *SEND_ERRORS):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._send(why)
        await close(self._send, end)
