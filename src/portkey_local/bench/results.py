"""What a comparison found: plain values, in the shapes that JSON, CSV, tables and charts show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from portkey_local.bench.intervals import Estimate
from portkey_local.bench.metrics import METRICS
from portkey_local.bench.overtime import Overtime, Phase, Recovery, Span

if TYPE_CHECKING:
    import os

__all__ = ["Comparison", "Difference", "Result", "Results", "plain"]

DIGITS: Final = 7  # of a figure in JSON: more would tell machines apart, not configs


@dataclass(frozen=True, slots=True)
class Result:
    """What one config did with a workload in a weather.

    `figures` has an estimate for each name of `bench.METRICS`. `curve` and `ttft_curve` are pairs
    of seconds and the share of *all* calls that were answered by then.
    """

    name: str
    config: Any
    figures: Mapping[str, Estimate]
    curve: tuple[tuple[float, float], ...]
    ttft_curve: tuple[tuple[float, float], ...]
    overtime: Overtime
    phases: tuple[Phase, ...]
    recoveries: tuple[Recovery, ...]
    breakers: tuple[str, ...]  # the targets that have a circuit
    endings: Mapping[str, int]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much `better` and `worse` differ in a metric, over the same calls.

    `amount` is the better one's lead, in the metric's unit; `relative` is it as a share of the
    worse one's figure, None where that is zero. `shown` says whether the interval leaves zero out.
    """

    metric: str
    better: str
    worse: str
    amount: Estimate
    relative: Estimate | None
    shown: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several configs over the same calls in the same weather.

    `calls` is how many were covered, `asked` how many were wanted: fewer are covered by a run that
    was stopped. `best` is the config to ship, by `summary`'s first sentence.
    """

    workload: str
    weather: str
    seed: int
    calls: int
    asked: int
    deadline: float
    seconds: float
    results: tuple[Result, ...]
    spans: tuple[Span, ...]
    differences: tuple[Difference, ...]
    best: str
    summary: tuple[str, ...]

    def __getitem__(self, name: str) -> Result:
        """Return a config's result by its name."""
        return next(each for each in self.results if each.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "workload": self.workload,
            "weather": self.weather,
            "seed": self.seed,
            "calls": self.calls,
            "calls_asked_for": self.asked,
            "deadline_s": _number(self.deadline),
            "seconds": _number(self.seconds),
            "best": self.best,
            "summary": list(self.summary),
            "results": [_result(each) for each in self.results],
            "differences": [plain(each) for each in self.differences],
            "weather_spans": [plain(each) for each in self.spans],
        }


@dataclass(frozen=True, slots=True)
class Results:
    """Comparisons of the same configs, one for each weather.

    `complete` is False where the run was stopped before its end.
    """

    comparisons: tuple[Comparison, ...]
    complete: bool = True
    notes: tuple[str, ...] = field(default=())

    def __getitem__(self, weather: str) -> Comparison:
        """Return a weather's comparison."""
        return next(each for each in self.comparisons if each.weather == weather)

    def __str__(self) -> str:
        """Say in sentences what was found."""
        lines = []
        for each in self.comparisons:
            weather = f"{each.weather}: " if len(self.comparisons) > 1 else ""
            lines += [f"{weather}{line}" for line in each.summary]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        return {
            "complete": self.complete,
            "units": {name: metric.unit for name, metric in METRICS.items()},
            "notes": list(self.notes),
            "comparisons": [each.to_dict() for each in self.comparisons],
        }

    def to_html(self) -> str:
        """Return the report: one page that needs nothing else."""
        from portkey_local.bench.html.page import page

        return page(self)

    def write_csv(self, folder: str | os.PathLike[str]) -> None:
        """Write figures, differences, curves and timelines into a folder, a file each."""
        from portkey_local.bench.tabular import write_csv

        write_csv(self, folder)


def _result(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "config": result.config,
        "figures": {name: plain(each) for name, each in result.figures.items()},
        "endings": dict(result.endings),
        "latency_cdf": plain(result.curve),
        "ttft_cdf": plain(result.ttft_curve),
        "over_time": plain(result.overtime),
        "breakers": {"targets": list(result.breakers), "phases": plain(result.phases)},
        "recoveries": plain(result.recoveries),
        "warnings": list(result.warnings),
    }


def plain(value: Any) -> Any:
    """Return what JSON can hold: objects by their fields, figures rounded, no NaN or infinity."""
    names = getattr(value, "__dataclass_fields__", None)
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value


def _number(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
