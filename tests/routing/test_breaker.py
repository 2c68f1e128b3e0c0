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
PROBING = BreakerState(HALF_OPEN, 5, opened_at=NOW, probe_until=NOW + 120_000)


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
    ("state", "outcome", "is_probe", "afterwards"),
    [
        (CLEAN, Outcome.SUCCESS, False, CLEAN),
        (CLEAN, Outcome.FAILURE, False, BreakerState(CLOSED, 1)),
        (CLEAN, Outcome.ABANDONED, False, CLEAN),
        (FAILED_4, Outcome.SUCCESS, False, CLEAN),
        (FAILED_4, Outcome.FAILURE, False, BreakerState(OPEN, 5, opened_at=NOW + 1)),
        (FAILED_4, Outcome.ABANDONED, False, FAILED_4),
        # A call from before it opened says nothing new.
        (OPENED, Outcome.SUCCESS, False, OPENED),
        (OPENED, Outcome.FAILURE, False, OPENED),
        (OPENED, Outcome.SUCCESS, True, OPENED),
        (PROBING, Outcome.SUCCESS, False, PROBING),
        (PROBING, Outcome.FAILURE, False, PROBING),
        # The probe decides.
        (PROBING, Outcome.SUCCESS, True, CLEAN),
        (PROBING, Outcome.FAILURE, True, BreakerState(OPEN, 6, opened_at=NOW + 1)),
        (PROBING, Outcome.ABANDONED, True, BreakerState(HALF_OPEN, 5, opened_at=NOW)),
        # A probe that outlived its lease still knows more than anybody.
        (CLEAN, Outcome.FAILURE, True, BreakerState(CLOSED, 1)),
    ],
)
def test_it_learns(
    state: BreakerState, outcome: Outcome, is_probe: bool, afterwards: BreakerState
) -> None:
    assert after_call(state, outcome, NOW + 1, is_probe=is_probe) == afterwards


def test_five_failures_in_a_row_open_it_and_a_success_between_starts_again() -> None:
    F, S = Outcome.FAILURE, Outcome.SUCCESS
    for history, status in [([F] * 4, CLOSED), ([F] * 5, OPEN), ([F, F, F, F, S, F], CLOSED)]:
        state = CLEAN
        for outcome in history:
            state = after_call(state, outcome, NOW, is_probe=False)
        assert state.status is status


def test_an_open_breaker_shows_as_half_open_once_its_time_is_over() -> None:
    assert seen_at(OPENED, NOW + 59_999).status is OPEN
    assert seen_at(OPENED, NOW + 60_000).status is HALF_OPEN


def test_the_rules_can_be_others() -> None:
    rules = BreakerRules(failure_threshold=1, open_ms=10, probe_lease_ms=5)
    opened = after_call(CLEAN, Outcome.FAILURE, NOW, is_probe=False, rules=rules)
    assert opened.status is OPEN
    probe = before_call(opened, NOW + 10, rules=rules)
    assert (probe.is_probe, probe.state.probe_until) == (True, NOW + 15)
