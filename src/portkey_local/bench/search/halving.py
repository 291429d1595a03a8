"""The search: which candidates are run, over how many calls, and which are best.

Ground rules: every candidate meets the same calls and the same luck. A small space is searched
whole; of a large one a Latin hypercube is drawn, and successive halving gives most calls to what
does best. The config as it is given is always among the candidates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Final

import numpy as np

from portkey_local.bench.intervals import Estimate, Measured, between, estimate
from portkey_local.bench.metrics import METRICS, Metric
from portkey_local.bench.naming import BenchError
from portkey_local.bench.results import Difference
from portkey_local.bench.search.objective import Objective
from portkey_local.bench.search.varying import Vary, applied
from portkey_local.bench.verdicts import VERDICTS, difference
from portkey_local.errors import ConfigError

__all__ = ["Candidate", "Found", "Judge", "Refused", "Trial", "candidates", "search"]

Table = Mapping[str, Measured]
KEPT: Final = 3  # one of so many goes on to so many times the calls (Jamieson and Talwalkar 2016)
FEWEST: Final = 300  # calls of a first round


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A config to try: the values it has for what is varied, none for the one that was given."""

    values: tuple[tuple[str, Any], ...]
    config: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What it is called where there is little room: the last parts of the names will do."""
        parts = (f"{name.rpartition('.')[2]}={value}" for name, value in self.values)
        return ", ".join(parts) or "as given"

    @property
    def name(self) -> str:
        """What it is called: its values, or `as given`."""
        return ", ".join(f"{name}={value}" for name, value in self.values) or "as given"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What a candidate did: over how many calls, and whether it keeps the limits, and surely.

    `worse` says that it is shown to succeed less often than the config that was given, `against`
    how the two differ in what is to be made best; it is None for the given one.
    """

    candidate: Candidate
    calls: int
    figures: Mapping[str, Estimate]
    keeps: bool
    surely: bool
    worse: bool
    rank: tuple[float, float]
    against: Difference | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """A candidate that is no config, and why."""

    candidate: Candidate
    reason: str


Judge = Callable[[Candidate, int], Table]
"""Runs a candidate over so many calls."""


def candidates(
    config: Mapping[str, Any], varies: Sequence[Vary], *, trials: int, seed: int
) -> tuple[list[Candidate], bool]:
    """Return what to try, the config as given first, and whether that is the whole space."""
    grids = [each.values.grid() for each in varies]
    whole = math.prod(map(len, grids)) <= trials
    rows = product(*grids) if whole else _hypercube(varies, trials, seed)
    found = [Candidate((), config)]
    for row in rows:
        places = [(each.place, value) for each, value in zip(varies, row, strict=True)]
        values = tuple((each.name, value) for each, value in zip(varies, row, strict=True))
        made = Candidate(values, applied(config, places))
        if all(made.config != other.config for other in found):
            found.append(made)
    return found, whole


def _hypercube(varies: Sequence[Vary], trials: int, seed: int) -> list[tuple[Any, ...]]:
    """Draw so that each of `trials` equal parts of every range is met once (McKay et al. 1979)."""
    draws = np.random.default_rng([seed, trials])
    columns = [
        [
            each.values.at(float(share))
            for share in (draws.permutation(trials) + draws.random(trials)) / trials
        ]
        for each in varies
    ]
    return list(zip(*columns, strict=True))


@dataclass(slots=True)
class Found:
    """What a search has found so far; `complete` is False where somebody stopped it."""

    trials: dict[str, Trial] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    complete: bool = False


def search(
    tried: Sequence[Candidate], judge: Judge, objective: Objective, *, calls: int, halve: bool
) -> Found:
    """Try candidates, the config as given first; Ctrl-C ends it with what was found by then.

    Raises BenchError where no candidate is a config that can be run.
    """
    found, left = Found(), list(tried)
    try:
        for rung in _rungs(len(tried), calls) if halve else [calls]:
            results = _round(left, judge, objective, rung, found)
            if not results:
                first = found.refused[0]
                raise BenchError(f"no candidate can be run; {first.candidate.name}: {first.reason}")
            left = _going_on(results, tried[0])
        found.complete = True
    except KeyboardInterrupt:
        if not found.trials:
            raise
    return found


def _going_on(results: Sequence[Trial], given: Candidate) -> list[Candidate]:
    """Return the best third, and the config as given."""
    ranked = sorted(results, key=lambda each: each.rank)
    best = [each.candidate for each in ranked[: math.ceil(len(ranked) / KEPT)]]
    ran = any(each.candidate is given for each in results)
    return [given, *(each for each in best if each is not given)] if ran else best


def _rungs(count: int, calls: int) -> list[int]:
    """Return the calls of each round, so that the last one has a handful of candidates."""
    rungs = [calls]
    while count > KEPT * 2 and rungs[0] // KEPT >= FEWEST:
        rungs.insert(0, rungs[0] // KEPT)
        count = math.ceil(count / KEPT)
    return rungs


def _round(
    tried: Sequence[Candidate], judge: Judge, objective: Objective, calls: int, found: Found
) -> list[Trial]:
    results = list[Trial]()
    given: Table | None = None
    for candidate in tried:
        try:
            measured = judge(candidate, calls)
        except (ConfigError, BenchError) as error:
            found.refused.append(Refused(candidate, str(error)))
            continue
        given = measured if not candidate.values else given
        results.append(_trial(candidate, calls, measured, given, objective))
        found.trials[candidate.name] = results[-1]
    return results


def _trial(
    candidate: Candidate, calls: int, measured: Table, given: Table | None, objective: Objective
) -> Trial:
    figures = {name: estimate(each) for name, each in measured.items()}
    excess, goal = objective.rank(figures)
    worse = _shown_worse(given, measured) and not _speaks_of_success(objective)
    trial = Trial(
        candidate,
        calls,
        figures,
        keeps=not excess and not worse,
        surely=all(limit.surely_kept(figures[limit.metric]) for limit in objective.limits),
        worse=worse,
        rank=(excess, goal),
        against=_against(candidate, measured, given, METRICS[objective.goal.metric]),
    )
    return replace(trial, rank=(math.inf, goal)) if worse else trial


def _against(
    candidate: Candidate, measured: Table, given: Table | None, metric: Metric
) -> Difference | None:
    if given is None or not candidate.values or not math.isfinite(given[metric.name].value):
        return None
    pair = ("the config as given", given[metric.name]), (candidate.label, measured[metric.name])
    return difference(metric, *pair)


def _speaks_of_success(objective: Objective) -> bool:
    return not {"success", "goodput", "goodput_per_s"}.isdisjoint(objective.metrics())


def _shown_worse(given: Table | None, measured: Table) -> bool:
    """Whether calls succeed less often than with the config that was given: failing is cheap."""
    if given is None:
        return False
    apart = between(given["success"], measured["success"], confidence=VERDICTS)
    return apart.high is not None and apart.high < 0
