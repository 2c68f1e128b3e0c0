"""Both stores keep the table's promises: alike in every history, and one probe for all callers."""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orkesta.redis_door import RedisDoor, Script
from routing.breaker import (
    CLEAN,
    BreakerRules,
    BreakerStatus,
    Outcome,
    after_call,
    before_call,
    seen_at,
)
from routing.breaker_store import BreakerStore, MemoryBreakerStore, RedisBreakerStore
from tests.fakes.clock import ManualClock, SlowClock
from tests.racers import race
from tests.services import Valkey

pytestmark = pytest.mark.redis
RULES = BreakerRules(failure_threshold=3, open_ms=60, probe_lease_ms=40)


@pytest.fixture
async def door(valkey_url: str) -> AsyncIterator[RedisDoor]:
    opened = RedisDoor(valkey_url)
    yield opened
    await opened.aclose()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, door: RedisDoor) -> BreakerStore:
    return MemoryBreakerStore() if request.param == "memory" else RedisBreakerStore(door)


def fresh_name() -> str:
    return f"agent:{uuid.uuid4()}"


async def fail(store: BreakerStore, name: str, *, times: int = 5) -> None:
    for _ in range(times):
        await store.report("acme", name, Outcome.FAILURE)


async def test_it_opens_for_everybody_and_only_there(store: BreakerStore) -> None:
    name = fresh_name()
    assert (await store.admit("acme", name)).allowed
    await fail(store, name)
    refused = await store.admit("acme", name)
    assert (refused.allowed, refused.state.status) == (False, BreakerStatus.OPEN)
    assert 55 < refused.retry_after_seconds <= 60
    assert (await store.admit("rival", name)).allowed
    assert (await store.admit("acme", fresh_name())).allowed


async def test_it_can_be_read_and_reset(store: BreakerStore) -> None:
    name, other = fresh_name(), fresh_name()
    await fail(store, name)
    states = await store.read_many("acme", [name, other])
    assert (states[name].status, states[name].failures) == (BreakerStatus.OPEN, 5)
    assert abs(states[name].opened_at / 1000 - time.time()) < 5
    assert states[other] == CLEAN
    assert await store.read_many("acme", []) == {}
    await store.reset("acme", name)
    assert await store.read("acme", name) == CLEAN
    assert (await store.admit("acme", name)).allowed


async def test_a_crashed_prober_does_not_block_for_ever(door: RedisDoor) -> None:
    clock = ManualClock(1_000)
    for store in (
        MemoryBreakerStore(rules=RULES, clock=clock),
        RedisBreakerStore(door, rules=RULES, clock=clock),
    ):
        name = fresh_name()
        await fail(store, name, times=3)
        clock.now += 60
        late = await store.admit("acme", name)
        clock.now += 39
        refused = await store.admit("acme", name)
        assert (refused.allowed, refused.retry_after_seconds) == (False, 0.001)
        clock.now += 1
        probe = await store.admit("acme", name)
        assert probe.is_probe
        for outcome in Outcome:
            assert await store.report("acme", name, outcome, late.probe) == probe.state
        await store.report("acme", name, Outcome.SUCCESS, probe.probe)
        assert await store.read("acme", name) == CLEAN


# Failures and whole waits come often, or few histories would ever get to half open.
# Of probes, the last one that was admitted (-1) and the one before it (-2) may end.
OUTCOMES = [(outcome, which) for outcome in Outcome for which in (0, -1, -1, -2)]
WAITS = [1, 39, 40, 59, 60, 60, 60]
EVENTS = st.sampled_from([*["admit"] * 6, *[(Outcome.FAILURE, 0)] * 9, *OUTCOMES, *WAITS])


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example([*[(Outcome.FAILURE, 0)] * 3, 60, "admit", (Outcome.ABANDONED, -1), "admit"])
@given(st.lists(EVENTS, max_size=50))
def test_lua_and_python_agree_in_every_history(valkey_url: str, events: list[object]) -> None:
    asyncio.run(replay_in_both(valkey_url, events))


