"""A run as it went on: who answered, what was tried, which circuits opened, when it recovered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from portkey_local.bench.records import CacheUse, Floats, Regimes, Run

__all__ = [
    "OUTAGES",
    "Overtime",
    "Phase",
    "Recovery",
    "Span",
    "calm_of",
    "over_time",
    "phases_of",
    "recoveries",
    "rough",
    "spans_of",
    "target_names",
]

CALM: Final = "calm"
OUTAGES: Final = frozenset({"black-out", "blackout", "down", "outage"})
BINS: Final = 96
WINDOW: Final = 20  # calls in a row that tell whether calls succeed again
TOLERATED: Final = 0.05  # by how much a window may stay below the rate before the outage
BLOCK: Final = 4096  # windows looked at in one go


@dataclass(frozen=True, slots=True)
class Span:
    """A target's provider was in a regime from `start` to `end`, in seconds of the run."""

    target: str
    regime: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Phase:
    """A target's circuit went to `phase` at `time`, in seconds of the run."""

    target: str
    phase: str
    time: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """An outage's target and end, and the seconds until calls succeeded as before it; None where
    they did not before the run was over.
    """

    target: str
    end: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Overtime:
    """A run in equal steps of time, by when calls arrived: `times` are the steps' ends.

    `answered` has for each target, and for the cache, how many calls of a step it answered.
    """

    times: tuple[float, ...]
    calls: tuple[int, ...]
    succeeded: tuple[int, ...]
    attempts: tuple[int, ...]
    answered: tuple[tuple[str, tuple[int, ...]], ...]


def target_names(run: Run) -> tuple[str, ...]:
    """Return what to call each target: provider and model, and its path where two are alike."""
    plain = [f"{each.provider} {each.model.rpartition('/')[2]}".strip() for each in run.targets]
    return tuple(
        f"{name} ({target.path})" if plain.count(name) > 1 else name
        for name, target in zip(plain, run.targets, strict=True)
    )


def calm_of(regimes: Regimes) -> str | None:
    """Return the regime that is the usual one: `calm`, or else the one that came first."""
    return CALM if CALM in regimes.names else next(iter(regimes.names), None)


def spans_of(run: Run) -> tuple[Span, ...]:
    """Return the weather of a run, without what is usual."""
    names, regimes = target_names(run), run.regimes
    calm = calm_of(regimes)
    rows = zip(regimes.target, regimes.start_s, regimes.end_s, regimes.regime, strict=True)
    return tuple(
        Span(names[target], regimes.names[regime], float(start), float(end))
        for target, start, end, regime in rows
        if regimes.names[regime] != calm and start < run.end_s
    )


def rough(regimes: Regimes, times: Floats) -> NDArray[np.bool_]:
    """Say of each time whether any target's provider was in another regime than its usual one."""
    calm = calm_of(regimes)
    named = np.array([name != calm for name in regimes.names], dtype=bool)
    chosen = named[regimes.regime] if regimes.regime.size else np.zeros(0, dtype=bool)
    begun = np.searchsorted(np.sort(regimes.start_s[chosen]), times, side="right")
    over = np.searchsorted(np.sort(regimes.end_s[chosen]), times, side="right")
    return np.asarray(begun > over)


def phases_of(run: Run) -> tuple[Phase, ...]:
    """Return when which circuit changed."""
    names, breakers = target_names(run), run.breakers
    rows = zip(breakers.target, breakers.time_s, breakers.phase, strict=True)
    return tuple(
        Phase(names[target], breakers.names[phase], float(at)) for target, at, phase in rows
    )


def over_time(run: Run) -> Overtime:
    """Put a run's calls into equal steps of time."""
    calls, names = run.calls, target_names(run)
    last = float(calls.arrival_s[-1]) if len(calls) else 0.0
    edges = np.linspace(0.0, max(last, 1e-9), min(BINS, max(len(calls), 1)) + 1)
    step = np.clip(np.searchsorted(edges, calls.arrival_s, side="right") - 1, 0, edges.size - 2)

    def count(chosen: NDArray[np.bool_], weights: Floats | None = None) -> tuple[int, ...]:
        kept = None if weights is None else weights[chosen]
        counted = np.bincount(step[chosen], kept, edges.size - 1)
        return tuple(int(each) for each in counted)

    everybody, good = np.ones(len(calls), dtype=bool), calls.succeeded
    cached = good & np.isin(calls.cache, (CacheUse.HIT, CacheUse.SEMANTIC_HIT))
    answered = [
        (name, count(good & ~cached & (calls.target == index))) for index, name in enumerate(names)
    ]
    if cached.any():
        answered.append(("cache", count(cached)))
    return Overtime(
        times=tuple(float(edge) for edge in edges[1:]),
        calls=count(everybody),
        succeeded=count(good),
        attempts=count(everybody, calls.attempts.astype(np.float64)),
        answered=tuple(answered),
    )


def recoveries(run: Run) -> Iterator[Recovery]:
    """Yield for each outage the seconds from its end until a window of calls succeeds as before."""
    outages = sorted(
        (span.start, span.end, span.target) for span in spans_of(run) if span.regime in OUTAGES
    )
    done = np.concatenate(([0], np.cumsum(run.calls.succeeded)))  # of so many calls
    # Targets of one provider go down together.
    for (start, end), alike in groupby(outages, key=lambda outage: outage[:2]):
        seconds = _until_as_before(run.calls.arrival_s, done, start, end)
        yield Recovery(next(alike)[2], end, seconds)


def _until_as_before(
    arrivals: Floats, done: NDArray[np.int_], start: float, end: float
) -> float | None:
    """Walk the windows after an outage a block at a time: most are over in the first one."""
    before, first = (int(np.searchsorted(arrivals, moment)) for moment in (start, end))
    usual = float(done[before]) / before if before else 1.0
    for block in range(first, arrivals.size - WINDOW + 1, BLOCK):
        ends = done[block + WINDOW : block + WINDOW + BLOCK]
        good = ends - done[block : block + ends.size]
        reached = np.flatnonzero(good >= WINDOW * (usual - TOLERATED) - 1e-9)
        if reached.size:
            return float(arrivals[block + reached[0]] - end)
    return None
