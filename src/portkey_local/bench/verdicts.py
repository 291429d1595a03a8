"""What may be said about two configs, and which one to ship.

Ground rules: a difference is claimed only where its interval leaves zero out. Verdicts are at 99 %,
figures at 95 %: a page of verdicts should not hold one that is chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from portkey_local.bench.intervals import Estimate, Measured, between, estimate
from portkey_local.bench.metrics import HEADLINES, METRICS, Metric
from portkey_local.bench.results import Difference
from portkey_local.bench.wording import amount_of, figure, relative_of

__all__ = ["AS_GOOD", "VERDICTS", "best_of", "difference", "differences", "summary"]

VERDICTS: Final = 0.99
AS_GOOD: Final = 0.005  # a share of calls that nobody would pay for
Table = Mapping[str, Mapping[str, Measured]]  # by config, by metric


def differences(measured: Table) -> tuple[Difference, ...]:
    """Compare every two configs in what a person compares first."""
    return tuple(
        difference(METRICS[name], (a, measured[a][name]), (b, measured[b][name]))
        for a, b in combinations(measured, 2)
        for name in HEADLINES
        if math.isfinite(measured[a][name].value) and math.isfinite(measured[b][name].value)
    )


def difference(metric: Metric, a: tuple[str, Measured], b: tuple[str, Measured]) -> Difference:
    """Say which of two is better, and by how much, where that is shown."""
    (worse, low), (better, high) = a, b
    if (high.value >= low.value) != metric.more_is_better:
        (worse, low), (better, high) = b, a
    apart = between(low, high, confidence=VERDICTS)
    lead = apart if metric.more_is_better else _turned(apart)
    shown = lead.low is not None and lead.low > 0
    relative = _scaled(lead, 1 / abs(low.value)) if low.value else None
    sentence = _sentence(metric, better, worse, lead, relative) if shown else ""
    return Difference(
        metric.name,
        better,
        worse,
        lead,
        relative,
        shown,
        sentence or f"{metric.title}: no difference shown between {worse} and {better}",
    )


def _turned(each: Estimate) -> Estimate:
    low = None if each.high is None else -each.high
    high = None if each.low is None else -each.low
    return replace(each, value=-each.value, low=low, high=high)


def _scaled(each: Estimate, factor: float) -> Estimate:
    low = None if each.low is None else each.low * factor
    high = None if each.high is None else each.high * factor
    return replace(each, value=each.value * factor, low=low, high=high)


def _sentence(
    metric: Metric, better: str, worse: str, lead: Estimate, relative: Estimate | None
) -> str:
    what = "" if metric.unit != "seconds" else f" at {metric.name.replace('ttft_', '')}"
    if metric.unit == "share" or relative is None:
        return f"{better} {metric.verb}{what} than {worse}, by {amount_of(metric, lead)}"
    return f"{better} {metric.verb}{what} than {worse}, by {relative_of(relative)}"


def best_of(measured: Table) -> str:
    """Choose what to ship: the cheapest of those that answer as many calls in time as any, but for
    half a point.
    """
    goodput = {name: each["goodput"].value for name, each in measured.items()}
    enough = max(goodput.values()) - AS_GOOD
    rivals = [name for name in measured if goodput[name] >= enough]
    return min(rivals, key=lambda name: (measured[name]["cost"].value, -goodput[name]))


def summary(measured: Table, found: Sequence[Difference], best: str) -> tuple[str, ...]:
    """Say in sentences what the best config reaches, and whom it beats in what."""
    mine = {name: estimate(each) for name, each in measured[best].items()}
    reached = (
        f"{best}: {figure('success', mine['success'])} success,"
        f" p99 {figure('p99', mine['p99'])}, {figure('cost', mine['cost'])} per 1,000 calls."
    )
    return (reached, *_against(found, best, [name for name in measured if name != best]))


def _against(found: Iterable[Difference], best: str, others: Sequence[str]) -> Iterable[str]:
    by_pair = {(each.metric, frozenset((each.better, each.worse))): each for each in found}
    for other in others:
        pair = frozenset((best, other))
        told = [by_pair.get((metric, pair)) for metric in ("goodput", "p99", "cost")]
        shown = [each for each in told if each is not None and each.shown]
        ahead = [_short(each) for each in shown if each.better == best]
        behind = [_short(each) for each in shown if each.better == other]
        said = [
            f"{who} {' and '.join(leads)}"
            for who, leads in (("it", ahead), (other, behind))
            if leads
        ]
        yield f"Against {other}, {'; '.join(said) or 'no difference is shown'}."


def _short(each: Difference) -> str:
    metric = METRICS[each.metric]
    if metric.unit == "share" or each.relative is None:
        return f"{metric.verb} by {amount_of(metric, each.amount)}"
    at = f" at {metric.name}" if metric.unit == "seconds" else ""
    return f"{metric.verb}{at} by {relative_of(each.relative)}"
