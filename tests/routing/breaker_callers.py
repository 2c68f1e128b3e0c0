"""A process of callers: `python -m tests.routing.breaker_callers URL NAME COUNT`.

A racer (`tests.racers`) in which COUNT coroutines ask at once; its result is how many were let
through as probes and how many otherwise.
"""

import asyncio
import sys

from orkesta.redis_door import RedisDoor
from routing.breaker import BreakerRules
from routing.breaker_store import RedisBreakerStore
from tests.racers import finish, wait_for_start


async def main(url: str, name: str, count: int) -> None:
    door = RedisDoor(url)
    store = RedisBreakerStore(door, rules=BreakerRules(open_ms=1))
    await store.read("acme", name)  # the connection is there before the race begins
    wait_for_start()
    admissions = await asyncio.gather(*(store.admit("acme", name) for _ in range(count)))
    probes = sum(admission.is_probe for admission in admissions)
    allowed = sum(admission.allowed for admission in admissions)
    finish(f"{probes} {allowed - probes}")
    await door.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
