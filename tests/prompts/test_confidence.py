import random
from statistics import NormalDist

import pytest

from prompts import confidence
from prompts.confidence import (
    Interval,
    is_worse_beyond_doubt,
    probability_by_chance,
    wilson_interval,
)


# Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_agree_with_the_literature(
    successes: int, trials: int, low: float, high: float
) -> None:
    found = wilson_interval(successes, trials)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.rate == successes / trials


def test_the_interval_solves_the_equation_it_is_made_of() -> None:
    z = NormalDist().inv_cdf(0.995)
    found = wilson_interval(7, 25, confidence=0.99)
    for bound in (found.low, found.high):
        assert abs(found.rate - bound) == pytest.approx(z * (bound * (1 - bound) / 25) ** 0.5)


def test_without_trials_anything_is_possible() -> None:
    assert wilson_interval(0, 0) == Interval(rate=0.0, low=0.0, high=1.0, trials=0)
    assert str(wilson_interval(0, 0)) == "–"


def test_extremes_stay_within_bounds() -> None:
    assert wilson_interval(0, 10).low == 0.0
    assert wilson_interval(10, 10).high == 1.0
    assert str(wilson_interval(8, 10)) == "80% (49%–94%, n = 10)"


def test_more_trials_make_a_narrower_interval() -> None:
    widths = [wilson_interval(n // 2, n) for n in (2, 20, 200, 2_000, 2_000_000)]
    assert sorted(widths, key=lambda each: each.low - each.high) == widths


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, -1)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="is not a count"):
        wilson_interval(successes, trials)
    with pytest.raises(ValueError, match="is not a count"):
        probability_by_chance(
            failures=0, trials=1, baseline_failures=successes, baseline_trials=trials
        )


@pytest.mark.parametrize("level", [0, 1, -0.5, 95])
def test_an_impossible_confidence_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson_interval(1, 2, confidence=level)


def test_the_lady_tasting_tea() -> None:
    found = probability_by_chance(failures=3, trials=4, baseline_failures=1, baseline_trials=4)
    assert found == pytest.approx(17 / 70)
    found = probability_by_chance(failures=4, trials=4, baseline_failures=0, baseline_trials=4)
    assert found == pytest.approx(1 / 70)


def test_exact_and_approximate_agree_where_both_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {
        "failures": 1_100,
        "trials": 9_000,
        "baseline_failures": 1_000,
        "baseline_trials": 9_000,
    }
    exact = probability_by_chance(**counts)
    monkeypatch.setattr(confidence, "EXACT_TRIALS", 10)
    assert probability_by_chance(**counts) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize(
    ("failures", "trials", "baseline_failures", "baseline_trials", "is_worse"),
    [
        (0, 0, 0, 0, False),
        (5, 5, 0, 0, False),
        (0, 0, 5, 5, False),
        (1, 1, 0, 20, False),
        (2, 2, 0, 20, False),
        (3, 3, 0, 20, True),
        (5, 10, 20, 400, True),
        (2, 20, 20, 400, False),
        (0, 1_000, 1_000, 1_000, False),
        (1_000, 1_000, 1_000, 1_000, False),
        (0, 50_000, 0, 50_000, False),
        (600, 50_000, 400, 50_000, True),
        (430, 50_000, 400, 50_000, False),
        (400, 50_000, 600, 50_000, False),
    ],
)
def test_a_version_is_taken_back_only_beyond_doubt(
    failures: int, trials: int, baseline_failures: int, baseline_trials: int, is_worse: bool
) -> None:
    verdict = is_worse_beyond_doubt(
        failures=failures,
        trials=trials,
        baseline_failures=baseline_failures,
        baseline_trials=baseline_trials,
    )
    assert verdict is is_worse


def simulated_verdict(rng: random.Random, *, rate: float) -> bool:
    failures = baseline_failures = 0
    for trial in range(1, 301):
        failures += rng.random() < rate
        baseline_failures += rng.random() < 0.1
        if trial % 5 == 0 and is_worse_beyond_doubt(
            failures=failures,
            trials=trial,
            baseline_failures=baseline_failures,
            baseline_trials=trial,
        ):
            return True
    return False


def test_looking_again_and_again_rarely_takes_a_good_version_back() -> None:
    rng = random.Random(7)
    assert sum(simulated_verdict(rng, rate=0.1) for _ in range(200)) <= 4


def test_a_bad_version_does_not_last() -> None:
    rng = random.Random(7)
    assert sum(simulated_verdict(rng, rate=0.4) for _ in range(50)) == 50
