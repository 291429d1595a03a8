"""Intervals hold what they promise, also where calls depend on each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from portkey_local.bench import intervals
from portkey_local.bench.intervals import (
    Resampling,
    between,
    estimate,
    mean_of,
    quantiles_of,
    share_of,
    student_t,
)

CALLS = 1500
RUNS = 100


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 300)


def weathered(rng: np.random.Generator, calls: int = CALLS) -> np.ndarray:
    """Noise that remembers: neighbours are 0.7 correlated, as calls of one burst are."""
    shocks = rng.normal(size=calls)
    values = np.empty(calls)
    values[0] = shocks[0]
    for index in range(1, calls):
        values[index] = 0.7 * values[index - 1] + math.sqrt(1 - 0.49) * shocks[index]
    return values


def covered(low: float | None, true: float, high: float | None) -> bool:
    assert low is not None
    assert high is not None
    return low <= true <= high


# Tables of Student's t, two-sided at 95 % and 99 %.
@pytest.mark.parametrize(
    ("level", "freedom", "table"),
    [(0.975, 4, 2.776), (0.975, 9, 2.262), (0.975, 29, 2.045), (0.995, 29, 2.756)],
)
def test_student_t_is_that_of_the_tables(level: float, freedom: int, table: float) -> None:
    assert student_t(level, freedom) == pytest.approx(table, abs=0.004)


def test_a_mean_of_dependent_calls_is_covered() -> None:
    """95 % intervals cover the truth about 95 times in 100; those for independent calls do not."""
    rng, resampling = np.random.default_rng(1), Resampling(CALLS, seed=1)
    held = naive = 0
    for _ in range(RUNS):
        values = weathered(rng)
        each = estimate(mean_of(values, resampling))
        held += covered(each.low, 0.0, each.high)
        naive += abs(values.mean()) <= 1.96 * values.std() / math.sqrt(CALLS)
    assert 0.89 <= held / RUNS <= 0.99
    assert naive / RUNS < 0.75


def test_quantiles_of_dependent_calls_are_covered() -> None:
    rng, resampling = np.random.default_rng(2), Resampling(CALLS, seed=2)
    every = np.ones(CALLS, dtype=bool)
    held = np.zeros(2)
    true = (1.0, math.exp(1.2815516))  # a lognormal's median and 90th percentile
    for _ in range(RUNS):
        found = quantiles_of(np.exp(weathered(rng)), every, (0.5, 0.9), resampling)
        held += [
            covered(each.low, at, each.high)
            for each, at in zip(map(estimate, found), true, strict=True)
        ]
    assert (held / RUNS >= 0.88).all()
    assert (held / RUNS <= 0.99).all()


def test_pairing_over_the_same_calls_shows_what_apart_is_lost() -> None:
    """A difference of a tenth of the noise is shown where both configs met the same luck."""
    rng, resampling = np.random.default_rng(3), Resampling(CALLS, seed=3)
    luck = weathered(rng)
    a = mean_of(luck, resampling)
    b = mean_of(luck + 0.1 + rng.normal(scale=0.05, size=CALLS), resampling)
    paired = between(a, b)
    assert covered(paired.low, 0.1, paired.high)
    assert paired.low is not None
    assert paired.low > 0
    assert estimate(a).high > estimate(b).low  # type: ignore[operator]


def test_no_false_alarm_between_equals() -> None:
    """Two configs that do not differ are told apart at 99 % hardly ever."""
    rng, resampling = np.random.default_rng(4), Resampling(CALLS, seed=4)
    alarms = 0
    for _ in range(RUNS):
        one, other = (mean_of(weathered(rng), resampling) for _ in range(2))
        apart = between(one, other, confidence=0.99)
        alarms += not covered(apart.low, 0.0, apart.high)
    assert alarms <= 5


def test_a_share_is_never_surer_than_independent_calls() -> None:
    """1,000 calls without a failure do not show that failures are impossible."""
    each = estimate(share_of(np.ones(1000, dtype=bool), Resampling(1000, seed=1)))
    assert each.value == each.high == 1
    assert each.low == pytest.approx(1 - 3.84 / 1003.84, abs=1e-5)  # Wilson's


def test_a_ratio_counts_its_divisor() -> None:
    """Attempts per call in rough weather: the sum of some calls over how many they are."""
    attempts = np.tile([1.0, 3.0], 300)
    rough = np.tile([0.0, 1.0], 300)
    each = estimate(mean_of(attempts * rough, Resampling(600, seed=1), over=rough))
    assert (each.value, each.low, each.high) == pytest.approx((3, 3, 3))


def test_too_few_calls_have_no_interval() -> None:
    few = Resampling(12, seed=1)
    each = estimate(mean_of(np.arange(12.0), few))
    assert (each.value, each.low, each.high, each.margin) == (5.5, None, None, None)


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=300),
    st.sampled_from([0.5, 0.9, 0.99, 0.999]),
    st.integers(0, 50),
)
def test_a_quantile_is_a_value_within_its_interval(
    values: list[float], level: float, seed: int
) -> None:
    column = np.array(values)
    (found,) = quantiles_of(
        column, np.ones(column.size, dtype=bool), (level,), Resampling(column.size, seed=seed)
    )
    each = estimate(found)
    assert each.value == sorted(values)[math.ceil(level * len(values) - 1e-9) - 1]
    if each.low is not None and each.high is not None:
        assert column.min() <= each.low <= each.value <= each.high <= column.max()


def test_many_calls_are_looked_at_in_fewer_places_without_moving_the_tail() -> None:
    """100,000 calls: the resampled 99.9th percentile is about the true one."""
    values = np.random.default_rng(5).exponential(size=100_000)
    (found,) = quantiles_of(
        values, np.ones(values.size, dtype=bool), (0.999,), Resampling(values.size, seed=5)
    )
    each = estimate(found)
    assert covered(each.low, -math.log(0.001), each.high)
    assert each.margin is not None
    assert each.margin < 0.7


def test_nobody_answered_is_no_figure() -> None:
    (found,) = quantiles_of(
        np.ones(100), np.zeros(100, dtype=bool), (0.5,), Resampling(100, seed=1)
    )
    assert math.isnan(estimate(found).value)
    assert estimate(found).low is None
