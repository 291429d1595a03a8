"""Random numbers by their address: what is drawn depends on what it is for, not on who came first.

A draw is a hash of a key and a position (SplitMix64: Steele, Lea and Flood, OOPSLA 2014, in the
counter form), so the luck of call 17 at one provider is the same under every config, in every
process, and in any order of events.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Final

__all__ = ["Draws", "key_of", "mixed", "normal", "quantile", "uniform", "unit"]

MASK: Final = (1 << 64) - 1
GOLDEN: Final = 0x9E3779B97F4A7C15  # 2^64 through the golden ratio
STEP: Final = 2.0**-53
HALF_STEP: Final = STEP / 2  # so that no draw is 0, of which a logarithm is taken
BELOW_ONE: Final = 1.0 - STEP
_inverse: Final[Callable[[float], float]] = NormalDist().inv_cdf


def key_of(seed: int, *names: str) -> int:
    """Return the key of a stream of draws; equal for equal seeds and names in every process."""
    text = "\x00".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def mixed(key: int, number: int) -> int:
    """Return a new key out of a key and a number, such as that of a call."""
    word = (key + (number + 1) * GOLDEN) & MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def uniform(key: int, position: int) -> float:
    """Return the draw from (0, 1) at a position of a key's stream."""
    word = (key + (position + 1) * GOLDEN) & MASK  # `mixed`, written out: it is half of the work
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return ((word ^ (word >> 31)) >> 11) * STEP + HALF_STEP


def unit(key: int) -> float:
    """Return a mixed key itself as a draw from (0, 1)."""
    return (key >> 11) * STEP + HALF_STEP


def normal(draw: float) -> float:
    """Return the standard normal quantile of a draw; what was rounded to 0 or 1 is put inside."""
    if 0.0 < draw < 1.0:
        return _inverse(draw)
    return _inverse(BELOW_ONE if draw >= 1.0 else HALF_STEP)


def quantile(ordered: Sequence[float], draw: float) -> float:
    """Return a draw's quantile of an ordered sample, on straight lines between its values."""
    place = draw * (len(ordered) - 1)
    below = math.floor(place)
    if below + 1 >= len(ordered):
        return ordered[-1]
    part = place - below
    return ordered[below] * (1 - part) + ordered[below + 1] * part


class Draws:
    """The random numbers one call draws for itself: weighted picks, jitter of waits."""

    __slots__ = ("_key", "_number", "_position")

    def __init__(self, key: int, number: int) -> None:
        """Take the key that all calls share, and the number of this one."""
        self._key = key
        self._number = number
        self._position = -1

    def random(self) -> float:
        """Return the next draw."""
        self._position += 1
        return uniform(mixed(self._key, self._number), self._position)
