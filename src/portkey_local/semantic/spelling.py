"""Whether one word is the other with a slip of the keyboard."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from portkey_local.semantic.stemming import stem

__all__ = ["known", "slip"]


def known(word: str) -> bool:
    """Tell whether a word in lower case is an English word, or a name common in English."""
    words = _words()
    base = stem(word)
    return word in words or base in words or base + "e" in words


def slip(first: str, second: str) -> bool:
    """Tell whether two words that differ are one word, once of them mistyped.

    Of two words that both exist none is a slip: "form" is not "from", nor Austria Australia. Beyond
    the first letter one edit is allowed, and two in a long word if the other one exists. Where
    neither exists, both may be names: then only neighbours that changed places are a slip, or one
    edit in a long word.
    """
    if min(len(first), len(second)) < 4 or first[0] != second[0]:
        return False
    if not (first.isalpha() and second.isalpha()):
        return False
    exist = known(first) + known(second)
    if exist == 2:
        return False
    shortest = min(len(first), len(second))
    if exist == 0 and shortest < 7:
        return shortest >= 5 and sorted(first) == sorted(second) and _edits(first, second, 1) == 1
    allowed = 2 if exist == 1 and shortest >= 8 else 1
    return _edits(first, second, allowed) <= allowed


def _edits(first: str, second: str, most: int) -> int:
    """Return the edits between two words, a swap of neighbours being one; more than `most` is more.

    The restricted Damerau-Levenshtein distance.
    """
    if abs(len(first) - len(second)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        last, before, row = before, row, [i]
        for j, other in enumerate(second, 1):
            cost = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    text = files("portkey_local.semantic.lexicon").joinpath("words.txt").read_text("utf-8")
    return frozenset(text.rpartition("#\n")[2].split())
