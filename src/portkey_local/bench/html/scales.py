"""From figures to places on paper, and the ticks that say which is which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Scale", "linear", "log", "nines", "round_steps"]

Kind = Literal["linear", "log", "nines"]
MOST_NINES: Final = 5.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Leads figures of a range to places between `start` and `end`."""

    kind: Kind
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a figure; one outside of the range stays at its border."""
        low, high = self._straight(self.low), self._straight(self.high)
        share = (self._straight(value) - low) / (high - low) if high > low else 0.5
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def _straight(self, value: float) -> float:
        if self.kind == "log":
            return math.log10(max(value, 1e-12))
        if self.kind == "nines":
            return -math.log10(max(1 - value, 10**-MOST_NINES))
        return value

    def ticks(self, about: int = 5) -> tuple[float, ...]:
        """Return round figures within the range."""
        marks: tuple[float, ...]
        if self.kind == "nines":
            marks = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)
        elif self.kind == "log":
            marks = _decades(self.low, self.high)
        else:
            marks = round_steps(self.low, self.high, about)
        slack = 1e-9 * (abs(self.low) + abs(self.high))
        return tuple(mark for mark in marks if self.low - slack <= mark <= self.high + slack)


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Return a scale on which equal differences are equal distances."""
    return Scale("linear", low, high, start, end)


def log(low: float, high: float, start: float, end: float) -> Scale:
    """Return a scale on which equal ratios are equal distances."""
    return Scale("log", low, high, start, end)


def nines(high: float, start: float, end: float) -> Scale:
    """Return a scale of shares on which 90 %, 99 % and 99.9 % are one distance apart."""
    return Scale("nines", 0.0, high, start, end)


def _decades(low: float, high: float) -> tuple[float, ...]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors: Sequence[int] = (1,) if last - first > 3 else (1, 2, 5)
    return tuple(factor * 10.0**power for power in range(first, last + 1) for factor in factors)


def round_steps(low: float, high: float, about: int) -> tuple[float, ...]:
    """Return about so many multiples of 1, 2 or 5 times a power of ten, within the range.

    >>> round_steps(0, 61, 4)
    (0.0, 20.0, 40.0, 60.0)
    """
    if high <= low:
        return (low,)
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999) * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(index * step, 12) for index in range(first, last + 1))
