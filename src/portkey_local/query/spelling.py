"""Guessing which valid name somebody meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["alike", "nearest", "one_slip"]

_BETWEEN = re.compile(r"[-_\s]")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the valid name that was probably meant: the same but for its capitals and hyphens,
    else one slip away, or else much alike.
    """
    # Loaded here, because a config without mistakes never needs it.
    from difflib import get_close_matches

    valid, written = sorted(names), _letters(name)
    same = [each for each in valid if _letters(each) == written]
    slips = [each for each in valid if alike(name, each)]
    found = (
        get_close_matches(name, same, 1, 0)
        or get_close_matches(name, slips, 1, 0)
        or get_close_matches(name, valid, 1, 0.65)
    )
    return found[0] if found else None


def alike(one: str, other: str) -> bool:
    """Whether two names are at most one slip apart, as written or without capitals and hyphens."""
    return one_slip(one, other) or one_slip(_letters(one), _letters(other))


def _letters(name: str) -> str:
    return _BETWEEN.sub("", name).lower()


def one_slip(one: str, other: str) -> bool:
    """Whether two names are equal, or one letter too many, too few, wrong, or swapped apart."""
    if abs(len(one) - len(other)) > 1:
        return False
    ends = min(len(one), len(other))
    at = next((place for place in range(ends) if one[place] != other[place]), ends)
    swapped = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    return swapped or one[at + 1 :] in {other[at:], other[at + 1 :]} or one[at:] == other[at + 1 :]
