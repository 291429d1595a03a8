"""Vetoes on what a preposition points at: to or from whom, by when, for how long."""

from __future__ import annotations

from typing import Final

from portkey_local.semantic.comparison import Comparison
from portkey_local.semantic.lexicon import vocabulary
from portkey_local.semantic.lexicon.meanings import CONCEPTS
from portkey_local.semantic.numerals import is_number
from portkey_local.semantic.reading import Reading
from portkey_local.semantic.stemming import stem

__all__ = ["direction", "period"]

_OPPOSED: Final = frozenset(
    pair
    for one, other in (
        ("to", "from"), ("into", "from"), ("onto", "from"), ("for", "from"), ("to", "by"),
        ("for", "by"), ("from", "by"), ("toward", "from"), ("towards", "from"), ("with", "for"),
        ("in", "to"), ("in", "from"), ("at", "from"),
    )
    for pair in ((one, other), (other, one))
)  # fmt: skip

_REDUNDANT: Final = {"at": None, "to": "where", "for": "duration"}
"""Prepositions that add nothing at the end of a question, or of this one: where are you at?"""


def direction(compared: Comparison) -> str | None:
    """What one goes to, the other comes from."""
    first, second = _pointed(compared.a, compared), _pointed(compared.b, compared)
    for word in first.keys() & second.keys():
        if not first[word] & second[word] and any(
            (one, other) in _OPPOSED for one in first[word] for other in second[word]
        ):
            return "direction"
    return (
        "direction" if any(each(compared) for each in (_instrument, _stranded, _hanging)) else None
    )


def _stranded(compared: Comparison) -> bool:
    """Tell whether one asks for whom somebody works, and the other who works for them."""
    a, b = compared.a, compared.b
    return "who" in a.asks & b.asks and any(
        preposition in pointed
        for mine, pointed in (
            (a.stranded - b.stranded, {name for name, words in b.chunks if words}),
            (b.stranded - a.stranded, {name for name, words in a.chunks if words}),
        )
        for preposition in mine
    )


def _hanging(compared: Comparison) -> bool:
    """Tell whether one asks where somebody is from, and the other where he is."""
    a, b = compared.a, compared.b
    return any(
        _REDUNDANT.get(preposition, "") not in (None, *one.asks)
        for one, other in ((a, b), (b, a))
        for preposition in one.stranded - {name for name, _ in other.chunks}
    )


def _instrument(compared: Comparison) -> bool:
    """Tell whether one is done by what the other is done to."""
    a, b = _pointed(compared.a, compared), _pointed(compared.b, compared)
    bare_a, bare_b = _bare(compared.a, compared), _bare(compared.b, compared)
    return any(
        preposition in ("by", "with") and word in bare
        for pointed, bare in ((a, bare_b - b.keys()), (b, bare_a - a.keys()))
        for word, prepositions in pointed.items()
        for preposition in prepositions
    )


def _bare(reading: Reading, compared: Comparison) -> set[str]:
    return {
        word
        for preposition, words in reading.chunks
        if preposition is None
        for word in compared.shared(words, [])
    }


def _pointed(reading: Reading, compared: Comparison) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for preposition, words in reading.chunks:
        if preposition is not None and words:
            for word in compared.meant.get(words[0], words[:1]):
                found.setdefault(word, set()).add(preposition)
    return found


_UNITS: Final = frozenset(
    CONCEPTS.get(unit, unit)
    for unit in map(stem, vocabulary("second minute hour day night week fortnight month year"))
)
_MOMENTS: Final = frozenset(
    map(
        stem,
        vocabulary(
            "january february march april may june july august september october november december "
            "monday tuesday wednesday thursday friday saturday sunday noon midnight morning evening"
        ),
    )
)
_DEADLINES: Final = tuple(frozenset(("by", other)) for other in ("on", "at", "in"))
_PERIODS: Final = (frozenset(("for", "in")),)


def period(compared: Comparison) -> str | None:
    """One asks for three days and the other in three days, or by Friday and on Friday."""
    a, b = _timed(compared.a), _timed(compared.b)
    for words in a.keys() & b.keys():
        apart = _PERIODS if words[-1] in _UNITS else _DEADLINES
        if frozenset((a[words], b[words])) in apart:
            return "period"
    return None


def _timed(reading: Reading) -> dict[tuple[str, ...], str]:
    """Return the preposition before each time: of a length by its number and unit, or a moment."""
    found: dict[tuple[str, ...], str] = {}
    for preposition, words in reading.chunks:
        if preposition is not None and words:
            length = 2 if is_number(words[0]) and not _UNITS.isdisjoint(words[1:2]) else 1
            if is_number(words[0]) or words[0] in _UNITS | _MOMENTS:
                found[tuple(words[:length])] = preposition
    return found
