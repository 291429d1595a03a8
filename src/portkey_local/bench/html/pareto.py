"""What speed costs: each config at its price and its 99th percentile, and which none outdoes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from portkey_local.bench.html.scales import Scale, linear
from portkey_local.bench.html.svg import circle, drawing, element, line, path, spread, text, tip
from portkey_local.bench.intervals import Estimate
from portkey_local.bench.wording import figure, money, seconds

__all__ = ["Spot", "frontier", "pareto_plot"]

WIDTH, HEIGHT = 560, 372
LEFT, RIGHT, TOP, BOTTOM = 58, 548, 14, 332
LABEL_GAP: Final = 15
MARGIN: Final = 0.08


@dataclass(frozen=True, slots=True)
class Spot:
    """A config's place: its cost of 1,000 calls and its 99th percentile, both with intervals."""

    name: str
    cost: Estimate
    p99: Estimate
    slot: int | None = 0
    marked: bool = True


def frontier(spots: Sequence[Spot]) -> list[Spot]:
    """Return the spots that no other is both cheaper and faster than, from cheap to dear."""
    front: list[Spot] = []
    for spot in sorted(spots, key=lambda each: (each.cost.value, each.p99.value)):
        if not front or spot.p99.value < front[-1].p99.value:
            front.append(spot)
    return front


def pareto_plot(spots: Sequence[Spot]) -> str:
    """Draw cost against the 99th percentile; lower left is better, crosses are intervals."""
    spots = [each for each in spots if math.isfinite(each.p99.value)]
    if not spots:
        return ""
    x = linear(*_range([each.cost for each in spots]), LEFT, RIGHT)
    y = linear(*_range([each.p99 for each in spots]), BOTTOM, TOP)
    front = [(x(each.cost.value), y(each.p99.value)) for each in frontier(spots)]
    steps = [(front[0][0], TOP), *front, (RIGHT, front[-1][1])]
    return drawing(
        WIDTH,
        HEIGHT,
        _axes(x, y),
        path(_corners(steps), class_="frontier"),
        *(_spot(each, x, y) for each in spots),
        _labels([each for each in spots if each.marked], x, y),
        title="Cost against p99",
        description="Each config at its cost of 1,000 calls and its 99th percentile of the total"
        " time; the dashed line joins those that no other beats in both.",
    )


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


def _axes(x: Scale, y: Scale) -> str:
    marks = []
    for cost in x.ticks(6):
        marks += [
            line((x(cost), TOP), (x(cost), BOTTOM), class_="grid"),
            text(x(cost), BOTTOM + 17, money(cost), class_="tick middle"),
        ]
    for at in y.ticks(6):
        marks += [
            line((LEFT, y(at)), (RIGHT, y(at)), class_="grid"),
            text(LEFT - 7, y(at) + 4, seconds(at), class_="tick end"),
        ]
    return element(
        "g",
        *marks,
        text((LEFT + RIGHT) / 2, HEIGHT - 4, "cost of 1,000 calls", class_="name middle"),
        text(LEFT + 6, TOP + 10, "p99 of the total time", class_="name"),
        text(LEFT + 6, BOTTOM - 8, "↙ cheaper and faster", class_="small"),
    )


def _spot(spot: Spot, x: Scale, y: Scale) -> str:
    at, colour = (x(spot.cost.value), y(spot.p99.value)), spot.slot
    parts = [tip(f"{spot.name}: {figure('cost', spot.cost)}, p99 {figure('p99', spot.p99)}")]
    if colour is None:
        return element("g", *parts, circle(at, 2.6, class_="dot faint"))
    for low, high, across in (
        (spot.cost.low, spot.cost.high, True),
        (spot.p99.low, spot.p99.high, False),
    ):
        if low is None or high is None:
            continue
        ends = (
            ((x(low), at[1]), (x(high), at[1])) if across else ((at[0], y(low)), (at[0], y(high)))
        )
        parts.append(line(*ends, class_=f"range s{colour}"))
    return element("g", *parts, circle(at, 4.5, class_=f"dot f{colour}"), class_="series")


def _labels(spots: Sequence[Spot], x: Scale, y: Scale) -> str:
    """Name each spot beside it, on the side that has room, names apart from each other."""
    parts = []
    middle = (LEFT + RIGHT) / 2
    for side, near in (("start", 10.0), ("end", -10.0)):
        here = [each for each in spots if (x(each.cost.value) < middle) == (side == "start")]
        wanted = [y(each.p99.value) - 9 for each in here]
        for spot, at in zip(here, spread(wanted, LABEL_GAP, TOP + 18, BOTTOM - 20), strict=True):
            place = x(spot.cost.value) + near
            dot = (x(spot.cost.value), y(spot.p99.value))
            if abs(at - dot[1]) > LABEL_GAP:
                parts.append(line(dot, (place - near / 3, at), class_=f"leader s{spot.slot}"))
            parts.append(text(place, at + 4, spot.name, class_=f"label {side} c{spot.slot}"))
    return element("g", *parts)