async def replay_in_both(url: str, events: list[object]) -> None:
    clock, state, name, probes = ManualClock(1_763_674_000_000), CLEAN, fresh_name(), [0, 0]
    door = RedisDoor(url)
    store = RedisBreakerStore(door, rules=RULES, clock=clock)
    for event in events:
        if event == "admit":
            expected = before_call(state, clock.now, rules=RULES)
            assert await store.admit("acme", name) == expected
            state = expected.state
            probes += [expected.probe] if expected.is_probe else []
        elif isinstance(event, int):
            clock.now += event
        else:
            outcome, which = event  # type: ignore[misc]
            probe = probes[which] if which else 0
            state = after_call(state, outcome, clock.now, probe=probe, rules=RULES)
            assert await store.report("acme", name, outcome, probe) == state
        assert await store.read("acme", name) == seen_at(state, clock.now, rules=RULES)
    await door.aclose()


async def test_of_64_callers_in_two_processes_one_is_the_probe(
    door: RedisDoor, valkey_url: str
) -> None:
    name = fresh_name()
    await fail(RedisBreakerStore(door), name)
    answers = race("tests.routing.breaker_callers", valkey_url, name, "32", num_processes=2)
    assert sorted(answers) == ["0 0", "1 0"]


def test_64_callers_in_two_processes_see_every_state_alike(valkey_url: str) -> None:
    # Closed, open, half open and open again, half open for one that is cut off, closed.
    told = race("tests.routing.breaker_cycle", valkey_url, fresh_name(), "32", num_processes=2)
    turns = [
        tuple(sum(int(number) for number in column) for column in zip(*pair, strict=True))
        for pair in zip(*([turn.split("/") for turn in one.split()] for one in told), strict=True)
    ]
    assert turns == [(64, 0), (0, 0), (1, 1), (0, 0), (1, 1), (1, 1), (64, 0)]


def test_of_64_threads_one_is_the_probe() -> None:
    clock, probes, barrier = SlowClock(0), [], threading.Barrier(64)
    store = MemoryBreakerStore(rules=RULES, clock=clock)
    asyncio.run(fail(store, "agent", times=3))
    clock.now += 60

    async def call() -> None:
        barrier.wait()  # 64 event loops stand still here, and go on at once
        probes.append((await store.admit("acme", "agent")).is_probe)

    threads = [threading.Thread(target=lambda: asyncio.run(call())) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(probes), sum(probes)) == (64, 1)


async def test_without_redis_it_goes_on_alone_and_with_it_again_together(
    mortal_valkey: Valkey,
) -> None:
    door = RedisDoor(mortal_valkey.url, pause_seconds=0.05)
    store = RedisBreakerStore(door)
    await fail(store, "agent")
    mortal_valkey.kill()
    assert (await store.admit("acme", "agent")).allowed
    assert door.is_down
    await fail(store, "agent")
    assert not (await store.admit("acme", "agent")).allowed
    assert (await store.read("acme", "agent")).status is BreakerStatus.OPEN
    assert (await store.read_many("acme", ["agent"]))["agent"].failures == 5
    await store.reset("acme", "agent")
    assert (await store.admit("acme", "agent")).allowed
    mortal_valkey.restart()
    await asyncio.sleep(0.06)
    assert (await store.read("acme", "agent")) == CLEAN
    assert not door.is_down
    await door.aclose()


async def test_without_redis_one_of_64_is_the_probe_too(mortal_valkey: Valkey) -> None:
    door, clock = RedisDoor(mortal_valkey.url, pause_seconds=60), ManualClock(0)
    store = RedisBreakerStore(door, rules=RULES, clock=clock)
    mortal_valkey.kill()
    await fail(store, "agent", times=3)
    assert door.is_down
    for outcome, status in ((Outcome.FAILURE, "open"), (Outcome.SUCCESS, "closed")):
        assert not (await store.admit("acme", "agent")).allowed
        clock.now += 60
        asked = await asyncio.gather(*(store.admit("acme", "agent") for _ in range(64)))
        (probe,) = (one for one in asked if one.allowed)
        assert probe.is_probe
        assert (await store.report("acme", "agent", outcome, probe.probe)).status == status
    assert all(
        one.allowed and not one.is_probe
        for one in await asyncio.gather(*(store.admit("acme", "agent") for _ in range(64)))
    )
    await door.aclose()


