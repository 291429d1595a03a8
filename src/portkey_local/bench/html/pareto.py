"""Two figures against each other, as cost against p99: each config, and which none outdoes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from portkey_local.bench.front import pareto_front
from portkey_local.bench.html.scales import Scale, linear
from portkey_local.bench.html.svg import (
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
from portkey_local.bench.metrics import METRICS
from portkey_local.bench.wording import figure, tick

__all__ = ["Spot", "pareto_plot"]

WIDTH, HEIGHT = 560, 372
LEFT, RIGHT, TOP, BOTTOM = 58, 548, 14, 332
LABEL_GAP: Final = 15
MARGIN: Final = 0.08


@dataclass(frozen=True, slots=True)
class Spot:
    """A config's place: its estimates across and up; without a `slot` it is one of a crowd.

    One that is not `eligible` falls short elsewhere: it is drawn hollow, and is not on the front.
    """

    name: str
    across: Estimate
    up: Estimate
    slot: int | None = None
    eligible: bool = True


@dataclass(frozen=True, slots=True)
class _Plane:
    x: Scale
    y: Scale
    metrics: tuple[str, str]

    def at(self, spot: Spot) -> Point:
        return self.x(spot.across.value), self.y(spot.up.value)


def pareto_plot(spots: Sequence[Spot], metrics: tuple[str, str] = ("cost", "p99")) -> str:
    """Draw configs by two metrics, with intervals as crosses and the front as a line."""
    spots = [
        each for each in spots if math.isfinite(each.across.value) and math.isfinite(each.up.value)
    ]
    if not spots:
        return ""
    x = linear(*_range([each.across for each in spots]), LEFT, RIGHT)
    y = linear(*_range([each.up for each in spots]), BOTTOM, TOP)
    plane = _Plane(x, y, metrics)
    return drawing(
        WIDTH,
        HEIGHT,
        _axes(plane),
        _front([each for each in spots if each.eligible], plane),
        *(_spot(each, plane) for each in sorted(spots, key=lambda each: each.slot is not None)),
        _labels([each for each in spots if each.slot is not None], plane),
        title=f"{METRICS[metrics[0]].title} against {METRICS[metrics[1]].title}",
        description="A dot for each config, a cross for its intervals; the dashed line joins those"
        " that no other beats in both.",
    )


def _front(spots: Sequence[Spot], plane: _Plane) -> str:
    """Draw the border of what is reached: everything beyond the line is out of reach."""
    if not spots:
        return ""
    front = pareto_front(
        spots,
        lambda spot, name: (spot.across if name == plane.metrics[0] else spot.up).value,
        plane.metrics,
    )
    points = [plane.at(each) for each in front]
    far_x, far_y = (
        (LEFT if METRICS[plane.metrics[0]].more_is_better else RIGHT),
        (BOTTOM if METRICS[plane.metrics[1]].more_is_better else TOP),
    )
    corners = _corners([(points[0][0], far_y), *points, (far_x, points[-1][1])])
    return path(corners, class_="frontier")


def _corners(steps: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    corners = [steps[0]]
    for (_, before), (x, y) in pairwise(steps):
        corners += [(x, before), (x, y)]
    return corners


def _range(estimates: Sequence[Estimate]) -> tuple[float, float]:
    low = min(each.value if each.low is None else each.low for each in estimates)
    high = max(each.value if each.high is None else each.high for each in estimates)
    room = (high - low or abs(high) or 1.0) * MARGIN
    return max(0.0, low - room), high + room


def _axes(plane: _Plane) -> str:
    marks = []
    for at in plane.x.ticks(6):
        marks += [
            line((plane.x(at), TOP), (plane.x(at), BOTTOM), class_="grid"),
            text(plane.x(at), BOTTOM + 17, tick(plane.metrics[0], at), class_="tick middle"),
        ]
    for at in plane.y.ticks(6):
        marks += [
            line((LEFT, plane.y(at)), (RIGHT, plane.y(at)), class_="grid"),
            text(LEFT - 7, plane.y(at) + 4, tick(plane.metrics[1], at), class_="tick end"),
        ]
    across, up = (METRICS[name] for name in plane.metrics)
    arrow = "↗↖↘↙"[2 * (not up.more_is_better) + (not across.more_is_better)]
    corner = RIGHT - 6 if across.more_is_better else LEFT + 6
    height = TOP + 26 if up.more_is_better else BOTTOM - 8
    side = "end" if across.more_is_better else None
    return element(
        "g",
        *marks,
        text((LEFT + RIGHT) / 2, HEIGHT - 4, across.title, class_="name middle"),
        text(LEFT + 6, TOP + 10, up.title, class_="name"),
        text(corner, height, f"{arrow} better", class_=f"small {side or ''}".strip()),
    )


def _spot(spot: Spot, plane: _Plane) -> str:
    at = plane.at(spot)
    told = zip(plane.metrics, (spot.across, spot.up), strict=True)
    words = tip(f"{spot.name}: {', '.join(f'{name} {figure(name, each)}' for name, each in told)}")
    if spot.slot is None:
        return element("g", words, circle(at, 2.6, class_="dot faint"))
    dot = f"dot f{spot.slot}" if spot.eligible else f"hollow s{spot.slot}"
    cross = []
    if spot.across.low is not None and spot.across.high is not None:
        ends = plane.x(spot.across.low), plane.x(spot.across.high)
        cross.append(line((ends[0], at[1]), (ends[1], at[1]), class_=f"range s{spot.slot}"))
    if spot.up.low is not None and spot.up.high is not None:
        ends = plane.y(spot.up.low), plane.y(spot.up.high)
        cross.append(line((at[0], ends[0]), (at[0], ends[1]), class_=f"range s{spot.slot}"))
    return element("g", words, *cross, circle(at, 4.5, class_=dot), class_="series")


def _labels(spots: Sequence[Spot], plane: _Plane) -> str:
    """Name each spot beside it, on the side that has room, names apart from each other."""
    parts = []
    middle = (LEFT + RIGHT) / 2
    for side, near in (("start", 10.0), ("end", -10.0)):
        here = [each for each in spots if (plane.at(each)[0] < middle) == (side == "start")]
        wanted = [plane.at(each)[1] - 9 for each in here]
        for spot, at in zip(here, spread(wanted, LABEL_GAP, TOP + 18, BOTTOM - 20), strict=True):
            x, y = plane.at(spot)
            if abs(at - y) > LABEL_GAP:
                parts.append(line((x, y), (x + near * 2 / 3, at), class_=f"leader s{spot.slot}"))
            parts.append(
                text(x + near, at + 4, shortened(spot.name), class_=f"label {side} c{spot.slot}")
            )
    return element("g", *parts)
