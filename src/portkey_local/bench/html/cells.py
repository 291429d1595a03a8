"""The table of figures: each with its unit and margin, and a small drawing of its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from portkey_local.bench.html.scales import Scale, linear
from portkey_local.bench.html.svg import COLOURS, circle, element, line
from portkey_local.bench.intervals import Estimate
from portkey_local.bench.metrics import METRICS
from portkey_local.bench.results import Comparison
from portkey_local.bench.wording import figure, margin_of, value_of

__all__ = ["figures_table", "overview_table"]

ANSWERS: Final = ("success", "goodput", "p50", "p90", "p99", "p99.9", "ttft_p50", "ttft_p99")
WORK: Final = (
    "cost",
    "wasted",
    "attempts",
    "amplification",
    "recovery",
    "cache_hits",
    "wrong_hits",
)
TITLES: Final = {
    "goodput": "in time",
    "success": "success",
    "ttft_p50": "first token, p50",
    "ttft_p99": "first token, p99",
    "cost": "cost of 1,000 calls",
    "wasted": "of it wasted",
    "amplification": "attempts in rough weather",
    "recovery": "recovers in",
    "cache_hits": "from cache",
    "wrong_hits": "wrongly",
}
WIDTH: Final = 104
CACHED: Final = ("cache_hits", "wrong_hits")


def figures_table(comparison: Comparison) -> str:
    """Return the tables of a comparison's figures, a row for each config: answers, then work."""
    return _figures(comparison, ANSWERS) + _figures(comparison, WORK)


def _figures(comparison: Comparison, columns: Sequence[str]) -> str:
    shown = [name for name in columns if _worth_a_column(comparison, name)]
    heads = "".join(
        f'<th scope="col" title="{escape(METRICS[name].title)}">'
        f"{escape(TITLES.get(name, name))}</th>"
        for name in shown
    )
    scales = {name: _scale([each.figures[name] for each in comparison.results]) for name in shown}
    rows = []
    for slot, result in enumerate(comparison.results):
        cells = "".join(
            f"<td>{_figure(name, result.figures[name])}"
            f"{_interval(result.figures[name], scales[name], slot)}</td>"
            for name in shown
        )
        kind = ' class="best"' if result.name == comparison.best else ""
        rows.append(f"<tr{kind}>{_row_head(result.name, slot)}{cells}</tr>")
    return _table(f"<th></th>{heads}", rows)


def overview_table(comparisons: Sequence[Comparison]) -> str:
    """Return the table of all weathers: answered in time, 99th percentile and cost of each."""
    heads = "".join(f'<th scope="col">{escape(each.weather)}</th>' for each in comparisons)
    shared = [each.figures["goodput"] for one in comparisons for each in one.results]
    scale = _scale(shared)
    rows = []
    for slot, result in enumerate(comparisons[0].results):
        cells = []
        for each in comparisons:
            figures, best = each.results[slot].figures, each.best == result.name
            words = f"p99 {figure('p99', figures['p99'])}, {figure('cost', figures['cost'])}"
            cells.append(
                f"<td>{_figure('goodput', figures['goodput'])} in time{' ★' if best else ''}"
                f"{_interval(figures['goodput'], scale, slot)}"
                f'<span class="margin">{escape(words)}</span></td>'
            )
        rows.append(f"<tr>{_row_head(result.name, slot)}{''.join(cells)}</tr>")
    return _table(f"<th></th>{heads}", rows)


def _table(heads: str, rows: Sequence[str]) -> str:
    body = "".join(rows)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _row_head(name: str, slot: int) -> str:
    return f'<th scope="row" class="c{slot % COLOURS}">{escape(name)}</th>'


def _worth_a_column(comparison: Comparison, name: str) -> bool:
    values = [each.figures[name].value for each in comparison.results]
    optional = name in (*CACHED, "recovery", "amplification")
    return any(math.isfinite(value) and (value or not optional) for value in values)


def _figure(name: str, each: Estimate) -> str:
    if name in CACHED and not each.value:
        return "0 %"
    margin = margin_of(name, each)
    told = f' <span class="margin">± {margin}</span>' if margin else ""
    return f"{escape(value_of(name, each))}{told}"


def _scale(estimates: Sequence[Estimate]) -> Scale:
    ends = [
        end
        for each in estimates
        for end in (each.low, each.value, each.high)
        if end is not None and math.isfinite(end)
    ]
    return linear(min(ends, default=0.0), max(ends, default=1.0), 4, WIDTH - 4)


def _interval(each: Estimate, scale: Scale, slot: int) -> str:
    if not math.isfinite(each.value):
        return ""
    parts = [line((2, 6), (WIDTH - 2, 6), class_="grid")]
    if each.low is not None and each.high is not None:
        ends = (scale(each.low), 6.0), (scale(each.high), 6.0)
        parts.append(line(*ends, class_=f"range s{slot % COLOURS}"))
    parts.append(circle((scale(each.value), 6), 3.4, class_=f"dot f{slot % COLOURS}"))
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} 12", aria_hidden="true")
