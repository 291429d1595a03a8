"""The figures of a run: what each is, in which unit, which way is better, and how it is measured.

Ground rules: times to an answer are those of calls that got one, so they are read beside the
success rate; everything else counts every call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from portkey_local.bench.intervals import (
    Floats,
    Measured,
    Resampling,
    mean_of,
    quantiles_of,
    share_of,
)
from portkey_local.bench.overtime import recoveries, rough
from portkey_local.bench.records import CacheUse, Run

__all__ = ["HEADLINES", "METRICS", "Metric", "Unit", "measure"]

Unit = Literal["share", "seconds", "dollars", "times", "per second"]
LEVELS: Final[Mapping[str, float]] = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
CENTS: Final = 1000  # costs are told for so many calls


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure's name in JSON and objectives, its title, its unit, and which way is better."""

    name: str
    title: str
    unit: Unit
    more_is_better: bool
    verb: str  # as in "B is cheaper", for the better side


def _rows() -> Iterator[Metric]:
    yield Metric("success", "success rate", "share", more_is_better=True, verb="succeeds more")
    yield Metric(
        "goodput",
        "goodput: answered, and rightly, within the deadline",
        "share",
        more_is_better=True,
        verb="answers more calls in time",
    )
    yield Metric(
        "goodput_per_s",
        "calls answered in time, each second",
        "per second",
        more_is_better=True,
        verb="answers more calls a second",
    )
    for level in LEVELS:
        yield Metric(
            level, f"{level} of the total time", "seconds", more_is_better=False, verb="is faster"
        )
    for level in LEVELS:
        yield Metric(
            f"ttft_{level}",
            f"{level} of the time to first token",
            "seconds",
            more_is_better=False,
            verb="begins sooner",
        )
    yield from _rows_of_spending()


def _rows_of_spending() -> Iterator[Metric]:
    yield Metric("cost", "cost of 1,000 calls", "dollars", more_is_better=False, verb="is cheaper")
    yield Metric(
        "wasted",
        "cost of attempts that bought nothing, in 1,000 calls",
        "dollars",
        more_is_better=False,
        verb="wastes less",
    )
    yield Metric(
        "attempts", "attempts per call", "times", more_is_better=False, verb="asks less often"
    )
    yield Metric(
        "amplification",
        "attempts per call in rough weather",
        "times",
        more_is_better=False,
        verb="asks less often in rough weather",
    )
    yield Metric(
        "recovery",
        "time until calls succeed again after an outage",
        "seconds",
        more_is_better=False,
        verb="recovers sooner",
    )
    yield Metric(
        "cache_hits", "answered by a cache", "share", more_is_better=True, verb="is cached more"
    )
    yield Metric(
        "wrong_hits",
        "answered by a cache, wrongly",
        "share",
        more_is_better=False,
        verb="errs less often in its cache",
    )


METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _rows()}
# What a person compares first; verdicts are given for these.
HEADLINES: Final = ("success", "goodput", "p50", "p99", "ttft_p50", "cost", "attempts")


def measure(run: Run, resampling: Resampling, *, deadline: float) -> dict[str, Measured]:
    """Measure everything of a run; `resampling` is shared by runs over the same calls."""
    calls = run.calls
    good = calls.succeeded
    in_time = good & ~calls.wrong_hit & (calls.total_s <= deadline)
    hits = np.isin(calls.cache, (CacheUse.HIT, CacheUse.SEMANTIC_HIT))
    attempts = calls.attempts.astype(np.float64)
    in_rough = rough(run.regimes, calls.arrival_s).astype(np.float64)
    found = {
        "success": share_of(good, resampling),
        "goodput": share_of(in_time, resampling),
        "goodput_per_s": mean_of(
            in_time.astype(np.float64), resampling, over=_gaps(calls.arrival_s)
        ),
        "cost": mean_of(calls.cost_usd * CENTS, resampling),
        "wasted": mean_of(calls.wasted_cost_usd * CENTS, resampling),
        "attempts": mean_of(attempts, resampling),
        "amplification": mean_of(attempts * in_rough, resampling, over=in_rough),
        "recovery": _recovery(run),
        "cache_hits": share_of(hits, resampling),
        "wrong_hits": share_of(hits & calls.wrong_hit, resampling),
    }
    begun = good & np.isfinite(calls.ttft_s)
    for prefix, times, chosen in (("", calls.total_s, good), ("ttft_", calls.ttft_s, begun)):
        quantiles = quantiles_of(times, chosen, tuple(LEVELS.values()), resampling)
        found |= {prefix + name: each for name, each in zip(LEVELS, quantiles, strict=True)}
    return {name: found[name] for name in METRICS}


def _gaps(arrivals: Floats) -> Floats:
    """Return the seconds until the next arrival; the last call is given the mean."""
    if arrivals.size < 2:
        return np.ones_like(arrivals)
    gaps = np.diff(arrivals)
    return np.append(gaps, gaps.mean())


def _recovery(run: Run) -> Measured:
    """Average over the outages; there are too few of them for an interval."""
    took = np.array([each.seconds for each in recoveries(run) if each.seconds is not None])
    value = float(took.mean()) if took.size else float("nan")
    return Measured(value, took.astype(np.float64), "batch means", 1)
