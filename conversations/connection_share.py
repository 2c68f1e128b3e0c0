"""Processes tell each other how many connections they have, through Redis.

One hash holds an entry for each process, stamped with Redis's clock. Every process renews its own
every few seconds and gets the others'; who has not been heard of for a while is dropped.
"""

import asyncio
import os
import socket
from dataclasses import asdict
from functools import cache
from typing import Final
from uuid import uuid4

import orjson

from conversations.connections import Connections, Count, Owner, Room, Seat, connections
from conversations.places import SECONDS_BETWEEN as SECONDS_BETWEEN_RENEWALS
from conversations.places import Places
from orkesta.redis_door import RedisDoor, RedisUnavailable, Script, redis_door

SECONDS_BETWEEN: Final = 2.0
SECONDS_KEPT: Final = 10.0
#: Of the whole installation, so no tenant is part of it.
KEY: Final = "orkesta:{connections}"
# KEYS: the hash. ARGV: the process, its count, milliseconds an entry lives.
_EXCHANGE: Final = Script("""
local time = redis.call('TIME')
local now, kept = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], kept)
local told, others = redis.call('HGETALL', KEYS[1]), {}
for index = 1, #told, 2 do
  local at, count = string.match(told[index + 1], '^(%d+) (.*)$')
  if now - tonumber(at) > kept then
    redis.call('HDEL', KEYS[1], told[index])
  elseif told[index] ~= ARGV[1] then
    others[#others + 1] = count
  end
end
return others
""")


class ConnectionShare:
    """One process's part in it. Lives on one event loop, as the connections do."""

    def __init__(
        self,
        door: RedisDoor,
        own: Connections,
        *,
        seconds_between: float = SECONDS_BETWEEN,
        seconds_kept: float = SECONDS_KEPT,
    ) -> None:
        self._door = door
        self._own = own
        self._seconds_between = seconds_between
        self._seconds_kept = seconds_kept
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.places = Places(door, own, name=self._name)
        self._renew_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard_at = 0.0
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin on the running loop, unless it has begun there already."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._tick(loop)

    async def exchange(self) -> None:
        """Tell the others, and hear of them. While Redis is gone what they said last holds for as
        long as an entry lives.
        """
        now = asyncio.get_running_loop().time()
        count = orjson.dumps(asdict(self._own.count())).decode()
        args: list[str | int] = [self._name, count, int(self._seconds_kept * 1000)]
        try:
            told = await self._door.arun(_EXCHANGE, keys=[KEY], args=args)
        except RedisUnavailable:
            if now - self._heard_at > self._seconds_kept:
                self._own.others = ()
            return
        self._heard_at = now
        self._own.others = [Count(**orjson.loads(text)) for text in told]

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        # A timer and not a task that sleeps: a server that stops need not wait for a timer.
        if self._loop is not loop:
            return
        if self._running is None or self._running.done():
            self._running = loop.create_task(self._meet(loop))
        loop.call_later(self._seconds_between, self._tick, loop)

    async def _meet(self, loop: asyncio.AbstractEventLoop) -> None:
        await self.exchange()
        if loop.time() >= self._renew_at:
            self._renew_at = loop.time() + SECONDS_BETWEEN_RENEWALS
            await self.places.renew()


def share_connections() -> None:
    """Let this process take part, where there is a Redis. Cheap, and may be called again."""
    share = _share()
    if share is not None:
        share.start()


async def take_place(seat: Seat, owner: Owner, room: Room) -> None:
    """Count an open connection as this owner's. Raises SocketsExhausted when it does not fit."""
    await _places().take(seat, owner, room)


@cache
def _places() -> Places:
    share = _share()
    return Places(None, connections) if share is None else share.places


@cache
def _share() -> ConnectionShare | None:
    door = redis_door()
    return None if door is None else ConnectionShare(door, connections)
