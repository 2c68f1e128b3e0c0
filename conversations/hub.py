"""One ear per process: live events arrive here once and are handed to every local watcher.

The channel layer is only a doorbell that also carries the fresh event. It may lose anything:
watchers find what is missing in the database.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import orjson
from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer

from conversations.live_event import LiveEvent, to_json
from orkesta.redis_door import REDIS_ERRORS

logger = logging.getLogger(__name__)

#: What a channel layer in trouble raises.
LAYER_ERRORS: Final = (*REDIS_ERRORS, ChannelFull)
RETRY_SECONDS: Final = 1.0
#: A layer that hangs is one that does not answer.
SUBSCRIBE_SECONDS: Final = 2.0
#: Events that wait for one watcher; beyond, it reads the database instead.
MAX_WAITING: Final = 256


def shared_layer() -> BaseChannelLayer | None:
    """The layer by which processes hear of each other; None where there is only this one.

    Channels' in-memory layer would copy every message and look through all of its groups, only to
    bring it back to this hub: with 1,000 sockets that was a sixth of all CPU time.
    """
    layer = get_channel_layer()
    return None if type(layer) is InMemoryChannelLayer else layer


def packed(group: str, events: Sequence[LiveEvent]) -> dict[str, Any]:
    """`events` as one message of the channel layer: JSON once, however many sockets listen."""
    fields = [event.packed() for event in events]
    return {"type": "live.events", "group": group, "events": to_json(fields)}


class Inbox:
    """Events on their way to one watcher. It never grows: an overflow empties it and is noted."""

    __slots__ = ("_events", "_waiter", "has_overflowed")

    def __init__(self) -> None:
        self._events: deque[LiveEvent] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.has_overflowed = False

    def put(self, event: LiveEvent) -> None:
        if len(self._events) >= MAX_WAITING:
            self._events.clear()
            self.has_overflowed = True
        self._events.append(event)
        self.wake()

    def take(self) -> LiveEvent | None:
        return self._events.popleft() if self._events else None

    def wake(self) -> None:
        """Let `wait` return now."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Until an event is here, or `wake` is called, or the time is over."""
        if self._events or seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None


class Hub:
    """The watchers of one event loop, by group, and the task that listens for all of them."""

    def __init__(self) -> None:
        self._rooms: dict[str, set[Inbox]] = {}
        self._channel: str | None = None
        self._listener: asyncio.Task[None] | None = None
        self._subscribing = asyncio.Lock()
        self._deaf: set[str] = set()
        self._mender: asyncio.Task[None] | None = None

    async def join(self, group: str, inbox: Inbox) -> None:
        """Hand `inbox` whatever is published to `group` from now on."""
        self._rooms.setdefault(group, set()).add(inbox)
        try:
            await self._subscribe(group)
        except LAYER_ERRORS as exc:
            logger.warning("The channel layer does not answer; watchers poll: %r", exc)
            self._deaf.add(group)
            if self._mender is None or self._mender.done():
                self._mender = asyncio.create_task(self._mend())

    async def leave(self, group: str, inbox: Inbox) -> None:
        """Hand `inbox` nothing more."""
        room = self._rooms.get(group, set())
        room.discard(inbox)
        if room:
            return
        self._rooms.pop(group, None)
        self._deaf.discard(group)
        await self._unsubscribe(group)
        if not self._rooms:
            self._hang_up()

    def deliver(self, group: str, events: Sequence[LiveEvent]) -> None:
        for inbox in tuple(self._rooms.get(group, ())):
            for event in events:
                inbox.put(event)

    def num_watchers(self, group: str) -> int:
        return len(self._rooms.get(group, ()))

    async def _subscribe(self, group: str) -> None:
        layer = shared_layer()
        if layer is None:
            return
        # One at a time: of two first watchers each would open a channel, and one be listened to.
        async with asyncio.timeout(SUBSCRIBE_SECONDS), self._subscribing:
            if self._channel is None:
                self._channel = await layer.new_channel()
            await layer.group_add(group, self._channel)
            if self._listener is None or self._listener.done():
                self._listener = asyncio.create_task(self._listen(self._channel))

    async def _mend(self) -> None:
        """Subscribe what could not be subscribed, and let its watchers read what they missed."""
        while self._deaf:
            await asyncio.sleep(RETRY_SECONDS)
            for group in tuple(self._deaf):
                try:
                    await self._subscribe(group)
                except LAYER_ERRORS:
                    break
                self._deaf.discard(group)
                for inbox in self._rooms.get(group, ()):
                    inbox.has_overflowed = True
                    inbox.wake()

    def _hang_up(self) -> None:
        """Nobody is left. A layer forgets the channel when the wait for it is cancelled."""
        for task in (self._listener, self._mender):
            if task is not None:
                task.cancel()
        self._listener = self._mender = self._channel = None

    async def _unsubscribe(self, group: str) -> None:
        layer = shared_layer()
        if layer is None or self._channel is None:
            return
        try:
            async with asyncio.timeout(SUBSCRIBE_SECONDS):
                await layer.group_discard(group, self._channel)
            if group in self._rooms:  # somebody joined while we were leaving
                await self._subscribe(group)
        except LAYER_ERRORS as exc:
            logger.warning("The channel layer does not answer: %r", exc)

    async def _listen(self, channel: str) -> None:
        while self._rooms:
            try:
                message = await get_channel_layer().receive(channel)
            except LAYER_ERRORS as exc:
                logger.warning("The channel layer does not answer; watchers poll: %r", exc)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            fields = orjson.loads(message["events"])
            self.deliver(message["group"], [LiveEvent.unpacked(event) for event in fields])


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def get_hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
    return hub
