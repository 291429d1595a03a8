"""From the runs of several configs to what they show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from portkey_local.bench.intervals import Floats, Resampling, estimate
from portkey_local.bench.metrics import measure
from portkey_local.bench.overtime import over_time, phases_of, recoveries, spans_of, target_names
from portkey_local.bench.records import Ending, Run
from portkey_local.bench.results import Comparison, Result
from portkey_local.bench.verdicts import best_of, differences, summary

__all__ = ["compared"]

# Levels of a curve, as near to each other at 99.9 % as at 50 %.
LEVELS: Final = np.unique(
    np.concatenate([np.linspace(0.005, 0.95, 96), 1 - np.geomspace(0.05, 0.0001, 64)])
)


def compared(
    runs: Mapping[str, Run], configs: Mapping[str, Any], *, asked: int, deadline: float
) -> Comparison:
    """Compare runs of the same calls; `configs` are shown as they are, so without keys.

    `deadline` is the seconds a useful answer may take, `asked` how many calls were wanted.
    """
    first = next(iter(runs.values()))
    count = len(first.calls)
    resampling = Resampling(count, seed=first.seed)
    measured = {name: measure(run, resampling, deadline=deadline) for name, run in runs.items()}
    found = differences(measured)
    best = best_of(measured)
    results = []
    for name, run in runs.items():
        figures = {metric: estimate(each) for metric, each in measured[name].items()}
        results.append(_result(name, configs[name], figures, run))
    return Comparison(
        workload=first.workload,
        weather=first.weather,
        seed=first.seed,
        calls=count,
        asked=asked,
        deadline=deadline,
        seconds=max(run.end_s for run in runs.values()),
        results=tuple(results),
        spans=tuple(sorted({span for run in runs.values() for span in spans_of(run)}, key=str)),
        differences=found,
        best=best,
        summary=summary(measured, found, best),
    )


def _result(name: str, config: Any, figures: Mapping[str, Any], run: Run) -> Result:
    calls, good = run.calls, run.calls.succeeded
    names = target_names(run)
    endings = Counter(Ending(int(code)).name.lower() for code in calls.ending)
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
