"""A process of callers of one breaker, through all its states: `… breaker_cycle URL NAME COUNT`.

A racer (`tests.racers`). Two of them keep step by a counter in Redis; the clock is told, so that no
time passes. Its result is, for each turn, how many callers were let through and how many as probes.
"""

import asyncio
import sys

from orkesta.redis_door import RedisDoor, Script
from routing.breaker import Admission, BreakerRules, Outcome
from routing.breaker_store import RedisBreakerStore
from tests.fakes.clock import ManualClock
from tests.racers import finish, wait_for_start

RULES = BreakerRules(failure_threshold=5, open_ms=1000, probe_lease_ms=1000)
#: When the callers come, in ms, and what those that are let through report.
TURNS = (
    (0, Outcome.FAILURE),
    (999, Outcome.FAILURE),
    (1000, Outcome.FAILURE),
    (1999, Outcome.FAILURE),
    (2000, Outcome.ABANDONED),
    (2000, Outcome.SUCCESS),
    (2001, Outcome.SUCCESS),
)
NUM_PROCESSES = 2
COUNT_UP = Script("return redis.call('INCR', KEYS[1])")
COUNTED = Script("return tonumber(redis.call('GET', KEYS[1]) or 0)")


async def meet(door: RedisDoor, key: str, number: int) -> None:
    """Wait until all processes have come here for the `number`th time."""
    await door.arun(COUNT_UP, keys=[key], args=[])
    while await door.arun(COUNTED, keys=[key], args=[]) < number * NUM_PROCESSES:
        await asyncio.sleep(0.001)


async def main(url: str, name: str, count: int) -> None:
    door, clock, told = RedisDoor(url), ManualClock(0), list[str]()
    store = RedisBreakerStore(door, rules=RULES, clock=clock)
    await store.read("acme", name)
    wait_for_start()
    for turn, (now, outcome) in enumerate(TURNS):
        clock.now = now
        asked = [store.admit("acme", name) for _ in range(count)]
        admissions = [one for one in await asyncio.gather(*asked) if one.allowed]
        await meet(door, name, 2 * turn + 1)
        await asyncio.gather(*(_report(store, name, one, outcome) for one in admissions))
        await meet(door, name, 2 * turn + 2)
        told.append(f"{len(admissions)}/{sum(one.is_probe for one in admissions)}")
    finish(" ".join(told))
    await door.aclose()


async def _report(
    store: RedisBreakerStore, name: str, admission: Admission, outcome: Outcome
) -> None:
    await store.report("acme", name, outcome, admission.probe)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