async def test_a_probe_of_before_or_during_an_outage_decides_nothing_after_it(
    mortal_valkey: Valkey,
) -> None:
    door, clock = RedisDoor(mortal_valkey.url, pause_seconds=0.01), ManualClock(0)
    store = RedisBreakerStore(door, rules=RULES, clock=clock)
    await fail(store, "agent", times=3)
    clock.now += 60
    shared = await store.admit("acme", "agent")
    assert shared.is_probe
    mortal_valkey.kill()
    await fail(store, "agent", times=3)
    assert (await store.report("acme", "agent", Outcome.SUCCESS, shared.probe)).status == "open"
    clock.now += 61
    alone = await store.admit("acme", "agent")
    assert alone.is_probe
    mortal_valkey.restart()
    await asyncio.sleep(0.02)
    await fail(store, "agent", times=3)
    assert not door.is_down
    state = await store.report("acme", "agent", Outcome.SUCCESS, alone.probe)
    assert (state.status, state.failures) == ("open", 3)
    await door.aclose()


async def test_a_clean_breaker_leaves_no_key_and_another_expires(door: RedisDoor) -> None:
    store, name = RedisBreakerStore(door), fresh_name()
    await store.admit("acme", name)
    ttl = Script("return redis.call('PTTL', KEYS[1])")
    key = f"orkesta:{{acme}}:breaker:{name}"
    assert await door.arun(ttl, keys=[key], args=[]) == -2
    await store.report("acme", name, Outcome.FAILURE)
    assert 86_000_000 < await door.arun(ttl, keys=[key], args=[]) <= 86_400_000
    await store.report("acme", name, Outcome.SUCCESS)
    assert await door.arun(ttl, keys=[key], args=[]) == -2


async def test_a_success_is_told_as_soon_as_any_call_has_heard_of_failures(
    door: RedisDoor,
) -> None:
    name, elsewhere = fresh_name(), RedisBreakerStore(door)
    here = RedisBreakerStore(door, fresh_seconds=0)
    long_call = await here.admit("acme", name)
    await fail(elsewhere, name, times=4)
    await here.report("acme", name, Outcome.SUCCESS, long_call.probe)
    assert (await here.admit("acme", name)).state.failures == 4  # nobody here knew of them
    await here.report("acme", name, Outcome.SUCCESS)
    assert await elsewhere.read("acme", name) == CLEAN


async def test_what_was_clean_a_moment_ago_is_not_asked_again(door: RedisDoor) -> None:
    name, elsewhere = fresh_name(), RedisBreakerStore(door)
    here = RedisBreakerStore(door, fresh_seconds=0.2)
    await here.admit("acme", name)
    heard_at = time.monotonic()
    await fail(elsewhere, name)
    while (await here.admit("acme", name)).allowed:
        assert time.monotonic() - heard_at < 5
        await asyncio.sleep(0.01)
    assert time.monotonic() - heard_at >= 0.2


async def test_a_failure_of_its_own_is_asked_about_at_once(door: RedisDoor) -> None:
    name, elsewhere = fresh_name(), RedisBreakerStore(door)
    here = RedisBreakerStore(door, fresh_seconds=60)
    await here.admit("acme", name)
    await fail(elsewhere, name, times=4)
    assert (await here.admit("acme", name)).allowed
    await here.report("acme", name, Outcome.FAILURE)
    assert not (await here.admit("acme", name)).allowed


async def test_one_that_was_reset_is_asked_about(door: RedisDoor) -> None:
    name, here = fresh_name(), RedisBreakerStore(door, fresh_seconds=60)
    await here.admit("acme", name)
    await here.reset("acme", name)
    await fail(RedisBreakerStore(door), name)
    assert not (await here.admit("acme", name)).allowed
