"""How many connections a tenant, and each of its users, may have open: exact over all processes.

Each process writes what it has into a hash of Redis, one per tenant and one per user, before it
lets another connection in; the script that writes refuses one that does not fit with what the
others have written. Entries are renewed, so those of a process that died count for `SECONDS_KEPT`
at most.
Without Redis a process counts by itself, beside what the others have told it lately.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from conversations.connections import RETRY_SECONDS, Connections, Owner, Room, Seat
from orkesta.redis_door import RedisDoor, RedisUnavailable, Script
from tenants.errors import SocketsExhausted

SECONDS_KEPT: Final = 30.0
SECONDS_BETWEEN: Final = 8.0
# KEYS: the tenant's hash, the user's. ARGV: the process, milliseconds an entry lives, then for each
# key what the process has with the new one and the limit (empty: none).
_TAKE: Final = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function elsewhere(key)
  local told, sum = redis.call('HGETALL', key), 0
  for index = 1, #told, 2 do
    local num, till = string.match(told[index + 1], '^(%d+) (%d+)$')
    if tonumber(till) <= now then
      redis.call('HDEL', key, told[index])
    elseif told[index] ~= ARGV[1] then
      sum = sum + tonumber(num)
    end
  end
  return sum
end
for index = 1, 2 do
  local limit = tonumber(ARGV[2 * index + 2])
  if limit and elsewhere(KEYS[index]) + tonumber(ARGV[2 * index + 1]) > limit then return 0 end
end
local till = string.format('%.0f', now + tonumber(ARGV[2]))
for index = 1, 2 do
  redis.call('HSET', KEYS[index], ARGV[1], ARGV[2 * index + 1] .. ' ' .. till)
  redis.call('PEXPIRE', KEYS[index], ARGV[2])
end
return 1
""")
# KEYS: hashes. ARGV: the process, milliseconds an entry lives, what the process has of each.
_WRITE: Final = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local till = string.format('%.0f', now + tonumber(ARGV[2]))
for index = 1, #KEYS do
  if ARGV[index + 2] == '0' then
    redis.call('HDEL', KEYS[index], ARGV[1])
  else
    redis.call('HSET', KEYS[index], ARGV[1], ARGV[index + 2] .. ' ' .. till)
    redis.call('PEXPIRE', KEYS[index], ARGV[2])
  end
end
return 1
""")


class Places:
    """One process's part in it. Lives on one event loop, as the connections do."""

    def __init__(
        self,
        door: RedisDoor | None,
        own: Connections,
        *,
        name: str = "",
        seconds_kept: float = SECONDS_KEPT,
    ) -> None:
        self._door = door
        self._own = own
        self._name = name
        self._milliseconds = int(seconds_kept * 1000)
        #: Tenants for which a limit has been met with here: of others nobody needs to know.
        self._limited: set[UUID] = set()
        self._left: set[Owner] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None
        own.on_left = self._on_left

    async def take(self, seat: Seat, owner: Owner, room: Room) -> None:
        """Count the seat as this owner's. Raises SocketsExhausted when it does not fit."""
        self._own.take(seat, owner)
        try:
            if not await self._fits(owner, room):
                raise SocketsExhausted(retry_after=RETRY_SECONDS)
        except BaseException:
            self._own.leave(seat)
            raise

    async def renew(self) -> None:
        """Tell the others that what this process has written still holds."""
        owners: dict[UUID, list[Owner]] = defaultdict(list)
        for owner in self._own.by_owner:
            if owner.tenant_id in self._limited:
                owners[owner.tenant_id].append(owner)
        self._limited.intersection_update(owners)
        for ours in owners.values():
            await self._write(ours)

    async def _fits(self, owner: Owner, room: Room) -> bool:
        if not room.is_limited:
            return True
        if self._door is None:
            return self._own.has_room(owner, room)
        self._limited.add(owner.tenant_id)
        async with self._lock():
            own = (self._own.by_tenant[owner.tenant_id], self._own.by_owner[owner])
            args: list[str | int] = [self._name, self._milliseconds]
            for num, limit in zip(own, (room.tenant, room.user), strict=True):
                args += [num, "" if limit is None else limit]
            try:
                return bool(await self._door.arun(_TAKE, keys=_keys([owner]), args=args))
            except RedisUnavailable:
                return self._own.has_room(owner, room)

    def _on_left(self, owner: Owner) -> None:
        if self._door is None or owner.tenant_id not in self._limited:
            return
        self._left.add(owner)
        if self._writing is None or self._writing.done():
            loop = asyncio._get_running_loop()
            if loop is not None:  # else `renew` tells it
                self._writing = loop.create_task(self._tell_of_the_left())

    async def _tell_of_the_left(self) -> None:
        while self._left:
            await self._write([self._left.pop()])

    async def _write(self, owners: list[Owner]) -> None:
        """What the process has of one tenant, and of these users of it."""
        if self._door is None:
            return
        async with self._lock():
            counts = [self._own.by_tenant[owners[0].tenant_id]]
            counts += [self._own.by_owner[owner] for owner in owners]
            args: list[str | int] = [self._name, self._milliseconds, *counts]
            try:
                await self._door.arun(_WRITE, keys=_keys(owners), args=args)
            except RedisUnavailable:
                return  # the entries expire

    def _lock(self) -> asyncio.Lock:
        """One after the other, so that no older count is written over a newer one."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._turn = loop, asyncio.Lock()
        return self._turn


def _keys(owners: Iterable[Owner]) -> list[str]:
    """The hash of the tenant, and those of its users; all on one node of a Redis Cluster."""
    keys: list[str] = []
    for owner in owners:
        tenant = f"orkesta:{{{owner.tenant_id.hex}}}:sockets"
        if not keys:
            keys.append(tenant)
        user = hashlib.sha256(owner.user.encode()).hexdigest()[:32]
        keys.append(f"{tenant}:{user}")
    return keys
