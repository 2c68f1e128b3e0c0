"""The arithmetic of limits: exact counts, whole numbers, no edges."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.limits.gcra import MICROSECONDS, Bucket, charged, level, wait

DAY = 86_400
NOW = 1_763_674_000_000_000


def bucket(limit: int, window_seconds: int = 60, *, cost: int = 1) -> Bucket:
    return Bucket("b", "", limit, window_seconds, cost)


def admitted_at(times: list[int], asked: Bucket) -> list[int]:
    tat, admitted = 0, []
    for now in times:
        if wait(asked, tat=tat, now=now) == 0:
            tat = charged(asked, tat=tat, now=now)
            admitted.append(now)
    return admitted


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 9, 60, 99, 100, 101, 997, 7_000, 1_000_000])
@pytest.mark.parametrize("window_seconds", [1, 60, 3600, 30 * 86_400])
def test_a_full_bucket_admits_exactly_its_limit_at_once(limit: int, window_seconds: int) -> None:
    asked = bucket(limit, window_seconds)
    tat = NOW + (limit - 1) * asked.interval  # after limit - 1 units
    assert wait(asked, tat=tat, now=NOW) == 0
    assert wait(asked, tat=tat + asked.interval, now=NOW) == asked.interval


@pytest.mark.parametrize(("limit", "window"), [(7, 60), (100, 60), (7, 1), (10**9, 1), (3, DAY)])
def test_an_interval_that_is_not_whole_is_rounded_up(limit: int, window: int) -> None:
    asked = bucket(limit, window)
    assert 0 <= limit * asked.interval - window * MICROSECONDS < limit


def test_a_hundred_of_a_thousand_at_once() -> None:
    assert len(admitted_at([NOW] * 1000, bucket(100))) == 100


def test_after_that_one_more_each_interval() -> None:
    times = [NOW] * 100 + [NOW + tenth * 100_000 for tenth in range(1, 61)]  # 6 s in tenths
    admitted = admitted_at(times, bucket(100))
    assert len(admitted) == 110  # 0.6 s each
    gaps = {later - earlier for earlier, later in pairwise(admitted[100:])}
    assert gaps == {600_000}


def test_there_is_no_edge_across_which_twice_the_limit_passes() -> None:
    end_of_minute = NOW + 60 * MICROSECONDS
    admitted = admitted_at([end_of_minute - 1] * 200 + [end_of_minute + 1] * 200, bucket(100))
    assert len(admitted) == 100


@settings(derandomize=True, database=None, deadline=None)
@given(
    st.integers(min_value=1, max_value=20),
    st.lists(st.integers(min_value=0, max_value=2 * MICROSECONDS), max_size=120),
)
def test_no_window_ever_holds_more_than_twice_less_one_and_no_instant_more_than_the_limit(
    limit: int, gaps: list[int]
) -> None:
    times = [NOW + sum(gaps[:index]) for index in range(len(gaps))]
    asked = bucket(limit, 5)
    admitted = admitted_at(times, asked)
    period = limit * asked.interval
    for index, start in enumerate(admitted):
        within = [at for at in admitted[index:] if at < start + period]
        assert len(within) <= 2 * limit - 1
        assert len([at for at in within if at == start]) <= limit


def test_a_call_may_cost_more_than_one() -> None:
    asked = bucket(10, 10, cost=4)
    tat = charged(asked, tat=charged(asked, tat=0, now=NOW), now=NOW)
    assert level(asked, tat=tat, now=NOW).remaining == 2
    assert wait(asked, tat=tat, now=NOW) == 2 * MICROSECONDS
    assert wait(asked, tat=tat, now=NOW + 2 * MICROSECONDS) == 0


def test_a_cost_above_the_limit_never_passes() -> None:
    asked = bucket(10, cost=11)
    assert wait(asked, tat=0, now=NOW) > 0
    assert wait(asked, tat=NOW, now=NOW + 10**12) > 0


def test_a_cost_of_nothing_looks_and_does_not_touch() -> None:
    asked = bucket(2, cost=0)
    full = NOW + 2 * asked.interval
    assert wait(asked, tat=full, now=NOW) == 0
    assert charged(asked, tat=full, now=NOW) == full


@pytest.mark.parametrize(
    ("used", "remaining", "reset_seconds"), [(0, 10, 0.0), (1, 9, 6.0), (10, 0, 60.0)]
)
def test_a_level_says_what_is_left_and_when_it_is_full(
    used: int, remaining: int, reset_seconds: float
) -> None:
    asked = bucket(10)
    seen = level(asked, tat=NOW + used * asked.interval, now=NOW)
    assert (seen.remaining, seen.reset_seconds) == (remaining, reset_seconds)


def test_a_part_of_a_unit_is_not_a_unit() -> None:
    asked = bucket(10)
    assert level(asked, tat=NOW + 1, now=NOW).remaining == 9


def test_a_limit_that_was_lowered_leaves_nothing_and_not_less() -> None:
    assert level(bucket(1, 1), tat=NOW + 10**9, now=NOW).remaining == 0


@pytest.mark.parametrize(("limit", "window", "cost"), [(0, 60, 1), (1, 0, 1), (1, 60, -1)])
def test_a_bucket_must_make_sense(limit: int, window: int, cost: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Bucket("b", "", limit, window, cost)
