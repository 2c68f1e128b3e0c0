"""Limits in this process and in Redis: exact however many ask, all buckets or none."""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orkesta.redis_door import RedisDoor, Script
from tenants.limits import Bucket, LimitStore, MemoryLimitStore, RedisLimitStore
from tenants.limits.store import SWEEP_FROM
from tests.fakes.clock import ManualClock, SlowClock
from tests.racers import race
from tests.services import Valkey

pytestmark = pytest.mark.redis
DAY = 86_400


@pytest.fixture
def door(valkey_url: str) -> Iterator[RedisDoor]:
    opened = RedisDoor(valkey_url)
    yield opened
    opened.close()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, door: RedisDoor) -> LimitStore:
    return MemoryLimitStore() if request.param == "memory" else RedisLimitStore(door)


def bucket(limit: int, *, name: str = "key", window_seconds: int = DAY, cost: int = 1) -> Bucket:
    return Bucket(name, uuid.uuid4().hex, limit, window_seconds, cost)


def test_it_admits_the_limit_and_then_says_when_to_come_back(store: LimitStore) -> None:
    asked = bucket(3, window_seconds=60)
    decisions = [store.check("acme", [asked]) for _ in range(4)]
    assert [decision.allowed for decision in decisions] == [True, True, True, False]
    assert [decision.remaining for decision in decisions] == [2, 1, 0, 0]
    assert [decision.retry_after_seconds for decision in decisions[:3]] == [0.0, 0.0, 0.0]
    refused = decisions[-1]
    assert 19 < refused.retry_after_seconds <= 20
    assert 59 < refused.reset_seconds <= 60
    assert (refused.bucket, refused.limit, refused.degraded) == ("key", 3, False)


async def test_coroutines_draw_on_the_same_buckets(store: LimitStore, door: RedisDoor) -> None:
    asked = bucket(100)
    for _ in range(50):
        assert store.check("acme", [asked]).allowed
    answers = await asyncio.gather(*(store.acheck("acme", [asked]) for _ in range(80)))
    assert sum(answer.allowed for answer in answers) == 50
    assert not store.check("acme", [asked]).allowed
    await door.aclose()


def test_other_tenants_keys_and_policies_have_buckets_of_their_own(store: LimitStore) -> None:
    asked = bucket(1)
    assert store.check("acme", [asked]).allowed
    assert not store.check("acme", [asked]).allowed
    assert store.check("rival", [asked]).allowed
    assert store.check("acme", [replace(asked, name="session")]).allowed
    assert store.check("acme", [bucket(1)]).allowed


def test_when_one_bucket_is_used_up_none_is_charged(store: LimitStore) -> None:
    wide, narrow = bucket(10, name="tenant"), bucket(1, name="session")
    assert store.check("acme", [wide, narrow]).allowed
    refused = store.check("acme", [wide, narrow])
    assert (refused.allowed, refused.bucket, refused.limit) == (False, "session", 1)
    assert refused.policies == (wide, narrow)
    assert store.check("acme", [wide]).remaining == 8


def test_a_refused_call_names_the_bucket_that_takes_longest(store: LimitStore) -> None:
    slow, quick = bucket(10, name="tenant"), bucket(1, name="session", window_seconds=30)
    assert store.check("acme", [replace(slow, cost=9), quick]).allowed
    refused = store.check("acme", [replace(slow, cost=2), quick])
    assert (refused.bucket, refused.remaining) == ("tenant", 1)
    assert 8600 < refused.retry_after_seconds <= 8640


def test_an_admitted_call_names_the_tightest_bucket(store: LimitStore) -> None:
    wide, narrow = bucket(1000, name="tenant"), bucket(10, name="session")
    decision = store.check("acme", [wide, narrow])
    assert (decision.bucket, decision.remaining) == ("session", 9)
    decision = store.check("acme", [replace(wide, cost=990), narrow])
    assert (decision.bucket, decision.remaining) == ("tenant", 9)


def test_without_buckets_nothing_is_limited(store: LimitStore) -> None:
    decision = store.check("acme", [])
    assert (decision.allowed, decision.policies) == (True, ())


CALLS = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=3),  # intervals of the first that pass before the call
        st.integers(min_value=-1, max_value=1),  # and microseconds: the edges are what matters
        st.integers(min_value=0, max_value=8),  # cost in the first bucket
        st.integers(min_value=0, max_value=3),  # cost in the second
    ),
    max_size=40,
)


@settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example([(0, 0, 7, 0), (1, -1, 1, 0), (0, 1, 1, 0)], (7, 1))  # a microsecond early, and on time
@given(CALLS, st.sampled_from([(7, 1), (3, 1), (5, 2), (1000, 1)]))
def test_lua_and_python_agree_in_every_history(
    door: RedisDoor, calls: list[tuple[int, int, int, int]], shape: tuple[int, int]
) -> None:
    clock = ManualClock(1_763_674_000_000_123)
    limit, window = shape
    first, second = bucket(limit, window_seconds=window), bucket(2, name="b", window_seconds=1)
    memory, shared = MemoryLimitStore(clock=clock), RedisLimitStore(door, clock=clock)
    for intervals, offset, cost, other_cost in calls:
        clock.now += max(0, intervals * first.interval + offset)
        asked = [replace(first, cost=cost), replace(second, cost=other_cost)]
        assert shared.check("acme", asked) == memory.check("acme", asked)


def test_four_processes_of_64_threads_let_exactly_100_through(valkey_url: str) -> None:
    answers = race(
        "tests.tenants.limits.limit_callers", valkey_url, uuid.uuid4().hex, "64", "10",
        num_processes=4,
    )  # fmt: skip
    counts = [[int(number) for number in answer.split()] for answer in answers]
    assert sum(passed for passed, _ in counts) == 100
    assert sum(asked for _, asked in counts) == 4 * 64 * 10


def test_64_threads_let_exactly_100_through() -> None:
    # The slow clock gives the others time to interfere between looking and charging.
    store, asked = MemoryLimitStore(clock=SlowClock(10**12)), bucket(100)
    barrier, passed = threading.Barrier(64), []

    def call() -> None:
        barrier.wait()
        for _ in range(5):
            passed.append(store.check("acme", [asked]).allowed)

    threads = [threading.Thread(target=call) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(passed), len(passed)) == (100, 320)


async def test_without_redis_each_process_counts_alone_and_says_so(mortal_valkey: Valkey) -> None:
    door = RedisDoor(mortal_valkey.url, pause_seconds=0.05)
    store, asked = RedisLimitStore(door), bucket(10)
    before = [store.check("acme", [asked]) for _ in range(7)]
    mortal_valkey.kill()
    during = [store.check("acme", [asked]) for _ in range(10)]
    during += [await store.acheck("acme", [asked]) for _ in range(10)]
    assert {decision.degraded for decision in before} == {False}
    assert {decision.degraded for decision in during} == {True}
    assert sum(decision.allowed for decision in during) == 10
    mortal_valkey.restart()
    await asyncio.sleep(0.06)
    after = [store.check("acme", [asked]) for _ in range(3)]
    assert {(decision.allowed, decision.degraded) for decision in after} == {(True, False)}
    door.close()
    await door.aclose()


def test_without_redis_each_process_lets_its_share_through(mortal_valkey: Valkey) -> None:
    store = RedisLimitStore(RedisDoor(mortal_valkey.url), num_processes=4)
    mortal_valkey.kill()
    asked, tiny = bucket(10), bucket(3)
    assert sum(store.check("acme", [asked]).allowed for _ in range(10)) == 2
    assert sum(store.check("acme", [tiny]).allowed for _ in range(10)) == 1


def test_buckets_expire_in_redis_once_they_are_full(door: RedisDoor) -> None:
    asked = bucket(10, window_seconds=60)
    RedisLimitStore(door).check("acme", [asked])
    ttl = Script("return redis.call('PTTL', KEYS[1])")
    key = f"orkesta:{{acme}}:limit:key:{asked.key}"
    assert 5_000 < door.run(ttl, keys=[key], args=[]) <= 6_002


def test_memory_is_bounded_by_what_is_in_use() -> None:
    clock = ManualClock(10**12)
    store = MemoryLimitStore(clock=clock)
    for _ in range(5 * SWEEP_FROM):
        store.check("acme", [bucket(10, window_seconds=1)])
        clock.now += 10_000
    assert len(store._tats) <= SWEEP_FROM


def test_sweeping_forgets_no_bucket_in_use() -> None:
    clock = ManualClock(10**12)
    store, used_up = MemoryLimitStore(clock=clock), [bucket(1), bucket(1, window_seconds=700)]
    assert store.check("acme", used_up).allowed
    for _ in range(3 * SWEEP_FROM):
        store.check("acme", [bucket(10, window_seconds=1)])
        clock.now += 200_000
    assert [store.check("acme", [one]).allowed for one in used_up] == [False, False]
