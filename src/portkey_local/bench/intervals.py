"""How sure a figure is: intervals over batches of consecutive calls.

Ground rules: calls that follow each other share their weather, so they are never taken for
independent ones; whole batches are. Configs that ran over the same calls are compared batch by
batch, so that what they share drops out. Every resampling is seeded: a run has one interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BATCHES",
    "CONFIDENCE",
    "Estimate",
    "Measured",
    "Method",
    "Resampling",
    "between",
    "estimate",
    "mean_of",
    "quantiles_of",
    "share_of",
    "student_t",
]

Floats: TypeAlias = NDArray[np.float64]
Method = Literal["batch means", "block bootstrap"]

CONFIDENCE: Final = 0.95
# 10 to 30 batches: Schmeiser, "Batch size effects in the analysis of simulation output", 1982.
BATCHES: Final = 30
FEWEST_BATCHES: Final = 5
FEWEST_CALLS: Final = 10  # in a batch
RESAMPLES: Final = 2000
RANKS: Final = 512  # places at which a resampled distribution is looked at, and again in its tail


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its confidence interval; without one where there were too few calls."""

    value: float
    low: float | None
    high: float | None
    method: Method

    @property
    def margin(self) -> float | None:
        """Half the interval's width, as in `value ± margin`."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure, and what its interval is made of: the figure in each batch, or resampled."""

    value: float
    parts: Floats
    method: Method
    batches: int
    trials: int | None = None  # of a share: out of how many, because a share has bounds


class Resampling:
    """Draws whole batches of a run again and again; runs over the same calls share the draw."""

    def __init__(self, calls: int, *, seed: int) -> None:
        """Divide `calls` consecutive calls into batches, and draw them with `seed`."""
        fewest = min(BATCHES, calls // FEWEST_CALLS)
        self.batches = fewest if fewest >= FEWEST_BATCHES else 1
        self.batch = (np.arange(calls) * self.batches) // max(calls, 1)
        rng = np.random.default_rng([seed, calls])
        even = np.full(self.batches, 1 / self.batches)
        self.draws: Floats = rng.multinomial(self.batches, even, size=RESAMPLES).astype(np.float64)


def mean_of(values: Floats, resampling: Resampling, *, over: Floats | None = None) -> Measured:
    """Measure the mean of a column, or its sum over the sum of another."""
    weights = np.ones_like(values) if over is None else over
    sums = np.bincount(resampling.batch, values, resampling.batches)
    sizes = np.bincount(resampling.batch, weights, resampling.batches)
    total = float(weights.sum())
    value = float(values.sum()) / total if total else math.nan
    if over is None:
        parts = sums / np.maximum(sizes, 1)
    else:
        # A ratio's jackknife pseudo-values: Quenouille 1956; a batch may hold none of the divisor.
        left_out = np.divide(
            sums.sum() - sums, total - sizes, out=np.full_like(sums, value), where=sizes < total
        )
        parts = resampling.batches * value - (resampling.batches - 1) * left_out
    return Measured(value, parts, "batch means", resampling.batches)


def share_of(flags: NDArray[np.bool_], resampling: Resampling) -> Measured:
    """Measure the share of calls that are flagged."""
    mean = mean_of(flags.astype(np.float64), resampling)
    return Measured(mean.value, mean.parts, mean.method, mean.batches, flags.size)


def quantiles_of(
    values: Floats, chosen: NDArray[np.bool_], levels: tuple[float, ...], resampling: Resampling
) -> tuple[Measured, ...]:
    """Measure quantiles of the chosen calls' values, with whole batches resampled."""
    kept = values[chosen]
    if not kept.size:
        nothing = np.full(RESAMPLES, math.nan)
        return tuple(Measured(math.nan, nothing, "block bootstrap", 1) for _ in levels)
    order = np.argsort(kept, kind="stable")
    ranked, batch = kept[order], resampling.batch[chosen][order]
    places = _places(kept.size)
    counted = _counts(batch, places, resampling.batches)
    wanted = np.array(levels) - 1e-12
    parts = np.full((RESAMPLES, len(levels)), math.nan)
    for row, reached in enumerate(np.cumsum(resampling.draws @ counted, axis=1)):
        if reached[-1]:  # the batches that were drawn have some of the chosen calls
            parts[row] = ranked[places[np.searchsorted(reached, wanted * reached[-1])]]
    return tuple(
        Measured(_quantile(ranked, level), column, "block bootstrap", resampling.batches)
        for level, column in zip(levels, parts.T, strict=True)
    )


def _quantile(ranked: Floats, level: float) -> float:
    return float(ranked[max(0, math.ceil(level * ranked.size - 1e-9) - 1)])


def _places(size: int) -> NDArray[np.intp]:
    """Return the ranks at which a sorted column is looked at: all, or evenly and in the tail."""
    if size <= 2 * RANKS:
        return np.arange(size)
    even = np.linspace(0, size - 1, RANKS)
    tail = size - np.geomspace(1, size, RANKS)
    return np.unique(np.concatenate([even, tail]).round().astype(np.intp))


def _counts(batch: NDArray[np.intp], places: NDArray[np.intp], batches: int) -> Floats:
    """Count each batch's calls between one place and the next."""
    bucket = np.searchsorted(places, np.arange(batch.size))
    flat = np.bincount(batch * places.size + bucket, minlength=batches * places.size)
    return flat.reshape(batches, places.size).astype(np.float64)


def estimate(measured: Measured, *, confidence: float = CONFIDENCE) -> Estimate:
    """Give a figure its confidence interval."""
    ends = _ends(measured, confidence)
    if ends is not None and measured.trials is not None:
        # No batch differs from another where nothing ever failed, and yet something may: a share
        # is never surer than Wilson's interval of independent calls (Wilson 1927).
        wilson = _wilson(measured.value, measured.trials, confidence)
        ends = max(0.0, min(ends[0], wilson[0])), min(1.0, max(ends[1], wilson[1]))
    low, high = ends or (None, None)
    return Estimate(measured.value, low, high, measured.method)


def between(a: Measured, b: Measured, *, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate by how much `b` exceeds `a`, both measured over the same calls."""
    paired = Measured(b.value - a.value, b.parts - a.parts, a.method, min(a.batches, b.batches))
    return estimate(paired, confidence=confidence)


def _ends(measured: Measured, confidence: float) -> tuple[float, float] | None:
    if measured.batches < FEWEST_BATCHES or not math.isfinite(measured.value):
        return None
    freedom = measured.batches - 1
    reach = student_t((1 + confidence) / 2, freedom)
    if measured.method == "batch means":
        error = float(measured.parts.std(ddof=1)) / math.sqrt(measured.batches)
        return measured.value - reach * error, measured.value + reach * error
    if not np.isfinite(measured.parts).all():
        return None
    # The expanded percentile interval, which makes up for few batches: Hesterberg, "What teachers
    # should know about the bootstrap", 2015.
    tail = NormalDist().cdf(-reach * math.sqrt(measured.batches / freedom))
    low, high = np.quantile(measured.parts, [tail, 1 - tail])
    return min(float(low), measured.value), max(float(high), measured.value)


def _wilson(share: float, trials: int, confidence: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    width = 1 + z * z / trials
    centre = share + z * z / (2 * trials)
    reach = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    return (centre - reach) / width, (centre + reach) / width


def student_t(level: float, freedom: int) -> float:
    """Return a quantile of Student's t, by Abramowitz and Stegun's 26.7.5.

    >>> round(student_t(0.975, 29), 3)
    2.045
    """
    z = NormalDist().inv_cdf(level)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, 1))
