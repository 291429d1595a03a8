"""Two questions side by side: which words only one of them has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from portkey_local.semantic.lexicon.meanings import opposed
from portkey_local.semantic.reading import Reading
from portkey_local.semantic.spelling import known, slip

__all__ = ["MANY", "Comparison", "compare"]

MANY: Final = 64
"""Words without a counterpart beyond which no more is compared: it would take long, in vain."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two readings, and the words of each that have no counterpart, in order.

    `meant` says which word a mistyped or differently joined one stands for.
    """

    a: Reading
    b: Reading
    only_a: list[str]
    only_b: list[str]
    meant: dict[str, list[str]] = field(default_factory=dict)

    def shared(self, words: list[str], only: list[str]) -> list[str]:
        """Return those of some words that both have, mistyped ones corrected."""
        corrected = [each for word in words for each in self.meant.get(word, (word,))]
        return [word for word in corrected if word not in only] if only else corrected


def compare(a: Reading, b: Reading) -> Comparison:
    """Find what two readings do not have in common."""
    one, other = a.content, b.content
    left, right = Counter(one), Counter(other)
    compared = Comparison(a, b, _rest(one, left - right), _rest(other, right - left))
    if 0 < len(compared.only_a) * len(compared.only_b) <= MANY**2:
        _match_slips(compared)
        _match_joins(compared.only_a, compared.only_b, compared.meant)
        _match_joins(compared.only_b, compared.only_a, compared.meant)
    return compared


def _rest(content: list[str], left: Counter[str]) -> list[str]:
    found = []
    for word in reversed(content):
        if left[word] > 0:
            left[word] -= 1
            found.append(word)
    return found[::-1]


def _match_slips(compared: Comparison) -> None:
    for first in list(compared.only_a):
        for second in compared.only_b:
            if _means(compared, first, second) and not opposed(first, second):
                compared.only_a.remove(first)
                compared.only_b.remove(second)
                wrong, right = (second, first)
                if not known(compared.a.written[first]):
                    wrong, right = right, wrong
                compared.meant[wrong] = [right]
                break


def _means(compared: Comparison, first: str, second: str) -> bool:
    """Tell whether one is the other, mistyped; names must have all their letters."""
    written, other = compared.a.written[first], compared.b.written[second]
    if not (slip(written, other) or slip(first, second)):
        return False
    names = first in compared.a.names and second in compared.b.names
    return not names or sorted(written) == sorted(other)  # Kyle is not Kylie


def _match_joins(apart: list[str], joined: list[str], meant: dict[str, list[str]]) -> None:
    """Match "wi fi" with "wifi"."""
    for first, second in pairwise(tuple(apart)):
        if first + second in joined and first in apart and second in apart:
            joined.remove(first + second)
            apart.remove(first)
            apart.remove(second)
            meant[first + second] = [first, second]
