"""Results on a terminal: a table for each weather, and below it what it shows in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from portkey_local.bench.intervals import Estimate
from portkey_local.bench.results import Comparison, Results
from portkey_local.bench.wording import margin_of, seconds, value_of

if TYPE_CHECKING:
    from portkey_local.bench.search.halving import Trial
    from portkey_local.bench.search.tuning import Tuning

__all__ = ["comparison_view", "results_view", "tuning_view"]

HEADS: Final = {
    "success": "success",
    "goodput": "in time",
    "p50": "p50",
    "p99": "p99",
    "cost": "$ / 1,000",
    "attempts": "attempts",
    "cache_hits": "cached",
}
TUNED: Final = ("success", "goodput", "p50", "p99", "cost")


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
    table = _headed(shown)
    for result in comparison.results:
        style = "bold green" if result.name == comparison.best else "bold"
        table.add_row(Text(result.name, style), *_cells(result.figures, shown))
    return table


def _headed(shown: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", overflow="fold", min_width=10)
    for name in shown:
        table.add_column(HEADS[name], justify="right", no_wrap=True)
    return table


def _cells(figures: Mapping[str, Estimate], shown: Iterable[str]) -> Iterator[Text]:
    for name in shown:
        each = figures[name]
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


def tuning_view(tuning: Tuning) -> Group:
    """Return what a terminal is told of a search: the best, the front, and how it was found."""
    tried = len(tuning.trials) + len(tuning.dropped)
    space = "all there are" if tuning.whole else "drawn, and halved in rounds"
    facts = (
        f"  {tried} candidates ({space}), {tuning.calls:,} calls of {tuning.workload},"
        f" weather {tuning.weather}, seed {tuning.seed}"
    )
    best = tuning.best or tuning.trials[:3]
    given = () if tuning.given is None else (tuning.given,)
    table = _headed(TUNED)
    for trial in dict.fromkeys([*best, *tuning.front, *given]):
        table.add_row(_named(trial, tuning), *_cells(trial.figures, TUNED))
    views: list[RenderableType] = [
        Text.assemble((tuning.objective.text, "bold"), facts),
        table,
        Text("★ on the Pareto front of " + " and ".join(tuning.axes), "dim"),
    ]
    if tuning.verdict:
        views.append(Text(tuning.verdict))
    if tuning.best and not tuning.best[0].surely:
        views.append(Text("The best one's interval does not rule out that it misses a limit."))
    if tuning.refused:
        first = tuning.refused[0]
        views.append(
            Text(
                f"{len(tuning.refused)} candidates cannot be used, as {first.candidate.name}:"
                f" {first.reason}",
                "dim",
            )
        )
    return Group(*views)


def _named(trial: Trial, tuning: Tuning) -> Text:
    best = bool(tuning.best) and trial is tuning.best[0]
    name = Text(trial.candidate.label, "bold green" if best else "bold")
    if trial in tuning.front:
        name.append(" ★")
    if trial.worse:
        name.append(" succeeds less often", "dim")
    elif not trial.keeps:
        name.append(" misses a limit", "dim")
    return name
