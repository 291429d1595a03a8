"""Figures as people read them: units, and no more digits than the interval supports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from portkey_local.bench.intervals import Estimate
from portkey_local.bench.metrics import METRICS, Metric, Unit

__all__ = [
    "amount_of",
    "figure",
    "margin_of",
    "number",
    "relative_of",
    "seconds",
    "tick",
    "value_of",
]

SIGNIFICANT: Final = 3
NOTHING: Final = "–"
SIGNS: Final[Mapping[Unit, tuple[str, str]]] = {
    "share": ("", " %"),
    "seconds": ("", " s"),
    "dollars": ("$", ""),
    "per second": ("", " /s"),
    "times": ("", ""),
}
PERCENT: Final = 100
MOST_DECIMALS: Final = 5
LOPSIDED: Final = 1.5
CENTS: Final = 0.1  # from so many dollars on, an axis has cents


def figure(name: str, each: Estimate) -> str:
    """Write an estimate with its unit and margin.

    >>> figure("success", Estimate(0.99213, 0.9904, 0.994, "batch means"))
    '99.21 % ± 0.18'
    """
    unit = METRICS[name].unit
    margin = margin_of(name, each)
    return f"{value_of(name, each)} ± {margin}" if margin else _written(each.value, unit, None)


def value_of(name: str, each: Estimate) -> str:
    """Write an estimate's value with its unit, as precisely as its margin allows."""
    return _written(each.value, METRICS[name].unit, each.margin)


def margin_of(name: str, each: Estimate) -> str:
    """Write half the interval's width, in the value's unit but without it; '' without interval."""
    unit = METRICS[name].unit
    if each.margin is None or not math.isfinite(each.margin):
        return ""
    margin = each.margin * (PERCENT if unit == "share" else 1)
    places = _decimals(margin)
    return number(margin, max(2, places) if unit == "dollars" and margin else places)


def amount_of(metric: Metric, each: Estimate) -> str:
    """Write a difference in a metric's unit; shares differ by points."""
    if metric.unit != "share":
        return figure(metric.name, each)
    value, spread = _with_spread(each, PERCENT)
    return f"{value} {spread} points"


def relative_of(each: Estimate) -> str:
    """Write a relative difference in percent.

    >>> relative_of(Estimate(0.1234, 0.094, 0.153, "batch means"))
    '12.3 % ± 2.9'
    """
    value, spread = _with_spread(each, PERCENT)
    return f"{value} % {spread}"


def _with_spread(each: Estimate, scale: float) -> tuple[str, str]:
    """Write a difference and its spread: both ends where a margin would mislead."""
    value, low, high = (end * scale for end in (each.value, each.low or 0.0, each.high or 0.0))
    margin, below, above = (high - low) / 2, value - low, high - value
    if max(below, above) <= LOPSIDED * min(below, above) and margin < value:
        places = _decimals(margin or abs(value))
        return number(value, places), f"± {number(margin, places)}"
    return _two_digits(value), f"({_two_digits(low)} to {_two_digits(high)})"


def _two_digits(value: float) -> str:
    return number(value, _decimals(_step(value) * SIGNIFICANT))


def _written(value: float, unit: Unit, margin: float | None) -> str:
    if not math.isfinite(value):
        return NOTHING
    if unit == "seconds" and margin is None:
        return seconds(value)
    scale = PERCENT if unit == "share" else 1
    scaled, wide = value * scale, (margin or 0.0) * scale
    places = _decimals(wide or _step(scaled))
    before, after = SIGNS[unit]
    return f"{before}{number(scaled, max(2, places) if before else places)}{after}"


def _step(value: float) -> float:
    """Return the last digit that is told of a figure without a margin."""
    return 10.0 ** (math.floor(math.log10(abs(value))) - SIGNIFICANT + 2) if value else 1.0


def _decimals(margin: float) -> int:
    """Return how many decimals a margin of two significant digits has, or one from 3 up."""
    if not math.isfinite(margin) or margin <= 0:
        return 0
    leading = math.floor(math.log10(margin))
    return min(MOST_DECIMALS, max(0, 1 - leading if margin < 3 * 10.0**leading else -leading))


def number(value: float, places: int) -> str:
    """Write a number with thousands apart and never a negative zero."""
    written = f"{value:,.{places}f}"
    return written.removeprefix("-") if not float(written.replace(",", "")) else written


def seconds(value: float) -> str:
    """Write a duration: 350 ms, 2.4 s, 12 min.

    >>> seconds(0.35), seconds(2.4), seconds(720)
    ('350 ms', '2.4 s', '12 min')
    """
    if not math.isfinite(value):
        return "∞"
    if value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if value < 120 else f"{value / 60:.3g} min"


def tick(name: str, value: float) -> str:
    """Write a metric's round value at an axis."""
    match METRICS[name].unit:
        case "share":
            return f"{value * PERCENT:.6g} %"
        case "seconds":
            return seconds(value)
        case "dollars":
            return f"${value:,.2f}" if value >= CENTS or not value else f"${value:.3g}"
        case _:
            return f"{value:.6g}"
