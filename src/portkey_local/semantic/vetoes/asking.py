"""Vetoes on what is asked and of whom, where the words are the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from portkey_local.semantic.comparison import Comparison
from portkey_local.semantic.lexicon.grammar import FUNCTION, PERSONS, PREPOSITIONS
from portkey_local.semantic.stemming import stem

__all__ = ["manner", "modality", "order", "person", "question", "tense", "voice"]

_SOFT: Final = frozenset(("what", "amount", "count", "want"))
_ALIKE: Final = frozenset(
    (("how", "want"), ("want", "how"), ("how", "where"), ("where", "how"))
)  # how, or where, I do it

_ROLES: Final = {
    "i": ("i", "subject"), "we": ("i", "subject"), "me": ("i", "object"), "us": ("i", "object"),
    "he": ("he", "subject"), "him": ("he", "object"),
    "they": ("they", "subject"), "them": ("they", "object"),
}  # fmt: skip

_IMPLIED: Final = {"why"}
"""What a complaint asks: my card is declined."""


def question(compared: Comparison) -> str | None:
    """One asks when, the other where."""
    a, b = compared.a.asks, compared.b.asks
    if a == b:
        return None
    if not (a and b) and (a | b == _IMPLIED or (a | b == {"whether"} and _clipped(compared))):
        return None
    a, b = a - b, b - a
    if a and b:
        mine = "i" in compared.a.persons and "i" in compared.b.persons
        alike = mine and all((x, y) in _ALIKE for x in a for y in b)
        return None if alike else "question"
    return "question" if (a | b) - _SOFT else None


def _clipped(compared: Comparison) -> bool:
    """Tell whether both say the same words of nobody: "is parking free" and "parking free"."""
    a, b = compared.a, compared.b
    said = (set(a.surface) - FUNCTION, set(b.surface) - FUNCTION)
    return said[0] == said[1] and not (a.persons or b.persons or a.orders or b.orders)


def order(compared: Comparison) -> str | None:
    """One wants something done, and the other something told."""
    a, b = compared.a, compared.b
    if a.orders == b.orders:
        return None
    other = b if a.orders else a
    told = not other.asks and (other.tenses or not PERSONS.keys().isdisjoint(other.surface[:1]))
    return "order" if told or other.asks - {"want"} else None


def manner(compared: Comparison) -> str | None:
    """One asks how or why, and the other leaves it to be guessed."""
    return "question" if (compared.a.asks ^ compared.b.asks) & {"how", "why"} else None


def person(compared: Comparison) -> str | None:
    """One speaks of me and the other of you, or of him."""
    a, b = compared.a.persons, compared.b.persons
    differ = set(a) - set(b) and set(b) - set(a)
    swapped = differ or _swapped(a, b) or (len(a) == len(b) and a != b)
    return "person" if swapped or _other_role(compared) else None


def _other_role(compared: Comparison) -> bool:
    """Tell whether one speaks of what I do, and the other of what is done to me."""
    a, b = _roles(compared.a.surface), _roles(compared.b.surface)
    told_alike = compared.a.asks == compared.b.asks
    return told_alike and any(a[who].isdisjoint(b[who]) for who in a.keys() & b.keys())


def _roles(surface: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for before, word in pairwise(["", *surface]):
        if word in _ROLES and before not in PREPOSITIONS:
            who, role = _ROLES[word]
            found.setdefault(who, set()).add(role)
    return found


def _swapped(a: list[str], b: list[str]) -> bool:
    """Tell whether the same two are spoken of, and the other one first."""
    first, second = list(dict.fromkeys(a)), list(dict.fromkeys(b))
    return first != second and set(first) == set(second)


def modality(compared: Comparison) -> str | None:
    """One asks what may be done and the other what should be."""
    a, b = compared.a.modals, compared.b.modals
    return "modality" if a - b and b - a else None


def tense(compared: Comparison) -> str | None:
    """One asks what was, and the other what is or what may be."""
    a, b = compared.a, compared.b
    if a.tenses and b.tenses:
        return None if a.tenses & b.tenses else "tense"
    did = (a.tenses and b.modals - a.modals) or (b.tenses and a.modals - b.modals)
    return "tense" if did and {"past"} in (a.tenses, b.tenses) else None


def voice(compared: Comparison) -> str | None:
    """One is charging, and the other is charged."""
    a, b = _voices(compared.a.surface), _voices(compared.b.surface)
    differ = any(a[verb].isdisjoint(b[verb]) for verb in a.keys() & b.keys())
    return "voice" if differ else None


def _voices(surface: list[str]) -> dict[str, set[str]]:
    """Return the verbs somewhere after a form of "be", and whether they are done or suffered."""
    found: dict[str, set[str]] = {}
    being = False
    for word in surface:
        base = stem(word)
        if being and base not in ("be", word) and not word.endswith("s"):
            found.setdefault(base, set()).add("active" if word.endswith("ing") else "passive")
        being = being or base == "be"
    return found
