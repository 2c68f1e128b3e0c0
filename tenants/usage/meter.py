"""What a tenant has spent this month and what calls under way may still cost, shared by all
processes: in Redis, or in this process where there is no Redis.

A call is admitted as long as what is spent and held is below the cap; then it holds what it may
cost at most, and in the end gives that back and adds what it did cost. So however many calls run
at once, the cap is overshot by less than what the last of them held. A hold that nobody settles,
because its process died, expires.

The truth is in the rows (`tenants.usage.totals`): the sum here is read from them when it is
missing, and again every few minutes.
"""

import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Final, Protocol

from orkesta.redis_door import RedisDoor, RedisUnavailable, Script, redis_door
from tenants.usage.money import Amount

#: Longer than any call takes.
HOLD_SECONDS: Final = 900
#: How long a sum is trusted before it is read from the rows again.
SUM_SECONDS: Final = 300
Clock = Callable[[], float]


class Verdict(StrEnum):
    ADMITTED = "admitted"
    """The amount is held."""
    WAIT = "wait"
    """Calls under way may use up the rest: ask again when some have been settled."""
    EXHAUSTED = "exhausted"
    """The cap is reached."""
    UNKNOWN = "unknown"
    """The sum is missing: ask again with it."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Where calls stop; None is unlimited."""

    nano: int | None = None
    tokens: int | None = None

    @property
    def is_set(self) -> bool:
        return self.nano is not None or self.tokens is not None


def judge(*, spent: Amount, held: Amount, caps: Caps) -> Verdict:
    """Whether one more call may begin."""
    pairs = ((caps.nano, spent.nano, held.nano), (caps.tokens, spent.tokens, held.tokens))
    known = [(cap, gone, kept) for cap, gone, kept in pairs if cap is not None]
    if any(gone >= cap for cap, gone, _ in known):
        return Verdict.EXHAUSTED
    if any(gone + kept >= cap for cap, gone, kept in known):
        return Verdict.WAIT
    return Verdict.ADMITTED


@dataclass(frozen=True, slots=True)
class Hold:
    """What a call holds of an account, which is a tenant in a month."""

    account: str
    id: str
    amount: Amount


class Meter(Protocol):
    """What callers need. Nothing here raises when storage fails."""

    async def reserve(self, hold: Hold, caps: Caps, *, spent: Amount | None = None) -> Verdict:
        """Hold the amount, if the verdict is to admit. `spent` is what the rows say, for an account
        whose sum is missing.
        """

    async def settle(self, hold: Hold, used: Amount) -> None:
        """Give the amount back and add what was used."""


@dataclass(slots=True)
class _Account:
    spent: Amount
    good_until: float
    holds: dict[str, tuple[Amount, float]] = field(default_factory=dict)


class MemoryMeter:
    """Of this process alone; may be used from any thread."""

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}

    async def reserve(self, hold: Hold, caps: Caps, *, spent: Amount | None = None) -> Verdict:
        with self._lock:
            now = self._clock()
            account = self._account(hold.account, now, spent)
            if account is None:
                return Verdict.UNKNOWN
            account.holds = {id_: kept for id_, kept in account.holds.items() if kept[1] > now}
            held = sum((amount for amount, _ in account.holds.values()), Amount())
            verdict = judge(spent=account.spent, held=held, caps=caps)
            if verdict is Verdict.ADMITTED:
                account.holds[hold.id] = (hold.amount, now + HOLD_SECONDS)
            return verdict

    async def settle(self, hold: Hold, used: Amount) -> None:
        with self._lock:
            account = self._accounts.get(hold.account)
            if account is not None:
                account.holds.pop(hold.id, None)
                account.spent += used

    def _account(self, name: str, now: float, spent: Amount | None) -> _Account | None:
        account = self._accounts.get(name)
        if account is not None and account.good_until > now:
            return account
        if spent is None:
            return None
        if account is None:
            account = self._accounts[name] = _Account(spent, now + SUM_SECONDS)
        else:
            account.spent, account.good_until = spent, now + SUM_SECONDS
        return account


