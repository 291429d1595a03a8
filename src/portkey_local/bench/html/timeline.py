"""A run along time: the weather, who answered in it, what was tried, which circuits were open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from portkey_local.bench.html.scales import Scale, linear
from portkey_local.bench.html.svg import (
    COLOURS,
    Point,
    area,
    drawing,
    element,
    line,
    rect,
    shortened,
    text,
    tip,
)
from portkey_local.bench.overtime import OUTAGES, Phase, Span
from portkey_local.bench.results import Comparison, Result
from portkey_local.bench.wording import figure, seconds

__all__ = ["attempts_over_time", "breakers_over_time", "shares_over_time", "target_colours"]

WIDTH: Final = 960
LEFT, RIGHT = 172, 832
STRIP, ROW, GAP, FOOT, HEAD = 12, 46, 12, 34, 6
LETTER: Final = 5.4  # the width of a small letter
MINUTES: Final = 150  # from so many seconds on, time is told in minutes
SEVERITY: Final[Mapping[str, int]] = {
    "tight": 1,
    "shaky": 1,
    "brownout": 2,
    **dict.fromkeys(OUTAGES, 3),
}


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all rows stand on: time across, and the weather behind."""

    comparison: Comparison
    x: Scale
    targets: tuple[str, ...]

    @property
    def top(self) -> float:
        """Where the first row begins, below the strips of weather."""
        return HEAD + len(self.targets) * (STRIP + 4) + GAP


def target_colours(comparison: Comparison) -> dict[str, int]:
    """Return a colour for each target of a comparison, the same in all of its configs."""
    names = (name for each in comparison.results for name, _ in each.overtime.answered)
    return {
        name: index
        for index, name in enumerate(dict.fromkeys(each for each in names if each != "cache"))
    }


def shares_over_time(comparison: Comparison) -> str:
    """Draw for each config who answered which share of the calls; what is missing failed."""
    ground = _ground(comparison)
    rows = comparison.results
    bottom = ground.top + len(rows) * (ROW + GAP) - GAP
    colours = target_colours(comparison)
    return drawing(
        WIDTH,
        bottom + FOOT,
        _weather(ground, bottom),
        *(_share_row(each, slot, ground, colours) for slot, each in enumerate(rows)),
        _times(ground.x, bottom),
        title="Who answered, over time",
        description="For each config the share of calls that each target answered, stacked; red is"
        " the share that failed. The weather of each provider runs along the top.",
    )


def _ground(comparison: Comparison) -> _Ground:
    last = max((each.overtime.times[-1] for each in comparison.results), default=1.0)
    rough = {span.target for span in comparison.spans}
    targets = tuple(name for name in target_colours(comparison) if name in rough)
    return _Ground(comparison, linear(0.0, last, LEFT, RIGHT), targets)


def _weather(ground: _Ground, bottom: float) -> str:
    parts = []
    for index, target in enumerate(ground.targets):
        top = HEAD + index * (STRIP + 4)
        spans = [span for span in ground.comparison.spans if span.target == target]
        parts.append(text(LEFT - 8, top + 10, shortened(target, 30), class_="small end"))
        parts.append(rect((LEFT, top), RIGHT - LEFT, STRIP, class_="calm"))
        parts += [_span(span, ground.x, top, bottom) for span in spans]
    return element("g", *parts, class_="weather")


def _span(span: Span, x: Scale, top: float, bottom: float) -> str:
    start, end = x(span.start), x(span.end)
    if start >= x.end:
        return ""
    grade = SEVERITY.get(span.regime, 2)
    words = f"{span.target}: {span.regime}, from {seconds(span.start)} to {seconds(span.end)}"
    width = max(0.8, end - start)
    label = ""
    if width > LETTER * len(span.regime) + 6:
        label = text((start + end) / 2, top + 9.5, span.regime, class_=f"small middle on{grade}")
    return element(
        "g",
        tip(words),
        rect((start, top + STRIP), width, bottom - top - STRIP, class_=f"behind w{grade}"),
        rect((start, top), width, STRIP, class_=f"w{grade}"),
        label,
    )


def _share_row(result: Result, slot: int, ground: _Ground, colours: Mapping[str, int]) -> str:
    top = ground.top + slot * (ROW + GAP)
    y = linear(0.0, 1.0, top + ROW, top)
    overtime = result.overtime
    base = [0.0] * len(overtime.times)
    layers = []
    for name, answered in overtime.answered:
        upper = [
            low + (count / calls if calls else 0.0)
            for low, count, calls in zip(base, answered, overtime.calls, strict=True)
        ]
        colour = "cached" if name == "cache" else f"t{colours[name] % 6}"
        layers.append(_layer(overtime.times, base, upper, (ground.x, y), (name, colour)))
        base = upper
    ones = [1.0 if calls else 0.0 for calls in overtime.calls]
    layers.append(_layer(overtime.times, base, ones, (ground.x, y), ("failed", "failed")))
    success = result.figures["success"]
    return element(
        "g",
        *layers,
        text(
            LEFT - 8,
            top + ROW / 2 + 4,
            shortened(result.name, 24),
            class_=f"label end c{slot % COLOURS}",
        ),
        text(RIGHT + 8, top + ROW / 2 - 1, figure("success", success), class_="value"),
        text(RIGHT + 8, top + ROW / 2 + 12, "succeeded", class_="small"),
    )


