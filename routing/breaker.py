"""The circuit breaker, as a table of states without clock, lock or storage.

           5 failures in a row            60 s later
  closed ──────────────────────► open ──────────────────► half_open
    ▲                             ▲                          │  │ one probe
    │          the probe succeeds │ the probe fails          │  │
    └─────────────────────────────┼──────────────────────────┘  │
                                  └─────────────────────────────┘

Times are whole milliseconds, so that Python and the Lua of `breaker_store.py` compute the same. A
probe holds a lease: whoever crashes with it blocks the others no longer than that. The end of its
lease is also its name, since no two are the same. Only the outcome of the probe that holds the
lease counts while half open; calls that were let in earlier and end later, and probes that took
longer than their lease, say nothing new.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class BreakerStatus(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Outcome(StrEnum):
    """What a call said about the callee; `ABANDONED` (a cancelled call) says nothing."""

    SUCCESS = "success"
    FAILURE = "failure"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, for how long, and how long a probe may take."""

    failure_threshold: int = 5
    open_ms: int = 60_000
    probe_lease_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class BreakerState:
    """`failures` in a row; `opened_at` and `probe_until` (the lease) in ms, 0 for never."""

    status: BreakerStatus = BreakerStatus.CLOSED
    failures: int = 0
    opened_at: int = 0
    probe_until: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a call may go ahead. One that does reports its outcome, with `probe` as given here;
    one that does not may ask again after `retry_after_seconds`.
    """

    allowed: bool
    is_probe: bool
    state: BreakerState
    retry_after_seconds: float

    @property
    def probe(self) -> int:
        """Names the probe that the call is; 0 for an ordinary call."""
        return self.state.probe_until if self.is_probe else 0


CLEAN = BreakerState()
DEFAULT_RULES = BreakerRules()


def seen_at(state: BreakerState, now: int, *, rules: BreakerRules = DEFAULT_RULES) -> BreakerState:
    """`state` as it looks at `now`: what was opened long enough ago is half open."""
    if state.status is BreakerStatus.OPEN and now >= state.opened_at + rules.open_ms:
        return replace(state, status=BreakerStatus.HALF_OPEN, probe_until=0)
    return state


def before_call(state: BreakerState, now: int, *, rules: BreakerRules = DEFAULT_RULES) -> Admission:
    """Whether a call may go ahead at `now`, and the state after that decision."""
    state = seen_at(state, now, rules=rules)
    if state.status is BreakerStatus.CLOSED:
        return Admission(True, False, state, 0.0)
    if state.status is BreakerStatus.HALF_OPEN and now >= state.probe_until:
        return Admission(True, True, replace(state, probe_until=now + rules.probe_lease_ms), 0.0)
    return refusal(state, now, rules=rules)


def refusal(state: BreakerState, now: int, *, rules: BreakerRules = DEFAULT_RULES) -> Admission:
    """The answer to a call that `state` does not let through at `now`."""
    is_open = state.status is BreakerStatus.OPEN
    until = state.opened_at + rules.open_ms if is_open else state.probe_until
    return Admission(False, False, state, (until - now) / 1000)


def after_call(
    state: BreakerState,
    outcome: Outcome,
    now: int,
    *,
    probe: int,
    rules: BreakerRules = DEFAULT_RULES,
) -> BreakerState:
    """The state once a call that was let through, as `probe` or not (0), has ended with `outcome`
    at `now`.
    """
    state = seen_at(state, now, rules=rules)
    if state.status is BreakerStatus.CLOSED:
        return _after_ordinary_call(state, outcome, now, rules=rules)
    if state.status is BreakerStatus.HALF_OPEN and probe and probe == state.probe_until:
        return _after_probe(state, outcome, now)
    return state


def _after_ordinary_call(
    state: BreakerState, outcome: Outcome, now: int, *, rules: BreakerRules
) -> BreakerState:
    if outcome is Outcome.SUCCESS:
        return CLEAN
    if outcome is Outcome.ABANDONED:
        return state
    failures = state.failures + 1
    if failures >= rules.failure_threshold:
        return BreakerState(BreakerStatus.OPEN, failures, opened_at=now)
    return replace(state, failures=failures)


def _after_probe(state: BreakerState, outcome: Outcome, now: int) -> BreakerState:
    if outcome is Outcome.SUCCESS:
        return CLEAN
    if outcome is Outcome.ABANDONED:
        return replace(state, probe_until=0)
    return BreakerState(BreakerStatus.OPEN, state.failures + 1, opened_at=now)
