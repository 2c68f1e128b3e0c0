"""How sure one can be of a rate: intervals instead of bare percentages, and a test for harm.

Wilson's score interval (Wilson 1927) stays within 0 and 1 and is honest for small numbers, where
the usual p ± 1.96·s is not. "Worse beyond doubt" is one side of Fisher's exact test, and its normal
approximation where the numbers are so large that both agree.
"""

from dataclasses import dataclass
from math import erfc, exp, lgamma, sqrt
from statistics import NormalDist

CONFIDENCE = 0.95
# Above this many trials in all, the normal approximation is used instead of the exact sum.
EXACT_TRIALS = 20_000
# An automatic decision is taken again and again while the numbers grow, and each look may err: the
# threshold for a single look is therefore far stricter than the customary 0.05.
DOUBT = 0.001


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate and the bounds it lies within at the asked confidence, all from 0 to 1."""

    rate: float
    low: float
    high: float
    trials: int

    def __str__(self) -> str:
        if not self.trials:
            return "–"
        return f"{self.rate:.0%} ({self.low:.0%}–{self.high:.0%}, n = {self.trials})"


def wilson_interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's interval for `successes` of `trials`; without trials, anything from 0 to 1.

    Raises ValueError for numbers that cannot be counts of the same thing.
    """
    _check(successes, trials)
    if not 0 < confidence < 1:
        raise ValueError("confidence lies between 0 and 1")
    if not trials:
        return Interval(rate=0.0, low=0.0, high=1.0, trials=0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = successes / trials
    scale = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    margin = z / scale * sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    # At 0 and at all the bound is exact; rounding would leave it a hair inside.
    low = 0.0 if successes == 0 else max(0.0, centre - margin)
    high = 1.0 if successes == trials else min(1.0, centre + margin)
    return Interval(rate, low, high, trials)


def probability_by_chance(
    *, failures: int, trials: int, baseline_failures: int, baseline_trials: int
) -> float:
    """How likely at least so many `failures` are if both rates are in truth the same (p value).

    One-sided: only "worse than the baseline" counts. Without trials on either side it is 1.
    """
    _check(failures, trials)
    _check(baseline_failures, baseline_trials)
    if not trials or not baseline_trials:
        return 1.0
    if trials + baseline_trials > EXACT_TRIALS:
        return _normal_tail(failures, trials, baseline_failures, baseline_trials)
    return _exact_tail(failures, trials, failures + baseline_failures, trials + baseline_trials)


def is_worse_beyond_doubt(
    *,
    failures: int,
    trials: int,
    baseline_failures: int,
    baseline_trials: int,
    doubt: float = DOUBT,
) -> bool:
    """Whether the failure rate is above the baseline's with less than `doubt` of being chance.

    What takes a new version of a prompt back by itself. It needs no minimal number of trials, since
    few trials leave doubt: beside a faultless baseline of 20, two failures of two do not suffice,
    three of three do.
    """
    chance = probability_by_chance(
        failures=failures,
        trials=trials,
        baseline_failures=baseline_failures,
        baseline_trials=baseline_trials,
    )
    return chance < doubt


def _check(part: int, whole: int) -> None:
    if not 0 <= part <= whole:
        raise ValueError(f"{part} of {whole} is not a count")


def _exact_tail(failures: int, trials: int, all_failures: int, all_trials: int) -> float:
    # Hypergeometric: of all failures, how many fall among these trials when only chance deals them.
    most = min(trials, all_failures)
    constant = _log_choose(all_trials, trials)
    tail = sum(
        exp(
            _log_choose(all_failures, count)
            + _log_choose(all_trials - all_failures, trials - count)
            - constant
        )
        for count in range(max(failures, trials + all_failures - all_trials), most + 1)
    )
    return min(1.0, tail)


def _normal_tail(failures: int, trials: int, other_failures: int, other_trials: int) -> float:
    pooled = (failures + other_failures) / (trials + other_trials)
    spread = sqrt(pooled * (1 - pooled) * (1 / trials + 1 / other_trials))
    if spread == 0:
        return 1.0
    z = (failures / trials - other_failures / other_trials) / spread
    return erfc(z / sqrt(2)) / 2


def _log_choose(total: int, chosen: int) -> float:
    return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(total - chosen + 1)
