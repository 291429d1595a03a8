"""Vetoes on words that only one of two questions has."""

from __future__ import annotations

from typing import Final

from portkey_local.semantic.comparison import MANY, Comparison
from portkey_local.semantic.lexicon.grammar import (
    FUNCTION,
    GENERIC,
    LINGUISTIC,
    PREPOSITIONS,
    SAME_USE,
)
from portkey_local.semantic.lexicon.meanings import OPPOSITES, opposed
from portkey_local.semantic.numerals import is_number
from portkey_local.semantic.reading import Reading

__all__ = [
    "FEW",
    "addition",
    "form",
    "language",
    "length",
    "name",
    "negation",
    "number",
    "opposite",
    "quotation",
    "rewording",
    "substitution",
]

FEW: Final = 2


def language(compared: Comparison) -> str | None:
    """A language whose words we do not know is asked in, and not in the very same words."""
    if compared.a.english and compared.b.english:
        return None
    return None if compared.a.surface == compared.b.surface else "language"


def length(compared: Comparison) -> str | None:
    """One says so much more than the other that it need not be read closely."""
    return "length" if max(len(compared.only_a), len(compared.only_b)) > MANY else None


def number(compared: Comparison) -> str | None:
    """Numbers differ."""
    differ = any(is_number(word) for word in (*compared.only_a, *compared.only_b))
    return "number" if differ else None


def negation(compared: Comparison) -> str | None:
    """One of them denies what the other does not."""
    differ = any(word[0] == "!" for word in (*compared.only_a, *compared.only_b))
    return "negation" if differ else None


def opposite(compared: Comparison) -> str | None:
    """A word of one is the opposite of a word of the other."""
    a, b = compared.only_a, compared.only_b
    if any(opposed(first, second) for first in a for second in b):
        return "opposite"
    small_a, small_b = _small(compared.a, compared.b), _small(compared.b, compared.a)
    return "opposite" if _faces(a, small_b) or _faces(b, small_a) else None


def _small(reading: Reading, other: Reading) -> frozenset[str]:
    """Return the prepositions that stand in the place of another word: turn it on, turn it off."""
    return PREPOSITIONS.intersection(reading.surface).difference(other.surface)


def _faces(words: list[str], prepositions: frozenset[str]) -> bool:
    return any((word, preposition) in OPPOSITES for word in words for preposition in prepositions)


def form(compared: Comparison) -> str | None:
    """They are about words, and not about the same forms of words: the plural of mouse, of mice."""
    if LINGUISTIC.isdisjoint(compared.a.content) or LINGUISTIC.isdisjoint(compared.b.content):
        return None
    a, b = (
        sorted(word for word in reading.surface if word not in FUNCTION)
        for reading in (compared.a, compared.b)
    )
    return None if a == b else "form"


def quotation(compared: Comparison) -> str | None:
    """What both quote is not the same."""
    a, b = compared.a.quotes, compared.b.quotes
    return "quotation" if a and b and a != b else None


def name(compared: Comparison) -> str | None:
    """A name, or what looks like an ID, is in one of them only."""
    for words, names in ((compared.only_a, compared.a.names), (compared.only_b, compared.b.names)):
        if any(word in names or not word.isalpha() for word in words):
            return "name"
    return None


def substitution(compared: Comparison) -> str | None:
    """A few words stand in the place of others."""
    a, b = _telling(compared.only_a), _telling(compared.only_b)
    if a or b:
        return "substitution" if a and b and min(len(a), len(b)) <= FEW else None
    return None if _used_alike(compared.only_a, compared.only_b) else "substitution"


def _used_alike(a: list[str], b: list[str]) -> bool:
    """Tell whether words that say little say the same, or one has none: to offer it, to have it."""
    few, many = sorted((a, b), key=len)
    return all(any((one, other) in SAME_USE for other in many) for one in few)


def addition(compared: Comparison) -> str | None:
    """One says more than the other."""
    a, b = _telling(compared.only_a), _telling(compared.only_b)
    return "addition" if bool(a) != bool(b) else None


def rewording(compared: Comparison) -> str | None:
    """Words differ at all."""
    return "rewording" if compared.only_a or compared.only_b else None


def _telling(words: list[str]) -> list[str]:
    return [word for word in words if word not in GENERIC]
