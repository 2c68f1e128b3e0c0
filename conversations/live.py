"""Telling watchers what happened. Rows are the truth: every one of these messages may be lost.

The hub is not thread-safe, so events always leave from the server's event loop (`bind_loop`),
whichever thread they come from. Publishing never blocks and never raises.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from asgiref.sync import async_to_sync
from django.db import transaction

from conversations.hub import LAYER_ERRORS, get_hub, packed, shared_layer
from conversations.live_event import EPHEMERAL, EventType, LiveEvent

__all__ = [
    "EPHEMERAL",
    "EventType",
    "LiveEvent",
    "bind_loop",
    "group_name",
    "publish",
    "publish_on_commit",
    "server_loop",
]

logger = logging.getLogger(__name__)

#: Events that may wait for a channel layer that hangs; beyond, they are dropped.
MAX_WAITING: Final = 20_000
SECONDS_BETWEEN_COMPLAINTS: Final = 60.0

_server_loop: asyncio.AbstractEventLoop | None = None


def bind_loop() -> None:
    """Publish from the running event loop from now on. The server's first act on its loop."""
    global _server_loop
    _server_loop = asyncio.get_running_loop()


def server_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop bound by `bind_loop`, while it is open; else the running one, if any."""
    if _server_loop is not None and not _server_loop.is_closed():
        return _server_loop
    return asyncio._get_running_loop()


def group_name(tenant_id: UUID, session_id: UUID) -> str:
    """Name of the channel layer group of a session's watchers."""
    return f"live.{tenant_id.hex}.{session_id.hex}"


def publish_on_commit(tenant_id: UUID, session_id: UUID, events: Sequence[LiveEvent]) -> None:
    """Tell watchers once the current transaction is committed; at once outside of one.

    From any thread. In a process without a server (a management command) the events leave only
    through a layer that reaches other processes.
    """
    if events:
        group = group_name(tenant_id, session_id)
        transaction.on_commit(partial(_hand_over, group, tuple(events)), robust=True)


async def publish(tenant_id: UUID, session_id: UUID, events: Sequence[LiveEvent]) -> None:
    """Tell watchers. Returns at once: the events leave in the background, in order."""
    if events:
        _hand_over(group_name(tenant_id, session_id), tuple(events))


def _hand_over(group: str, events: Sequence[LiveEvent]) -> None:
    here, loop = asyncio._get_running_loop(), server_loop()
    if loop is None:
        if shared_layer() is not None:
            async_to_sync(_send)(group, events)
    elif loop is here:
        _put(group, events)
    else:
        try:
            loop.call_soon_threadsafe(_put, group, events)
        except RuntimeError:  # closed since we looked: nobody is watching any more
            return


def _put(group: str, events: Sequence[LiveEvent]) -> None:
    if shared_layer() is None:
        get_hub().deliver(group, events)
    else:
        _outbox(asyncio.get_running_loop()).put(group, events)


class _Outbox:
    """What waits to be sent from one event loop. While a message is under way, later events of
    its group are gathered into the next one.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[LiveEvent]] = {}
        self._num_waiting = 0
        self._sender: asyncio.Task[None] | None = None

    def put(self, group: str, events: Sequence[LiveEvent]) -> None:
        if self._num_waiting > MAX_WAITING:
            _complain("The channel layer hangs; live events are dropped.")
            return
        self._waiting.setdefault(group, []).extend(events)
        self._num_waiting += len(events)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting, self._num_waiting = self._waiting, {}, 0
            await asyncio.gather(*(_send(group, events) for group, events in batch.items()))


async def _send(group: str, events: Sequence[LiveEvent]) -> None:
    layer = shared_layer()
    if layer is None:
        return
    try:
        await layer.group_send(group, packed(group, events))
    except LAYER_ERRORS as exc:
        _complain(f"The channel layer does not answer; only this process is told ({exc!r}).")
        get_hub().deliver(group, events)


_outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Outbox] = WeakKeyDictionary()


def _outbox(loop: asyncio.AbstractEventLoop) -> _Outbox:
    outbox = _outboxes.get(loop)
    if outbox is None:
        outbox = _outboxes[loop] = _Outbox()
    return outbox


_complained_at = -SECONDS_BETWEEN_COMPLAINTS


def _complain(message: str) -> None:
    global _complained_at
    now = time.monotonic()
    if now - _complained_at >= SECONDS_BETWEEN_COMPLAINTS:
        _complained_at = now
        logger.warning(message)