# KEYS: sum, holds. ARGV: id, nano, tokens, cap of nano, cap of tokens (empty: none), spent nano,
# spent tokens (empty: not known), seconds of a hold, seconds of a sum.
RESERVE = Script("""
local now = tonumber(redis.call('TIME')[1])
if redis.call('EXISTS', KEYS[1]) == 0 then
  if ARGV[6] == '' then return 'unknown' end
  redis.call('HSET', KEYS[1], 'nano', ARGV[6], 'tokens', ARGV[7])
  redis.call('EXPIRE', KEYS[1], ARGV[9])
end
local sum = redis.call('HMGET', KEYS[1], 'nano', 'tokens')
local spent = {tonumber(sum[1]), tonumber(sum[2])}
local held = {0, 0}
local holds = redis.call('HGETALL', KEYS[2])
for index = 1, #holds, 2 do
  local nano, tokens, ends = string.match(holds[index + 1], '(%d+):(%d+):(%d+)')
  if tonumber(ends) <= now then
    redis.call('HDEL', KEYS[2], holds[index])
  else
    held[1], held[2] = held[1] + nano, held[2] + tokens
  end
end
local must_wait = false
for index = 1, 2 do
  local cap = tonumber(ARGV[3 + index])
  if cap then
    if spent[index] >= cap then return 'exhausted' end
    if spent[index] + held[index] >= cap then must_wait = true end
  end
end
if must_wait then return 'wait' end
local ends = string.format('%.0f', now + ARGV[8])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ':' .. ARGV[3] .. ':' .. ends)
redis.call('EXPIRE', KEYS[2], ARGV[8])
return 'admitted'
""")

# KEYS: sum, holds. ARGV: id, nano, tokens. A sum that is missing will be read from the rows.
SETTLE = Script("""
redis.call('HDEL', KEYS[2], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'nano', ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'tokens', ARGV[3])
end
return 1
""")


class RedisMeter:
    """Shared by all processes. While Redis is gone each process counts for itself, from what the
    rows say.
    """

    def __init__(self, door: RedisDoor) -> None:
        self._door = door
        self._local = MemoryMeter()

    async def reserve(self, hold: Hold, caps: Caps, *, spent: Amount | None = None) -> Verdict:
        args: list[str | int] = [hold.id, hold.amount.nano, hold.amount.tokens]
        args += ["" if cap is None else cap for cap in (caps.nano, caps.tokens)]
        args += ["", ""] if spent is None else [spent.nano, spent.tokens]
        args += [HOLD_SECONDS, SUM_SECONDS]
        try:
            answer = await self._door.arun(RESERVE, keys=_keys(hold), args=args)
        except RedisUnavailable:
            return await self._local.reserve(hold, caps, spent=spent)
        return Verdict(answer.decode() if isinstance(answer, bytes) else answer)

    async def settle(self, hold: Hold, used: Amount) -> None:
        await self._local.settle(hold, used)
        args: list[str | int] = [hold.id, used.nano, used.tokens]
        try:
            await self._door.arun(SETTLE, keys=_keys(hold), args=args)
        except RedisUnavailable:
            return  # the hold expires, and the rows know better than any sum


def _keys(hold: Hold) -> list[str]:
    # The braces are part of the key: Redis Cluster keeps an account's keys on one node by them.
    return [f"orkesta:{{{hold.account}}}:spent", f"orkesta:{{{hold.account}}}:held"]


async def reserve(
    meter: Meter, hold: Hold, caps: Caps, *, read_spent: Callable[[], Awaitable[Amount]]
) -> Verdict:
    """`Meter.reserve`, which reads what was spent when the meter does not know."""
    verdict = await meter.reserve(hold, caps)
    if verdict is Verdict.UNKNOWN:
        verdict = await meter.reserve(hold, caps, spent=await read_spent())
    return verdict


@cache
def usage_meter() -> Meter:
    """The meter of this installation."""
    door = redis_door()
    return MemoryMeter() if door is None else RedisMeter(door)
