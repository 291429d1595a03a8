"""SVG as text: elements, paths, and labels that keep out of each other's way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, TypeAlias

__all__ = [
    "COLOURS",
    "Point",
    "area",
    "circle",
    "drawing",
    "element",
    "line",
    "path",
    "rect",
    "shortened",
    "spread",
    "text",
    "tip",
]

Point: TypeAlias = tuple[float, float]

COLOURS: Final = 8  # of the style sheet, for configs; more of them share


def element(name: str, *inside: str, **attributes: float | str | None) -> str:
    """Return an element; `class_` is its class, `_` in a name is `-`, None leaves one out.

    >>> element("g", "x", class_="axis", stroke_width=1.25)
    '<g class="axis" stroke-width="1.25">x</g>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    body = "".join(inside)
    return f"<{name}{written}>{body}</{name}>" if body else f"<{name}{written}/>"


def _value(value: float | str) -> str:
    return escape(value) if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """Write a coordinate to a hundredth, without needless zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def text(x: float, y: float, words: str, **attributes: float | str | None) -> str:
    """Return a line of text, escaped."""
    return element("text", escape(words), x=x, y=y, **attributes)


def shortened(words: str, longest: int = 34) -> str:
    """Return words cut to the room there is."""
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def tip(words: str) -> str:
    """Return what a pointer that rests on the element around it shows."""
    return element("title", escape(words))


def line(start: Point, end: Point, *inside: str, class_: str) -> str:
    """Return a straight line."""
    return element("line", *inside, x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=class_)


def rect(corner: Point, width: float, height: float, *inside: str, class_: str) -> str:
    """Return a rectangle from its upper left corner."""
    return element(
        "rect", *inside, x=corner[0], y=corner[1], width=width, height=height, class_=class_
    )


def circle(centre: Point, radius: float, *inside: str, class_: str) -> str:
    """Return a dot."""
    return element("circle", *inside, cx=centre[0], cy=centre[1], r=radius, class_=class_)


def path(points: Iterable[Point], *inside: str, class_: str, steps: bool = False) -> str:
    """Return a line through points; with `steps` it goes across, then up or down."""
    return element("path", *inside, d=_through(points, steps=steps), class_=class_)


def area(upper: Sequence[Point], lower: Sequence[Point], *inside: str, class_: str) -> str:
    """Return what lies between two lines."""
    return element(
        "path", *inside, d=f"{_through([*upper, *reversed(lower)], steps=False)}Z", class_=class_
    )


def _through(points: Iterable[Point], *, steps: bool) -> str:
    parts: list[str] = []
    for x, y in points:
        if not parts:
            parts.append(f"M{number(x)} {number(y)}")
        elif steps:
            parts.append(f"H{number(x)}V{number(y)}")
        else:
            parts.append(f"L{number(x)} {number(y)}")
    return "".join(parts)


def drawing(width: float, height: float, *inside: str, title: str, description: str) -> str:
    """Return a whole drawing that grows with its place, described for those who cannot see it."""
    return element(
        "svg",
        element("title", escape(title)),
        element("desc", escape(description)),
        *inside,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        class_="chart",
    )


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart, as little as may be, until neighbours are `gap` from each other.

    >>> spread([10, 11, 40], 6, 0, 100)
    [7.5, 13.5, 40.0]
    """
    groups: list[tuple[float, list[int]]] = []  # a group's middle, and who stands in it
    for index in sorted(range(len(wanted)), key=lambda each: (wanted[each], each)):
        members = [index]
        middle = _held(float(wanted[index]), 0, low, high)
        while groups and groups[-1][0] + _half(groups[-1][1], gap) + gap > middle - _half(
            members, gap
        ):
            members = [*groups.pop()[1], *members]
            mean = sum(wanted[each] for each in members) / len(members)
            middle = _held(mean, _half(members, gap), low, high)
        groups.append((middle, members))
    placed = [0.0] * len(wanted)
    for middle, members in groups:
        first = middle - _half(members, gap)
        for position, index in enumerate(members):
            placed[index] = first + position * gap
    return placed


def _half(members: Sequence[int], gap: float) -> float:
    return gap * (len(members) - 1) / 2


def _held(middle: float, half: float, low: float, high: float) -> float:
    return max(low + half, min(high - half, middle))
