"""From the runs of several configs to what they show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from portkey_local.bench.intervals import Floats, Measured, Resampling, estimate
from portkey_local.bench.metrics import measure
from portkey_local.bench.overtime import (
    Span,
    over_time,
    phases_of,
    recoveries,
    spans_of,
    target_names,
)
from portkey_local.bench.records import Ending, Run
from portkey_local.bench.results import Comparison, Result
from portkey_local.bench.verdicts import best_of, differences, summary

__all__ = ["Examined", "compared", "examined", "resampling_of"]

# Levels of a curve, as near to each other at 99.9 % as at 50 %.
LEVELS: Final = np.unique(
    np.concatenate([np.linspace(0.005, 0.95, 96), 1 - np.geomspace(0.05, 0.0001, 64)])
)


@dataclass(frozen=True, slots=True)
class Examined:
    """What is kept of one config's run once its rows are gone."""

    result: Result
    measured: Mapping[str, Measured]
    run: Mapping[str, Any]
    spans: tuple[Span, ...]


def resampling_of(run: Run) -> Resampling:
    """Return how a run's calls are put into batches, for all runs over the same calls."""
    return Resampling(len(run.calls), seed=run.seed)


def examined(
    name: str, config: Any, run: Run, resampling: Resampling, *, deadline: float
) -> Examined:
    """Measure a config's run; `config` is shown as it is, so without keys."""
    measured = measure(run, resampling, deadline=deadline)
    figures = {metric: estimate(each) for metric, each in measured.items()}
    facts = {"workload": run.workload, "weather": run.weather, "seed": run.seed}
    return Examined(
        _result(name, config, figures, run),
        measured,
        {**facts, "calls": len(run.calls), "seconds": run.end_s},
        spans_of(run),
    )


def compared(parts: Sequence[Examined], *, asked: int, deadline: float) -> Comparison:
    """Compare runs of the same calls; `asked` is how many calls were wanted."""
    measured = {each.result.name: each.measured for each in parts}
    found = differences(measured)
    best = best_of(measured)
    facts = {**parts[0].run, "seconds": max(each.run["seconds"] for each in parts)}
    return Comparison(
        **facts,
        asked=asked,
        deadline=deadline,
        results=tuple(each.result for each in parts),
        spans=tuple(sorted({span for each in parts for span in each.spans}, key=_place)),
        differences=found,
        best=best,
        summary=summary(measured, found, best),
    )


def _place(span: Span) -> tuple[str, float, float]:
    return span.target, span.start, span.end


def _result(name: str, config: Any, figures: Mapping[str, Any], run: Run) -> Result:
    calls, good = run.calls, run.calls.succeeded
    names = target_names(run)
    codes, counts = np.unique(calls.ending, return_counts=True)
    endings = {
        Ending(code).name.lower(): count
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
    }
    return Result(
        name=name,
        config=config,
        figures=figures,
        curve=_curve(calls.total_s, good),
        ttft_curve=_curve(calls.ttft_s, good & np.isfinite(calls.ttft_s)),
        overtime=over_time(run),
        phases=phases_of(run),
        recoveries=tuple(recoveries(run)),
        breakers=tuple(dict.fromkeys(names[target] for target in run.breakers.target)),
        endings=dict(sorted(endings.items())),
        warnings=run.warnings,
    )


def _curve(times: Floats, chosen: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Return seconds and the share of all calls answered by then; it ends at their share."""
    ranked = np.sort(times[chosen])
    if not ranked.size:
        return ()
    levels = LEVELS[LEVELS * times.size <= ranked.size]
    ranks = np.maximum(np.ceil(levels * times.size - 1e-9).astype(np.intp) - 1, 0)
    inner = zip(ranked[ranks], levels, strict=True)
    ends = (float(ranked[-1]), ranked.size / times.size)
    points = [(float(seconds), float(share)) for seconds, share in inner]
    return (*points, ends) if math.isfinite(ends[0]) else tuple(points)
