"""The page of a search: the best configs, and what every candidate costs and reaches."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Final

from portkey_local.bench.html.page import document, figure_of
from portkey_local.bench.html.pareto import Spot, pareto_plot
from portkey_local.bench.metrics import METRICS
from portkey_local.bench.wording import figure, seconds

if TYPE_CHECKING:
    from portkey_local.bench.search.halving import Trial
    from portkey_local.bench.search.tuning import Tuning

__all__ = ["tuned_page"]

COLUMNS: Final = ("success", "goodput", "p50", "p99", "cost", "attempts")
MOST_MARKED: Final = 6


def tuned_page(tuning: Tuning) -> str:
    """Return the report of a search as one HTML document."""
    title = f"Tuned: {tuning.objective.text}"
    tried = len(tuning.trials) + len(tuning.dropped)
    space = "the whole space" if tuning.whole else "a Latin hypercube, by successive halving"
    facts = (
        f"{tried:,} candidates, {space} · {tuning.calls:,} calls · {tuning.workload} · weather:"
        f" {tuning.weather} · deadline {seconds(tuning.deadline)} · seed {tuning.seed}"
    )
    across, up = (METRICS[name].title for name in tuning.axes)
    body = [
        f'<header><h1>{escape(title)}</h1><p class="facts">{escape(facts)}</p></header>',
        _lead(tuning),
        _table(tuning),
        figure_of(
            pareto_plot(_spots(tuning), tuning.axes),
            "What can be had",
            escape(
                f"{across}, against {up}. Grey dots are candidates, hollow ones miss a limit;"
                " of the others, none beats those on the line in both."
            ),
        ),
        _configs(tuning),
    ]
    return document(title, body)


def _lead(tuning: Tuning) -> str:
    if not tuning.best:
        return '<p class="lead"><b>No candidate keeps the limits.</b> The nearest come first.</p>'
    first = tuning.best[0]
    told = ", ".join(
        f"{name} {figure(name, first.figures[name])}" for name in tuning.objective.metrics()
    )
    sure = "" if first.surely else " Its interval does not rule out that it misses a limit."
    return (
        f'<p class="lead"><b>{escape(first.candidate.name)}</b>: {escape(told)}.{sure}</p>'
        f"<p>{escape(tuning.verdict)}</p>"
    )


def _table(tuning: Tuning) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    given = [] if tuning.given is None else [tuning.given]
    listed = dict.fromkeys([*(tuning.best or tuning.trials[:5]), *tuning.front, *given])
    rows = "".join(_row(each, tuning) for each in listed)
    table = f"<thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="wide"><table>{table}</table></div>'


def _row(trial: Trial, tuning: Tuning) -> str:
    cells = "".join(f"<td>{escape(figure(name, trial.figures[name]))}</td>" for name in COLUMNS)
    kind = ' class="best"' if tuning.best and trial is tuning.best[0] else ""
    note = "" if trial.keeps else ' <span class="margin">misses a limit</span>'
    if trial.worse:
        note = ' <span class="margin">succeeds less often</span>'
    return f'<tr{kind}><th scope="row">{escape(trial.candidate.name)}{note}</th>{cells}</tr>'


def _spots(tuning: Tuning) -> list[Spot]:
    marked = [*tuning.best[:1], *([] if tuning.given is None else [tuning.given]), *tuning.front]
    slots = {
        each.candidate.name: slot
        for slot, each in enumerate([*dict.fromkeys(marked)][:MOST_MARKED])
    }
    across, up = tuning.axes
    return [
        Spot(
            each.candidate.label,
            each.figures[across],
            each.figures[up],
            slots.get(each.candidate.name),
            eligible=each.keeps,
        )
        for each in tuning.trials
    ]


def _configs(tuning: Tuning) -> str:
    from portkey_local.bench.configs import shown_config

    blocks = "".join(
        f"<h3>{escape(each.candidate.name)}</h3><pre>"
        f"{escape(json.dumps(shown_config(each.candidate.config), indent=2))}</pre>"
        for each in tuning.best
    )
    return f"<details><summary>The best configs</summary>{blocks}</details>" if blocks else ""
