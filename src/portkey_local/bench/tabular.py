"""Results as CSV: four tables that any tool reads, a row for each figure, pair, point and step."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from portkey_local.bench.metrics import METRICS
from portkey_local.bench.results import Comparison, Results, plain

__all__ = ["FILES", "write_csv"]

Row = Sequence[Any]
FILES: Final = {
    "figures.csv": (
        "weather",
        "config",
        "metric",
        "unit",
        "value",
        "low_95",
        "high_95",
        "interval_by",
    ),
    "differences.csv": (
        "weather",
        "metric",
        "better",
        "worse",
        "lead",
        "low_99",
        "high_99",
        "relative",
        "shown",
    ),
    "latency_cdf.csv": ("weather", "config", "what", "seconds", "share_of_all_calls"),
    "over_time.csv": ("weather", "config", "until_s", "calls", "what", "count"),
}
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_csv(results: Results, folder: str | os.PathLike[str]) -> None:
    """Write the four files of `FILES` into a folder, which is made where there is none."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    rows = (_figures, _differences, _curves, _steps)
    for (name, header), read in zip(FILES.items(), rows, strict=True):
        with (place / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for comparison in results.comparisons:
                writer.writerows(_safe(row) for row in read(comparison))


def _safe(row: Row) -> Iterator[Any]:
    """Keep a spreadsheet from taking a config's name for a formula."""
    for each in map(plain, row):
        yield f"'{each}" if isinstance(each, str) and each.startswith(FORMULA) else each


def _figures(comparison: Comparison) -> Iterable[Row]:
    for result in comparison.results:
        for name, each in result.figures.items():
            unit = METRICS[name].unit
            facts = (each.value, each.low, each.high, each.method)
            yield (comparison.weather, result.name, name, unit, *facts)


def _differences(comparison: Comparison) -> Iterable[Row]:
    for each in comparison.differences:
        relative = each.relative.value if each.relative else None
        lead = (each.amount.value, each.amount.low, each.amount.high, relative, each.shown)
        yield (comparison.weather, each.metric, each.better, each.worse, *lead)


def _curves(comparison: Comparison) -> Iterable[Row]:
    for result in comparison.results:
        for what, curve in (("total", result.curve), ("first_token", result.ttft_curve)):
            yield from ((comparison.weather, result.name, what, *point) for point in curve)


def _steps(comparison: Comparison) -> Iterable[Row]:
    for result in comparison.results:
        steps = result.overtime
        counted = (("succeeded", steps.succeeded), ("attempts", steps.attempts), *steps.answered)
        for what, counts in counted:
            for until, calls, count in zip(steps.times, steps.calls, counts, strict=True):
                yield (comparison.weather, result.name, until, calls, what, count)
