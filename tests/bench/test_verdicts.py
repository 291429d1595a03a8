"""Verdicts: only what the interval supports is said, in words that carry their size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from portkey_local.bench.intervals import Estimate, Measured, Resampling, mean_of, share_of
from portkey_local.bench.metrics import METRICS
from portkey_local.bench.verdicts import best_of, difference, differences
from portkey_local.bench.wording import figure, relative_of, seconds

CALLS = 3000
RESAMPLING = Resampling(CALLS, seed=1)
NOISE = np.random.default_rng(1).normal(size=CALLS)


def cost(of: float, *, own_noise: float = 0.0, seed: int = 2) -> Measured:
    own = np.random.default_rng(seed).normal(scale=own_noise, size=CALLS) if own_noise else 0.0
    return mean_of(of + NOISE + own, RESAMPLING)


def share(of: float, seed: int = 3) -> Measured:
    return share_of(np.random.default_rng(seed).random(CALLS) < of, RESAMPLING)


def test_what_is_cheaper_is_said_with_its_margin() -> None:
    told = difference(METRICS["cost"], ("a", cost(10, own_noise=1)), ("b", cost(8.8)))
    assert told.shown
    assert (told.better, told.worse) == ("b", "a")
    assert told.relative is not None
    assert told.relative.value == pytest.approx(0.12, abs=0.01)
    assert told.sentence.startswith("b is cheaper than a, by 1")
    assert " % ± " in told.sentence


def test_the_order_of_two_does_not_matter() -> None:
    a, b = ("a", cost(10, own_noise=1)), ("b", cost(8.8))
    one, other = (difference(METRICS["cost"], *pair) for pair in ((a, b), (b, a)))
    assert one.sentence == other.sentence
    assert one.amount.value == pytest.approx(other.amount.value)


def test_no_difference_is_claimed_within_the_noise() -> None:
    near, same = cost(10.001, own_noise=1, seed=4), cost(10)
    told = difference(METRICS["cost"], ("a", same), ("b", near))
    assert not told.shown
    assert told.sentence.startswith("cost of 1,000 calls: no difference shown between ")


def test_shares_differ_by_points_and_more_is_better() -> None:
    told = difference(METRICS["goodput"], ("a", share(0.99)), ("b", share(0.9)))
    assert told.better == "a"
    assert told.amount.value == pytest.approx(0.09, abs=0.02)
    assert "answers more calls in time than b, by" in told.sentence
    assert told.sentence.endswith(" points")


def test_equal_runs_show_no_difference() -> None:
    told = difference(METRICS["success"], ("a", share(0.95)), ("b", share(0.95)))
    assert not told.shown
    assert told.amount.value == 0


def test_a_figure_that_one_of_them_lacks_is_not_compared() -> None:
    nothing = Measured(math.nan, np.full(30, math.nan), "batch means", 30)
    every = {name: cost(1.0) for name in METRICS}
    found = differences({"a": every, "b": {**every, "p99": nothing}})
    assert "p99" not in {each.metric for each in found}
    assert "cost" in {each.metric for each in found}


def test_the_cheapest_of_those_that_answer_in_time_is_best() -> None:
    parts = np.zeros(30)
    table = {
        name: {"goodput": Measured(goodput, parts, "batch means", 30), "cost": cost(dollars)}
        for name, goodput, dollars in (("cheap", 0.9, 1), ("good", 0.99, 5), ("as good", 0.986, 4))
    }
    assert best_of(table) == "as good"


@pytest.mark.parametrize(
    ("name", "estimate", "written"),
    [
        ("success", Estimate(0.99213, 0.9904, 0.994, "batch means"), "99.21 % ± 0.18"),
        ("p99", Estimate(6.1123, 5.81, 6.41, "block bootstrap"), "6.1 s ± 0.3"),
        ("p99", Estimate(0.3512, None, None, "block bootstrap"), "351 ms"),
        ("cost", Estimate(1.2345, 1.20, 1.27, "batch means"), "$1.23 ± 0.04"),
        ("cost", Estimate(1234.5, None, None, "batch means"), "$1,234.50"),
        ("attempts", Estimate(1.0, 1.0, 1.0, "batch means"), "1.00 ± 0"),
        ("p99", Estimate(math.nan, None, None, "block bootstrap"), "–"),
    ],
)
def test_figures_have_units_and_as_many_digits_as_they_deserve(
    name: str, estimate: Estimate, written: str
) -> None:
    assert figure(name, estimate) == written


def test_a_lopsided_difference_tells_both_ends() -> None:
    each = Estimate(0.09, 0.003, 0.31, "block bootstrap")
    assert relative_of(each) == "9.0 % (0.30 to 31)"
    assert relative_of(Estimate(0.1234, 0.094, 0.153, "batch means")) == "12.3 % ± 2.9"


@given(
    st.sampled_from(list(METRICS)),
    st.floats(-1e9, 1e9),
    st.floats(0, 1e6) | st.none(),
)
def test_every_figure_can_be_written(name: str, value: float, margin: float | None) -> None:
    low = None if margin is None else value - margin
    high = None if margin is None else value + margin
    written = figure(name, Estimate(value, low, high, "batch means"))
    assert written
    assert "nan" not in written
    assert seconds(abs(value))
