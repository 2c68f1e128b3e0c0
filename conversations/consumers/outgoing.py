"""From a watcher to one socket: frames, pings, and patience with slow readers."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from django.conf import settings

from conversations.backlog import Backlog
from conversations.connections import Seat
from conversations.consumers.closing import TooSlow
from conversations.cursor import Frame
from conversations.key_watch import get_key_watch
from conversations.live_event import EventType
from conversations.watcher import Watcher
from tenants.principals import Principal

#: A client whose backlog has to shrink is asked for a proof again after this long.
ASK_SECONDS: Final = 1.0
#: How the id of a ping begins, and no cursor does.
PING: Final = "p"
#: What servers raise when the client has gone: uvicorn an OSError, autobahn a RuntimeError.
SEND_ERRORS: Final = (OSError, RuntimeError)


class Gone(Exception):
    """The client has gone; nothing can be sent any more."""


class Outgoing:
    """Sends to one socket. `run` ends only by an error: Gone, TooSlow, or that of a bad key."""

    def __init__(
        self,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        *,
        watcher: Watcher,
        principal: Principal,
        seat: Seat,
        backlog: Backlog,
        address: str | None = None,
    ) -> None:
        self.watcher = watcher
        self._address = address
        self._send, self._principal, self._seat, self._backlog = send, principal, seat, backlog
        #: Seconds after which a client that does not react is given up.
        self._patience = float(
            settings.ORKESTA_PING_INTERVAL_SECONDS + settings.ORKESTA_PING_TIMEOUT_SECONDS
        )
        self._now = asyncio.get_running_loop().time
        self._asked_at = 0.0
        self._silent_since: float | None = None
        self._answers_pings = False
        self._proof = asyncio.Event()
        # One frame after the other: each bears the cursor of what was sent before it.
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Send whatever the watcher has, for ever."""
        with get_key_watch().watch(self._principal, self.watcher.fail, address=self._address):
            async with self.watcher as watcher:
                while True:
                    for frame in await watcher.pull():
                        await self._deliver(frame)

    async def tell(self, kind: EventType, data: dict[str, Any]) -> None:
        """Send an event of our own, at once. Raises Gone, TooSlow."""
        async with self._turn:
            frame = self.watcher.frame(kind, data)
            await self._put(frame.text, mark=frame.cursor)

    def heard(self, mark: str = "") -> bool:
        """The client has said something. Whether `mark`, the ping or the cursor that it names, is
        a proof that it has read that far.
        """
        self._silent_since = None
        is_proof = self._backlog.heard(mark)
        if is_proof:
            self._answers_pings = self._answers_pings or mark.startswith(PING)
            self._asked_at = 0.0
            self._proof.set()
        return is_proof

    # --- One frame ----------------------------------------------------------------------------

    async def _deliver(self, frame: Frame) -> None:
        if frame.event.type == EventType.PING:
            await self._ping(seq=frame.event.data["seq"])
            return
        text = frame.text
        while (seconds := self._backlog.wait(len(text), now=self._now())) > 0:
            self.watcher.check()
            await self._ask(seq=frame.seq)
            self._proof.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._proof.wait(), min(seconds, ASK_SECONDS))
        self.watcher.check()
        async with self._turn:
            self.watcher.saw(frame)
            await self._put(text, mark=frame.cursor)
        if self._backlog.is_half_full:
            await self._ask(seq=frame.seq)

    async def _ask(self, *, seq: int) -> None:
        """Ask for a proof that the client reads, unless it has just been asked."""
        if self._now() >= self._asked_at + ASK_SECONDS:
            await self._ping(seq=seq)

    async def _ping(self, *, seq: int) -> None:
        """Ask for a sign of life. Who has ever answered, has to go on answering."""
        self._asked_at = self._now()
        if self._silent_since is None:
            self._silent_since = self._asked_at
        if self._answers_pings and self._asked_at - self._silent_since > self._patience:
            raise TooSlow
        mark = PING + secrets.token_hex(4)
        async with self._turn:
            frame = self.watcher.frame(EventType.PING, {"seq": seq, "id": mark})
            await self._put(frame.text, mark=mark)

    async def _put(self, text: str, *, mark: str) -> None:
        """Send. Servers that push back keep us waiting here while the client does not read."""
        try:
            async with asyncio.timeout(self._patience):
                await self._send({"type": "websocket.send", "text": text})
        except TimeoutError:
            raise TooSlow from None
        except SEND_ERRORS as exc:
            raise Gone from exc
        self._backlog.sent(len(text), mark=mark, now=self._now())
        self._seat.num_frames += 1
