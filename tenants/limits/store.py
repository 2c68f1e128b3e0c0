"""Where limits are counted: in this process, or in Redis for all processes at once.

A call names all the buckets it draws on, and they are asked in one step: either all admit it and
all are charged, or none is. The Lua of the Redis store and `tenants.limits.gcra` compute the same;
a test compares them.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol
from uuid import UUID

from django.conf import settings

from orkesta.redis_door import RedisDoor, RedisUnavailable, Script, redis_door
from tenants.limits.decision import LimitDecision, decide, unlimited
from tenants.limits.gcra import Bucket, charged, wait

TenantId = UUID | str | int
Clock = Callable[[], int]

SWEEP_FROM = 1024


class LimitStore(Protocol):
    """What callers need of a store. Nothing here raises when storage fails."""

    def check(self, tenant_id: TenantId, buckets: Sequence[Bucket]) -> LimitDecision:
        """Charge all `buckets`, or none if one of them is used up. No bucket, no limit."""

    async def acheck(self, tenant_id: TenantId, buckets: Sequence[Bucket]) -> LimitDecision:
        """`check` for coroutines."""


def _monotonic_clock() -> int:
    return time.monotonic_ns() // 1000


class MemoryLimitStore:
    """Limits of this process alone; may be used from any thread."""

    def __init__(self, *, clock: Clock = _monotonic_clock, degraded: bool = False) -> None:
        self._clock = clock
        self._degraded = degraded
        self._lock = threading.Lock()
        self._tats: dict[tuple[str, str, str], int] = {}
        self._sweep_at = SWEEP_FROM

    def check(self, tenant_id: TenantId, buckets: Sequence[Bucket]) -> LimitDecision:
        if not buckets:
            return unlimited()
        keys = [(str(tenant_id), bucket.name, bucket.key) for bucket in buckets]
        with self._lock:
            tats = [self._tats.get(key, 0) for key in keys]
            now = self._clock()
            asked = list(zip(buckets, tats, strict=True))
            allowed = all(wait(bucket, tat=tat, now=now) == 0 for bucket, tat in asked)
            if allowed:
                tats = [charged(bucket, tat=tat, now=now) for bucket, tat in asked]
                self._tats.update(zip(keys, tats, strict=True))
                self._sweep(now)
        return decide(buckets, tats, now, allowed=allowed, degraded=self._degraded)

    async def acheck(self, tenant_id: TenantId, buckets: Sequence[Bucket]) -> LimitDecision:
        return self.check(tenant_id, buckets)

    def _sweep(self, now: int) -> None:
        """Forget full buckets, whenever there are twice as many as were left the last time."""
        if len(self._tats) < self._sweep_at:
            return
        self._tats = {key: tat for key, tat in self._tats.items() if tat > now}
        self._sweep_at = max(SWEEP_FROM, 2 * len(self._tats))


# KEYS: the buckets. ARGV: now (empty: the server's clock), then interval, limit and cost of each.
# Answers 1 or 0, now, and the TAT of each bucket: after the charge, or as it stands.
CHECK = Script("""
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local stored = redis.call('MGET', unpack(KEYS))
local allowed, before, after = 1, {}, {}
for index = 1, #KEYS do
  local interval = tonumber(ARGV[index * 3 - 1])
  local limit, cost = tonumber(ARGV[index * 3]), tonumber(ARGV[index * 3 + 1])
  before[index] = tonumber(stored[index] or 0)
  after[index] = math.max(before[index], now) + cost * interval
  if after[index] - now > limit * interval then allowed = 0 end
end
if allowed == 0 then return {0, now, unpack(before)} end

for index = 1, #KEYS do
  if after[index] > now then
    -- One more than needed: Redis cuts its own clock to milliseconds, and must not forget early.
    local milliseconds = math.ceil((after[index] - now) / 1000) + 1
    redis.call('SET', KEYS[index], string.format('%.0f', after[index]), 'PX', milliseconds)
  end
end
return {1, now, unpack(after)}
""")


class RedisLimitStore:
    """Limits shared by all processes. While Redis is gone each of `num_processes` counts alone, up
    to its share of the limits, and says so (`degraded`).
    """

    def __init__(
        self, door: RedisDoor, *, clock: Clock | None = None, num_processes: int = 1
    ) -> None:
        self._door = door
        self._clock = clock
        self._num_processes = num_processes
        self._local = MemoryLimitStore(degraded=True)

    def check(self, tenant_id: TenantId, buckets: Sequence[Bucket]) -> LimitDecision:
        if not buckets:
            return unlimited()
        keys, args = self._call(tenant_id, buckets)
        try:
            answer = self._door.run(CHECK, keys=keys, args=args)
        except RedisUnavailable:
            return self._local.check(tenant_id, self._share(buckets))
        return _decision(buckets, answer)

    async def acheck(self, tenant_id: TenantId, buckets: Sequence[Bucket]) -> LimitDecision:
        if not buckets:
            return unlimited()
        keys, args = self._call(tenant_id, buckets)
        try:
            answer = await self._door.arun(CHECK, keys=keys, args=args)
        except RedisUnavailable:
            return self._local.check(tenant_id, self._share(buckets))
        return _decision(buckets, answer)

    def _share(self, buckets: Sequence[Bucket]) -> list[Bucket]:
        """What this process may let through by itself: at least one."""
        return [
            replace(bucket, limit=max(1, bucket.limit // self._num_processes)) for bucket in buckets
        ]

    def _call(
        self, tenant_id: TenantId, buckets: Sequence[Bucket]
    ) -> tuple[list[str], list[str | int]]:
        # The braces are part of the key: Redis Cluster keeps a tenant's keys on one node by them.
        keys = [f"orkesta:{{{tenant_id}}}:limit:{bucket.name}:{bucket.key}" for bucket in buckets]
        args: list[str | int] = ["" if self._clock is None else self._clock()]
        for bucket in buckets:
            args += [bucket.interval, bucket.limit, bucket.cost]
        return keys, args


def _decision(buckets: Sequence[Bucket], answer: Sequence[int]) -> LimitDecision:
    allowed, now, *tats = answer
    return decide(buckets, tats, now, allowed=bool(allowed), degraded=False)


@cache
def limit_store() -> LimitStore:
    """The store of this installation: shared where there is Redis, else this process's."""
    door = redis_door()
    if door is None:
        return MemoryLimitStore()
    return RedisLimitStore(door, num_processes=settings.ORKESTA_WEB_PROCESSES)
