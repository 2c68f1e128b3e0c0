"""The breaker as a table: what it lets through, and what it learns from what it let through."""

import pytest

from routing.breaker import (
    CLEAN,
    BreakerRules,
    BreakerState,
    BreakerStatus,
    Outcome,
    after_call,
    before_call,
    seen_at,
)

NOW = 1_000_000
CLOSED, OPEN, HALF_OPEN = BreakerStatus.CLOSED, BreakerStatus.OPEN, BreakerStatus.HALF_OPEN
FAILED_4 = BreakerState(CLOSED, 4)
OPENED = BreakerState(OPEN, 5, opened_at=NOW)
LEASE = NOW + 120_000
PROBING = BreakerState(HALF_OPEN, 5, opened_at=NOW, probe_until=LEASE)


@pytest.mark.parametrize(
    ("state", "later_ms", "answer"),
    [
        # state, how much later, (allowed, is_probe, status afterwards, retry_after_seconds)
        (CLEAN, 0, (True, False, CLOSED, 0.0)),
        (FAILED_4, 0, (True, False, CLOSED, 0.0)),
        (OPENED, 0, (False, False, OPEN, 60.0)),
        (OPENED, 59_999, (False, False, OPEN, 0.001)),
        (OPENED, 60_000, (True, True, HALF_OPEN, 0.0)),
        (OPENED, 999_999, (True, True, HALF_OPEN, 0.0)),
        (PROBING, 60_000, (False, False, HALF_OPEN, 60.0)),
        (PROBING, 119_999, (False, False, HALF_OPEN, 0.001)),
        (PROBING, 120_000, (True, True, HALF_OPEN, 0.0)),
    ],
)
def test_it_lets_through(
    state: BreakerState, later_ms: int, answer: tuple[bool, bool, BreakerStatus, float]
) -> None:
    got = before_call(state, NOW + later_ms)
    assert (got.allowed, got.is_probe, got.state.status, got.retry_after_seconds) == answer


def test_a_probe_takes_the_lease_and_the_next_caller_waits_for_it() -> None:
    probe = before_call(OPENED, NOW + 60_000)
    assert probe.state.probe_until == NOW + 120_000
    assert not before_call(probe.state, NOW + 60_001).allowed


@pytest.mark.parametrize(
    ("state", "outcome", "probe", "afterwards"),
    [
        (CLEAN, Outcome.SUCCESS, 0, CLEAN),
        (CLEAN, Outcome.FAILURE, 0, BreakerState(CLOSED, 1)),
        (CLEAN, Outcome.ABANDONED, 0, CLEAN),
        (FAILED_4, Outcome.SUCCESS, 0, CLEAN),
        (FAILED_4, Outcome.FAILURE, 0, BreakerState(OPEN, 5, opened_at=NOW + 1)),
        (FAILED_4, Outcome.ABANDONED, 0, FAILED_4),
        # A call from before it opened says nothing new.
        (OPENED, Outcome.SUCCESS, 0, OPENED),
        (OPENED, Outcome.FAILURE, 0, OPENED),
        (OPENED, Outcome.SUCCESS, LEASE, OPENED),
        (PROBING, Outcome.SUCCESS, 0, PROBING),
        (PROBING, Outcome.FAILURE, 0, PROBING),
        # The probe decides.
        (PROBING, Outcome.SUCCESS, LEASE, CLEAN),
        (PROBING, Outcome.FAILURE, LEASE, BreakerState(OPEN, 6, opened_at=NOW + 1)),
        (PROBING, Outcome.ABANDONED, LEASE, BreakerState(HALF_OPEN, 5, opened_at=NOW)),
        # A probe whose lease was over, and is another's now, or nobody's.
        (PROBING, Outcome.SUCCESS, LEASE - 60_000, PROBING),
        (PROBING, Outcome.FAILURE, LEASE - 60_000, PROBING),
        (PROBING, Outcome.ABANDONED, LEASE - 60_000, PROBING),
        # A probe that ends when all is well again counts like anybody.
        (CLEAN, Outcome.FAILURE, LEASE, BreakerState(CLOSED, 1)),
    ],
)
def test_it_learns(
    state: BreakerState, outcome: Outcome, probe: int, afterwards: BreakerState
) -> None:
    assert after_call(state, outcome, NOW + 1, probe=probe) == afterwards


def test_a_probe_is_named_by_its_lease() -> None:
    assert before_call(CLEAN, NOW).probe == 0
    assert before_call(OPENED, NOW + 1).probe == 0
    first = before_call(OPENED, NOW + 60_000)
    second = before_call(first.state, NOW + 120_000)
    assert (first.probe, second.probe) == (NOW + 120_000, NOW + 180_000)


def test_five_failures_in_a_row_open_it_and_a_success_between_starts_again() -> None:
    F, S = Outcome.FAILURE, Outcome.SUCCESS
    for history, status in [([F] * 4, CLOSED), ([F] * 5, OPEN), ([F, F, F, F, S, F], CLOSED)]:
        state = CLEAN
        for outcome in history:
            state = after_call(state, outcome, NOW, probe=0)
        assert state.status is status


def test_an_open_breaker_shows_as_half_open_once_its_time_is_over() -> None:
    assert seen_at(OPENED, NOW + 59_999).status is OPEN
    assert seen_at(OPENED, NOW + 60_000).status is HALF_OPEN


def test_the_rules_can_be_others() -> None:
    rules = BreakerRules(failure_threshold=1, open_ms=10, probe_lease_ms=5)
    opened = after_call(CLEAN, Outcome.FAILURE, NOW, probe=0, rules=rules)
    assert opened.status is OPEN
    probe = before_call(opened, NOW + 10, rules=rules)
    assert (probe.is_probe, probe.state.probe_until) == (True, NOW + 15)
