"""Guessing which valid name somebody meant."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["nearest", "one_slip"]


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the valid name that was probably meant: one slip away, or else much alike."""
    # Loaded here, because a config without mistakes never needs it.
    from difflib import get_close_matches

    valid = sorted(names)
    slips = [each for each in valid if one_slip(name, each)]
    found = get_close_matches(name, slips, 1, 0) or get_close_matches(name, valid, 1, 0.65)
    return found[0] if found else None


def one_slip(one: str, other: str) -> bool:
    """Whether two names are equal, or one letter too many, too few, wrong, or swapped apart."""
    if abs(len(one) - len(other)) > 1:
        return False
    ends = min(len(one), len(other))
    at = next((place for place in range(ends) if one[place] != other[place]), ends)
    swapped = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    return swapped or one[at + 1 :] in {other[at:], other[at + 1 :]} or one[at:] == other[at + 1 :]