def _layer(
    times: Sequence[float],
    lower: Sequence[float],
    upper: Sequence[float],
    scales: tuple[Scale, Scale],
    labels: tuple[str, str],
) -> str:
    x, y = scales
    name, colour = labels
    if not any(high > low + 1e-9 for low, high in zip(lower, upper, strict=True)):
        return ""
    edges = (0.0, *times)
    ups: list[Point] = []
    downs: list[Point] = []
    for (start, end), low, high in zip(pairwise(edges), lower, upper, strict=True):
        ups += [(x(start), y(high)), (x(end), y(high))]
        downs += [(x(start), y(low)), (x(end), y(low))]
    return area(ups, downs, tip(name), class_=f"layer {colour}")


def _times(x: Scale, bottom: float) -> str:
    in_minutes = x.high > MINUTES
    unit = 60.0 if in_minutes else 1.0
    marks = []
    for at in linear(0.0, x.high / unit, LEFT, RIGHT).ticks(8):
        marks += [
            line((x(at * unit), bottom), (x(at * unit), bottom + 4), class_="axis"),
            text(x(at * unit), bottom + 17, f"{at:g}", class_="tick middle"),
        ]
    name = f"{'minutes' if in_minutes else 'seconds'} since the first call"
    return element(
        "g",
        line((LEFT, bottom), (RIGHT, bottom), class_="axis"),
        *marks,
        text((LEFT + RIGHT) / 2, bottom + 31, name, class_="name middle"),
    )


def attempts_over_time(comparison: Comparison) -> str:
    """Draw for each config how many attempts a call took, which is what providers are hit with."""
    ground = _ground(comparison)
    rates = [_rates(each) for each in comparison.results]
    most = max((rate for each in rates for rate in each), default=1.0)
    height = ROW - 12
    bottom = ground.top + len(rates) * (height + GAP) - GAP
    rows = [
        _rate_row(each, slot, rate, ground, max(most, 1.0))
        for slot, (each, rate) in enumerate(zip(comparison.results, rates, strict=True))
    ]
    return drawing(
        WIDTH,
        bottom + FOOT,
        _weather(ground, bottom),
        *rows,
        _times(ground.x, bottom),
        title="Attempts per call, over time",
        description="For each config the attempts that a call took; the line within each row is"
        " one attempt per call.",
    )


def _rates(result: Result) -> list[float]:
    pairs = zip(result.overtime.attempts, result.overtime.calls, strict=True)
    return [attempts / calls if calls else 0.0 for attempts, calls in pairs]


def _rate_row(
    result: Result, slot: int, rates: Sequence[float], ground: _Ground, most: float
) -> str:
    height = ROW - 12
    top = ground.top + slot * (height + GAP)
    y = linear(0.0, most, top + height, top)
    nothing = [0.0] * len(rates)
    layer = _layer(
        result.overtime.times, nothing, rates, (ground.x, y), (result.name, f"f{slot % COLOURS}")
    )
    mean = result.figures["attempts"]
    return element(
        "g",
        layer,
        line((LEFT, y(1.0)), (RIGHT, y(1.0)), class_="grid"),
        text(
            LEFT - 8,
            top + height / 2 + 4,
            shortened(result.name, 24),
            class_=f"label end c{slot % COLOURS}",
        ),
        text(RIGHT + 8, top + height / 2, figure("attempts", mean), class_="value"),
        text(
            RIGHT + 8, top + height / 2 + 13, f"per call, at most {max(rates):.2g}", class_="small"
        ),
    )


def breakers_over_time(comparison: Comparison) -> str:
    """Draw when each circuit was open; nothing where no circuit ever changed."""
    rows = [
        (slot, each, target)
        for slot, each in enumerate(comparison.results)
        for target in each.breakers
    ]
    if not rows:
        return ""
    ground = _ground(comparison)
    height, gap = 16, 22
    bottom = ground.top + len(rows) * (height + gap) - gap
    parts = [
        _breaker_row(each, slot, target, ground, ground.top + index * (height + gap))
        for index, (slot, each, target) in enumerate(rows)
    ]
    return drawing(
        WIDTH,
        bottom + FOOT,
        _weather(ground, bottom),
        *parts,
        _times(ground.x, bottom),
        title="Circuits, over time",
        description="For each target with a circuit breaker when its circuit was open or half-open;"
        " a thin line is closed.",
    )


def _breaker_row(result: Result, slot: int, target: str, ground: _Ground, top: float) -> str:
    phases = [
        Phase(target, "closed", 0.0),
        *(each for each in result.phases if each.target == target),
    ]
    ends = [*(each.time for each in phases[1:]), max(ground.x.high, phases[-1].time)]
    parts, opened = [], 0.0
    for phase, end in zip(phases, ends, strict=True):
        start = ground.x(phase.time)
        words = tip(f"{phase.phase} from {seconds(phase.time)} to {seconds(end)}")
        if phase.phase == "closed":
            parts.append(line((start, top + 8), (ground.x(end), top + 8), words, class_="closed"))
            continue
        width = max(1.2, ground.x(end) - start)
        parts.append(rect((start, top), width, 16, words, class_=phase.phase))
        opened += max(0.0, min(end, ground.x.high) - phase.time)
    return element(
        "g",
        *parts,
        text(LEFT - 8, top + 6, shortened(result.name, 24), class_=f"label end c{slot % COLOURS}"),
        text(LEFT - 8, top + 19, shortened(target, 30), class_="small end"),
        text(RIGHT + 8, top + 12, f"not closed {opened / ground.x.high:.1%}", class_="small"),
    )
