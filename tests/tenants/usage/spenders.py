"""A racer (`tests.racers`): `python -m tests.tenants.usage.spenders URL ACCOUNT CALLS CAP COST`.

CALLS calls at once spend COST each, as long as the meter lets them; its result is what was spent.
"""

import asyncio
import sys

from orkesta.redis_door import RedisDoor
from tenants.usage.meter import Caps, Hold, RedisMeter, Verdict
from tenants.usage.money import Amount
from tests.racers import finish, wait_for_start


async def spend(url: str, account: str, num_calls: int, *, cap: int, cost: int) -> int:
    """What they spent together."""
    door = RedisDoor(url)
    meter = RedisMeter(door)

    async def call(number: int) -> int:
        hold = Hold(account, f"{id(door)}-{number}", Amount(cost))
        while True:
            verdict = await meter.reserve(hold, Caps(cap), spent=Amount())
            if verdict is Verdict.EXHAUSTED:
                return 0
            if verdict is Verdict.ADMITTED:
                await asyncio.sleep(0.001)
                await meter.settle(hold, Amount(cost))
                return cost
            await asyncio.sleep(0.002)

    spent = sum(await asyncio.gather(*(call(number) for number in range(num_calls))))
    await door.aclose()
    return spent


if __name__ == "__main__":
    found, name, num, cap_, cost_ = sys.argv[1:]
    wait_for_start()
    finish(str(asyncio.run(spend(found, name, int(num), cap=int(cap_), cost=int(cost_)))))
