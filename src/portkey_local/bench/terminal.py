"""Results on a terminal: a table for each weather, and below it what it shows in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from portkey_local.bench.results import Comparison, Result, Results
from portkey_local.bench.wording import margin_of, seconds, value_of

__all__ = ["comparison_view", "results_view"]

HEADS: Final = {
    "success": "success",
    "goodput": "in time",
    "p50": "p50",
    "p99": "p99",
    "cost": "$ / 1,000",
    "attempts": "attempts",
    "cache_hits": "cached",
}


def results_view(results: Results) -> Group:
    """Return everything that a terminal is told."""
    views: list[RenderableType] = []
    for each in results.comparisons:
        views += [*comparison_view(each), Text()]
    views += [Text(f"note: {line}", "dim") for line in (*results.notes, *_warnings(results))]
    return Group(*views)


def comparison_view(comparison: Comparison) -> Iterator[RenderableType]:
    """Yield a comparison's heading, its table and its verdicts."""
    limit = comparison.deadline
    within = f", deadline {seconds(limit)}" if limit < float("inf") else ""
    covered = f"{comparison.calls:,}"
    if comparison.calls < comparison.asked:
        covered = f"stopped: {covered} of {comparison.asked:,}"
    yield Text.assemble(
        (f"weather: {comparison.weather}", "bold"),
        f"  {covered} calls of {comparison.workload}{within}, seed {comparison.seed}",
    )
    yield _table(comparison)
    for line in comparison.summary:
        yield Text(line)


def _table(comparison: Comparison) -> Table:
    cached = any(each.figures["cache_hits"].value > 0 for each in comparison.results)
    shown = [name for name in HEADS if name != "cache_hits" or cached]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", overflow="fold", min_width=10)
    for name in shown:
        table.add_column(HEADS[name], justify="right", no_wrap=True)
    for result in comparison.results:
        style = "bold green" if result.name == comparison.best else "bold"
        table.add_row(Text(result.name, style), *_cells(result, shown))
    return table


def _cells(result: Result, shown: Iterable[str]) -> Iterator[Text]:
    for name in shown:
        each = result.figures[name]
        if name == "cache_hits" and not each.value:
            yield Text()
            continue
        value = value_of(name, each).removeprefix("$")
        margin = margin_of(name, each)
        yield Text.assemble(value, (f"\n±{margin}" if margin else "", "dim"))


def _warnings(results: Results) -> Iterable[str]:
    return dict.fromkeys(
        f"{each.name}: {line}"
        for comparison in results.comparisons
        for each in comparison.results
        for line in each.warnings
    )
