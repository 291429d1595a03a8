"""What the vetoes know of English: general word lists, in plain sight, and no rows of any data."""

from __future__ import annotations

__all__ = ["vocabulary"]


def vocabulary(words: str) -> frozenset[str]:
    """Return the words of a list that is written as a text."""
    return frozenset(words.split())
