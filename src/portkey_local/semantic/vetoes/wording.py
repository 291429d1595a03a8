"""Vetoes on words that only one of two questions has."""

from __future__ import annotations

from typing import Final

from portkey_local.semantic.comparison import MANY, Comparison
from portkey_local.semantic.lexicon.grammar import FUNCTION, GENERIC, LINGUISTIC
from portkey_local.semantic.lexicon.meanings import opposed
from portkey_local.semantic.numerals import is_number

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
    for first in compared.only_a:
        for second in compared.only_b:
            if opposed(first, second):
                return "opposite"
    return None


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
    return "substitution" if a and b and min(len(a), len(b)) <= FEW else None


def addition(compared: Comparison) -> str | None:
    """One says more than the other."""
    a, b = _telling(compared.only_a), _telling(compared.only_b)
    return "addition" if bool(a) != bool(b) else None


def rewording(compared: Comparison) -> str | None:
    """Words that say something differ at all."""
    return "rewording" if _telling(compared.only_a) or _telling(compared.only_b) else None


def _telling(words: list[str]) -> list[str]:
    return [word for word in words if word not in GENERIC]
