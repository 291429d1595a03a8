"""How soon calls are answered: the share of all calls, on a scale that opens up the tail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from portkey_local.bench.html.scales import Scale, log, nines
from portkey_local.bench.html.svg import (
    COLOURS,
    Point,
    circle,
    drawing,
    element,
    line,
    path,
    shortened,
    spread,
    text,
    tip,
)
from portkey_local.bench.intervals import Estimate
from portkey_local.bench.results import Comparison
from portkey_local.bench.wording import seconds

__all__ = ["latency_curves"]

WIDTH, HEIGHT = 560, 372
LEFT, RIGHT, TOP, BOTTOM = 50, 396, 14, 332
HIGHEST: Final = 0.9995
ROOM: Final = 2.5  # above the highest curve, as a ratio of what is not reached
LABEL_GAP: Final = 15


@dataclass(frozen=True, slots=True)
class _Curve:
    name: str
    slot: int
    points: Sequence[Point]
    p99: Estimate


def latency_curves(comparison: Comparison, *, first_token: bool = False) -> str:
    """Draw for each config which share of all calls was answered within how many seconds."""
    curves = [
        _Curve(
            each.name,
            slot % COLOURS,
            each.ttft_curve if first_token else each.curve,
            each.figures["ttft_p99" if first_token else "p99"],
        )
        for slot, each in enumerate(comparison.results)
    ]
    kept = [each for each in curves if each.points]
    if not kept:
        return ""
    reached = max(each.points[-1][1] for each in kept)
    x, y = _across(kept), nines(min(HIGHEST, 1 - (1 - reached) / ROOM), BOTTOM, TOP)
    what = "first token" if first_token else "answer"
    return drawing(
        WIDTH,
        HEIGHT,
        _axes(x, y, what),
        "" if first_token else _deadline(x, comparison.deadline),
        *(_drawn(each, x, y) for each in kept),
        _labels(curves, x, y),
        title=f"Time to {what}",
        description=f"Cumulative share of all calls that had their {what} within so many seconds,"
        " a line for each config; lines that level off show calls that were never answered.",
    )


def _across(curves: Sequence[_Curve]) -> Scale:
    firsts = [share_at(each.points, 0.02) for each in curves]
    lasts = [share_at(each.points, HIGHEST) for each in curves]
    low = max(min(firsts), max(lasts) / 3000)  # a cache's answers are off the left border
    return log(low * 0.9, max(lasts) * 1.1, LEFT, RIGHT)


def share_at(points: Sequence[Point], share: float) -> float:
    """Return the seconds at which a curve reaches a share, or ends."""
    return next((at for at, reached in points if reached >= share), points[-1][0])


def _axes(x: Scale, y: Scale, what: str) -> str:
    marks = []
    for share in y.ticks():
        marks += [
            line((LEFT, y(share)), (RIGHT, y(share)), class_="grid"),
            text(LEFT - 7, y(share) + 4, f"{share * 100:g} %", class_="tick end"),
        ]
    for at in x.ticks():
        marks += [
            line((x(at), BOTTOM), (x(at), BOTTOM + 4), class_="axis"),
            text(x(at), BOTTOM + 17, seconds(at), class_="tick middle"),
        ]
    caption = text((LEFT + RIGHT) / 2, HEIGHT - 4, f"time to {what}", class_="name middle")
    return element("g", *marks, line((LEFT, BOTTOM), (RIGHT, BOTTOM), class_="axis"), caption)


def _deadline(x: Scale, deadline: float) -> str:
    if not x.low < deadline < x.high:
        return ""
    at = x(deadline)
    return line((at, TOP), (at, BOTTOM), class_="limit") + text(
        at + 4, BOTTOM - 6, f"deadline {seconds(deadline)}", class_="small"
    )


def _drawn(curve: _Curve, x: Scale, y: Scale) -> str:
    """Draw a curve, level from its end on, with the interval of its 99th percentile."""
    shown = [(x(at), y(share)) for at, share in curve.points if share <= y.high]
    end = shown[-1] if shown else (x(curve.points[0][0]), TOP)
    parts = [path(shown, class_=f"curve s{curve.slot}", steps=False)]
    if curve.points[-1][1] < y.high:
        parts.append(line(end, (RIGHT, end[1]), class_=f"level s{curve.slot}"))
    return element("g", tip(curve.name), *parts, _whisker(curve, x, y), class_="series")


def _whisker(curve: _Curve, x: Scale, y: Scale) -> str:
    """Mark where the 99th percentile of the answered calls lies on the curve, and how surely."""
    estimate, share = curve.p99, 0.99 * curve.points[-1][1]
    if estimate.low is None or estimate.high is None:
        return ""
    words = f"{curve.name}: p99 {seconds(estimate.value)}"
    words += f", 95 % interval {seconds(estimate.low)} to {seconds(estimate.high)}"
    return element(
        "g",
        tip(words),
        line(
            (x(estimate.low), y(share)), (x(estimate.high), y(share)), class_=f"range s{curve.slot}"
        ),
        circle((x(estimate.value), y(share)), 3.2, class_=f"dot f{curve.slot}"),
    )


def _labels(curves: Sequence[_Curve], x: Scale, y: Scale) -> str:
    """Name the curves at the right, each led to its end, and say what share was never answered."""
    ends = [_end(each, x, y) for each in curves]
    places = spread([end[1] for end in ends], LABEL_GAP, TOP + 4, BOTTOM - 4)
    parts = []
    for curve, end, at in zip(curves, ends, places, strict=True):
        parts += [
            path([end, (RIGHT + 6, end[1]), (RIGHT + 13, at)], class_=f"leader s{curve.slot}"),
            text(RIGHT + 16, at + 4, shortened(curve.name, 21), class_=f"label c{curve.slot}"),
        ]
    return element("g", *parts)


def _end(curve: _Curve, x: Scale, y: Scale) -> Point:
    if not curve.points:
        return RIGHT, BOTTOM
    reached = curve.points[-1][1]
    if reached < y.high:
        return RIGHT, y(reached)
    return x(share_at(curve.points, y.high)), TOP
