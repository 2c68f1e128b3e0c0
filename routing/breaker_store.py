"""Where breakers live: in this process, or in Redis for all processes at once.

Both stores follow `routing.breaker`. The Redis one does so in Lua, because deciding and writing
must be one step for all callers; a test feeds both the same random histories and compares.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol
from uuid import UUID

from orkesta.redis_door import RedisDoor, RedisUnavailable, redis_door
from routing.breaker import (
    CLEAN,
    DEFAULT_RULES,
    Admission,
    BreakerRules,
    BreakerState,
    BreakerStatus,
    Outcome,
    after_call,
    before_call,
    refusal,
    seen_at,
)
from routing.breaker_scripts import ADMIT, READ, REPORT, RESET

TenantId = UUID | str | int
Clock = Callable[[], int]

# A breaker that nobody asks about is forgotten, and so closed, after a day.
FORGET_MS = 24 * 3600 * 1000
# For so long a process lets calls through to what it has heard to be well without asking again:
# what other processes find out reaches it that much later, and most calls cost no round trip.
FRESH_SECONDS = 0.5


class BreakerStore(Protocol):
    """What callers need of a store. Nothing here raises when storage fails."""

    async def admit(self, tenant_id: TenantId, name: str) -> Admission:
        """Ask before a call. Whoever is let through must `report`, a cancelled call included."""

    async def report(
        self, tenant_id: TenantId, name: str, outcome: Outcome, probe: int = 0
    ) -> BreakerState:
        """Say how a call ended; `probe` as its admission said."""

    async def read(self, tenant_id: TenantId, name: str) -> BreakerState:
        """The state as it looks now; asking takes no probe."""

    async def glance(self, tenant_id: TenantId, name: str) -> BreakerState:
        """The state as this process has last heard of it: after a call, as that call found it."""

    async def read_many(self, tenant_id: TenantId, names: Sequence[str]) -> dict[str, BreakerState]:
        """`read` for many names at once."""

    async def reset(self, tenant_id: TenantId, name: str) -> None:
        """Close the breaker and forget its failures."""


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


class MemoryBreakerStore:
    """Breakers of this process alone; may be used from any thread."""

    def __init__(self, *, rules: BreakerRules = DEFAULT_RULES, clock: Clock = _wall_clock) -> None:
        self._rules = rules
        self._clock = clock
        self._lock = threading.Lock()
        self._states: dict[tuple[str, str], BreakerState] = {}

    async def admit(self, tenant_id: TenantId, name: str) -> Admission:
        key = (str(tenant_id), name)
        with self._lock:
            state = self._states.get(key, CLEAN)
            admission = before_call(state, self._clock(), rules=self._rules)
            self._keep(key, admission.state)
        return admission

    async def report(
        self, tenant_id: TenantId, name: str, outcome: Outcome, probe: int = 0
    ) -> BreakerState:
        key = (str(tenant_id), name)
        with self._lock:
            before = self._states.get(key, CLEAN)
            state = after_call(before, outcome, self._clock(), probe=probe, rules=self._rules)
            self._keep(key, state)
        return state

    async def read(self, tenant_id: TenantId, name: str) -> BreakerState:
        state = self._states.get((str(tenant_id), name), CLEAN)
        return seen_at(state, self._clock(), rules=self._rules)

    glance = read

    async def read_many(self, tenant_id: TenantId, names: Sequence[str]) -> dict[str, BreakerState]:
        return {name: await self.read(tenant_id, name) for name in names}

    async def reset(self, tenant_id: TenantId, name: str) -> None:
        with self._lock:
            self._states.pop((str(tenant_id), name), None)

    def _keep(self, key: tuple[str, str], state: BreakerState) -> None:
        if state == CLEAN:
            self._states.pop(key, None)
        else:
            self._states[key] = state


@dataclass(frozen=True, slots=True)
class _Seen:
    state: BreakerState
    now: int


@dataclass(frozen=True, slots=True)
class _Heard:
    """What this process heard of a breaker last, and when by the monotonic clock."""

    state: BreakerState
    at: float


def _seen(row: Sequence[bytes | int]) -> _Seen:
    status, failures, opened_at, probe_until, now = row
    name = status.decode() if isinstance(status, bytes) else str(status)
    state = BreakerState(BreakerStatus(name), int(failures), int(opened_at), int(probe_until))
    return _Seen(state, int(now))


class RedisBreakerStore:
    """Breakers shared by all processes. While Redis is gone each process has breakers of its own;
    when it is back the shared ones apply again, as they were.

    A success is told only when there is something to forget: as long as the last that this process
    heard of a breaker is that it is clean, it stays so. And what was clean `fresh_seconds` ago is
    not asked again, so that of many good calls one in half a second costs a round trip. A failure
    is told at once, and ends that in the process that met it.
    """

    def __init__(
        self,
        door: RedisDoor,
        *,
        rules: BreakerRules = DEFAULT_RULES,
        clock: Clock | None = None,
        fresh_seconds: float = FRESH_SECONDS,
    ) -> None:
        self._door = door
        self._fresh_seconds = fresh_seconds
        self._rules = rules
        self._clock = clock
        self._local = MemoryBreakerStore(rules=rules, clock=clock or _wall_clock)
        self._last_heard: dict[str, _Heard] = {}

    async def admit(self, tenant_id: TenantId, name: str) -> Admission:
        key = _key(tenant_id, name)
        if self._is_surely_clean(key):
            return Admission(True, False, CLEAN, 0.0)
        try:
            answer, *row = await self._door.arun(ADMIT, keys=[key], args=self._args())
        except RedisUnavailable:
            self._last_heard.pop(key, None)
            return await self._local.admit(tenant_id, name)
        seen = _seen(row)
        self._hear(key, seen.state)
        if answer == b"refused":
            return refusal(seen.state, seen.now, rules=self._rules)
        return Admission(True, answer == b"probe", seen.state, 0.0)

    async def report(
        self, tenant_id: TenantId, name: str, outcome: Outcome, probe: int = 0
    ) -> BreakerState:
        key, args = _key(tenant_id, name), [*self._args(), outcome.value, probe]
        is_news = bool(probe) or outcome is Outcome.FAILURE
        if not is_news and (heard := self._last_heard.get(key)) and heard.state == CLEAN:
            return CLEAN
        try:
            row = await self._door.arun(REPORT, keys=[key], args=args)
        except RedisUnavailable:
            self._last_heard.pop(key, None)
            return await self._local.report(tenant_id, name, outcome, probe)
        return self._hear(key, _seen(row).state)

    async def read(self, tenant_id: TenantId, name: str) -> BreakerState:
        return (await self.read_many(tenant_id, [name]))[name]

    async def glance(self, tenant_id: TenantId, name: str) -> BreakerState:
        heard = self._last_heard.get(_key(tenant_id, name))
        return await self.read(tenant_id, name) if heard is None else heard.state

    async def read_many(self, tenant_id: TenantId, names: Sequence[str]) -> dict[str, BreakerState]:
        if not names:
            return {}
        keys = [_key(tenant_id, name) for name in names]
        try:
            rows = await self._door.arun(READ, keys=keys, args=self._args())
        except RedisUnavailable:
            return await self._local.read_many(tenant_id, names)
        return {name: _seen(row).state for name, row in zip(names, rows, strict=True)}

    async def reset(self, tenant_id: TenantId, name: str) -> None:
        await self._local.reset(tenant_id, name)
        self._last_heard.pop(_key(tenant_id, name), None)
        try:
            await self._door.arun(RESET, keys=[_key(tenant_id, name)], args=[])
        except RedisUnavailable:
            return

    def _hear(self, key: str, state: BreakerState) -> BreakerState:
        self._last_heard[key] = _Heard(state, time.monotonic())
        return state

    def _is_surely_clean(self, key: str) -> bool:
        heard = self._last_heard.get(key)
        return (
            heard is not None
            and heard.state == CLEAN
            and time.monotonic() - heard.at < self._fresh_seconds
        )

    def _args(self) -> list[str | int]:
        rules = self._rules
        now = "" if self._clock is None else self._clock()
        return [rules.failure_threshold, rules.open_ms, rules.probe_lease_ms, FORGET_MS, now]


def _key(tenant_id: TenantId, name: str) -> str:
    # The braces are part of the key: Redis Cluster keeps a tenant's keys on one node by them.
    return f"orkesta:{{{tenant_id}}}:breaker:{name}"


@cache
def breaker_store() -> BreakerStore:
    """The store of this installation: shared where there is Redis, else this process's."""
    door = redis_door()
    return MemoryBreakerStore() if door is None else RedisBreakerStore(door)
