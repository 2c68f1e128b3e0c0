import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orkesta.redis_door import RedisDoor
from tenants.usage.meter import (
    HOLD_SECONDS,
    SUM_SECONDS,
    Caps,
    Hold,
    MemoryMeter,
    Meter,
    RedisMeter,
    Verdict,
    judge,
    reserve,
)
from tenants.usage.money import Amount
from tests.racers import race
from tests.services import Valkey

pytestmark = pytest.mark.redis
AMOUNTS = st.integers(min_value=0, max_value=1000)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "redis"])
async def meter(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Meter]:
    if request.param == "memory":
        yield MemoryMeter()
        return
    door = RedisDoor(valkey_url)
    yield RedisMeter(door)
    await door.aclose()


def hold(account: str, nano: int = 3, tokens: int = 0) -> Hold:
    return Hold(account, uuid.uuid4().hex, Amount(nano, tokens))


def account() -> str:
    return uuid.uuid4().hex


async def nothing_spent() -> Amount:
    return Amount()


async def test_it_asks_for_the_sum_that_it_does_not_know(meter: Meter) -> None:
    mine = hold(account())
    assert await meter.reserve(mine, Caps(10)) is Verdict.UNKNOWN
    assert await meter.reserve(mine, Caps(10), spent=Amount(10)) is Verdict.EXHAUSTED


async def test_what_is_held_makes_others_wait_and_what_is_spent_ends_it(meter: Meter) -> None:
    name, caps = account(), Caps(10)
    holds = [hold(name, 5) for _ in range(3)]
    verdicts = [await reserve(meter, mine, caps, read_spent=nothing_spent) for mine in holds]
    assert verdicts == [Verdict.ADMITTED, Verdict.ADMITTED, Verdict.WAIT]
    await meter.settle(holds[0], Amount(4))
    assert await meter.reserve(holds[2], caps) is Verdict.ADMITTED
    await meter.settle(holds[1], Amount(6))
    assert await meter.reserve(hold(name), caps) is Verdict.EXHAUSTED


async def test_a_call_that_failed_gives_all_of_it_back(meter: Meter) -> None:
    name = account()
    mine = hold(name, 10)
    assert await reserve(meter, mine, Caps(10), read_spent=nothing_spent) is Verdict.ADMITTED
    await meter.settle(mine, Amount())
    assert await meter.reserve(hold(name), Caps(10)) is Verdict.ADMITTED


async def test_tokens_are_capped_like_money(meter: Meter) -> None:
    name, caps = account(), Caps(tokens=10)
    first = hold(name, 0, 10)
    assert await reserve(meter, first, caps, read_spent=nothing_spent) is Verdict.ADMITTED
    assert await meter.reserve(hold(name, 0, 1), caps) is Verdict.WAIT
    await meter.settle(first, Amount(0, 11))
    assert await meter.reserve(hold(name, 0, 1), caps) is Verdict.EXHAUSTED


async def test_one_tenant_spends_nothing_of_anothers(meter: Meter) -> None:
    mine, theirs = hold(account(), 10), hold(account(), 10)
    for one in (mine, theirs):
        assert await reserve(meter, one, Caps(10), read_spent=nothing_spent) is Verdict.ADMITTED


async def test_64_calls_at_once_overshoot_by_less_than_one(meter: Meter) -> None:
    name, caps, costs, spent = account(), Caps(100), 7, 0

    async def call() -> None:
        nonlocal spent
        mine = hold(name, costs)
        while True:
            verdict = await reserve(meter, mine, caps, read_spent=nothing_spent)
            if verdict is Verdict.EXHAUSTED:
                return
            if verdict is Verdict.ADMITTED:
                break
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)
        spent += costs
        await meter.settle(mine, Amount(costs))

    await asyncio.gather(*(call() for _ in range(64)))
    assert 100 <= spent < 100 + costs


def test_processes_together_overshoot_by_less_than_one_call(valkey_url: str) -> None:
    cap, cost = 1000, 30
    arguments = (valkey_url, account(), "32", str(cap), str(cost))
    spent = race("tests.tenants.usage.spenders", *arguments, num_processes=3)
    assert cap <= sum(map(int, spent)) < cap + cost


async def test_the_hold_of_a_process_that_died_expires() -> None:
    clock = Clock()
    meter, name = MemoryMeter(clock=clock), account()
    await meter.reserve(hold(name, 10), Caps(10), spent=Amount())
    assert await meter.reserve(hold(name), Caps(10)) is Verdict.WAIT
    clock.now += HOLD_SECONDS
    assert await meter.reserve(hold(name), Caps(10), spent=Amount()) is Verdict.ADMITTED


async def test_holds_and_sums_expire_in_redis_too(valkey_url: str) -> None:
    door, name = RedisDoor(valkey_url), account()
    meter = RedisMeter(door)
    await meter.reserve(hold(name, 10), Caps(10), spent=Amount())
    client = door._loop_client()
    assert 0 < await client.ttl(f"orkesta:{{{name}}}:spent") <= SUM_SECONDS
    (kept,) = await client.hvals(f"orkesta:{{{name}}}:held")
    ends = int(kept.split(b":")[2])
    now = (await client.time())[0]
    assert HOLD_SECONDS - 5 <= ends - now <= HOLD_SECONDS
    await client.hset(f"orkesta:{{{name}}}:held", "dead", f"10:0:{now}")
    await meter.settle(Hold(name, "unknown", Amount()), Amount())
    await client.delete(f"orkesta:{{{name}}}:spent")
    assert await meter.reserve(hold(name), Caps(11), spent=Amount()) is Verdict.ADMITTED
    await door.aclose()


async def test_a_sum_is_read_from_the_rows_again_after_a_while() -> None:
    clock = Clock()
    meter, name = MemoryMeter(clock=clock), account()
    await meter.reserve(hold(name), Caps(10), spent=Amount(9))
    clock.now += SUM_SECONDS
    assert await meter.reserve(hold(name), Caps(10)) is Verdict.UNKNOWN
    assert await meter.reserve(hold(name), Caps(10), spent=Amount(10)) is Verdict.EXHAUSTED


async def test_without_redis_each_process_counts_from_what_the_rows_say(
    mortal_valkey: Valkey,
) -> None:
    door = RedisDoor(mortal_valkey.url)
    meter, name = RedisMeter(door), account()
    mortal_valkey.kill()
    mine = hold(name, 5)
    assert await reserve(meter, mine, Caps(10), read_spent=nothing_spent) is Verdict.ADMITTED
    await meter.settle(mine, Amount(10))
    assert await meter.reserve(hold(name), Caps(10)) is Verdict.EXHAUSTED
    await door.aclose()


@settings(derandomize=True, database=None, deadline=None)
@given(AMOUNTS, AMOUNTS, AMOUNTS, st.lists(AMOUNTS, max_size=20))
def test_whatever_is_admitted_began_below_the_cap(
    cap: int, spent: int, held: int, costs: list[int]
) -> None:
    for cost in costs:
        verdict = judge(spent=Amount(spent), held=Amount(held), caps=Caps(cap))
        assert (verdict is Verdict.ADMITTED) == (spent + held < cap)
        assert (verdict is Verdict.EXHAUSTED) == (spent >= cap)
        if verdict is Verdict.ADMITTED:
            held += cost


def test_no_cap_admits_everything() -> None:
    assert judge(spent=Amount(10**15), held=Amount(10**15), caps=Caps()) is Verdict.ADMITTED
