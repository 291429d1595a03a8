"""Vetoes on who does what to whom: the order of words, and what a preposition points at."""

from __future__ import annotations

from typing import Final

from portkey_local.semantic.comparison import Comparison
from portkey_local.semantic.reading import Chunk, Reading

__all__ = ["direction", "moved", "order"]

_OPPOSED: Final = frozenset(
    pair
    for one, other in (
        ("to", "from"), ("into", "from"), ("onto", "from"), ("for", "from"), ("to", "by"),
        ("for", "by"), ("from", "by"), ("toward", "from"), ("towards", "from"), ("with", "for"),
        ("in", "to"), ("in", "from"), ("at", "from"),
    )
    for pair in ((one, other), (other, one))
)  # fmt: skip


def direction(compared: Comparison) -> str | None:
    """What one goes to, the other comes from."""
    first, second = _pointed(compared.a, compared), _pointed(compared.b, compared)
    for word in first.keys() & second.keys():
        if not first[word] & second[word] and any(
            (one, other) in _OPPOSED for one in first[word] for other in second[word]
        ):
            return "direction"
    return None


def moved(compared: Comparison) -> str | None:
    """The words do not stand in the very same order."""
    a = compared.shared(compared.a.content, compared.only_a)
    return None if a == compared.shared(compared.b.content, compared.only_b) else "order"


def order(compared: Comparison) -> str | None:
    """The words stand in another order, and not because a phrase has moved as a whole."""
    if moved(compared) is None:
        return None
    if len(compared.a.sentences) == len(compared.b.sentences):
        pairs = list(zip(compared.a.sentences, compared.b.sentences, strict=True))
    else:
        pairs = [(compared.a.chunks, compared.b.chunks)]
    same = all(
        _same_but_for_moves(
            _shared(one, compared, compared.only_a), _shared(other, compared, compared.only_b)
        )
        for one, other in pairs
    )
    return None if same else "order"


def _shared(chunks: list[Chunk], compared: Comparison, only: list[str]) -> list[Chunk]:
    """Return chunks with what both questions have, neighbours without a preposition joined."""
    joined: list[Chunk] = []
    for preposition, words in chunks:
        both = compared.shared(words, only)
        if preposition is None and joined and joined[-1][0] is None:
            joined[-1][1].extend(both)
        elif both:
            joined.append((preposition, both))
    return joined


def _same_but_for_moves(a: list[Chunk], b: list[Chunk]) -> bool:
    if a == b or _flat(a) == _flat(b) or _attached(a) == _attached(b):
        return True
    core_a, phrases_a = _split(a)
    core_b, phrases_b = _split(b)
    return core_a == core_b and phrases_a is not None and phrases_a == phrases_b


def _flat(chunks: list[Chunk]) -> list[str]:
    return [word for _, words in chunks for word in words]


def _split(chunks: list[Chunk]) -> tuple[list[str], dict[str, list[str]] | None]:
    """Part the core from the phrases; no phrases where two begin alike and may have changed places.

    "Two hours on Saturday and one on Sunday" must not become one on Saturday.
    """
    core = [word for preposition, words in chunks if preposition is None for word in words]
    phrases = {preposition: words for preposition, words in chunks if preposition is not None}
    unlike = len(phrases) == sum(preposition is not None for preposition, _ in chunks)
    return core, phrases if unlike else None


def _attached(chunks: list[Chunk]) -> list[str]:
    """Put each phrase before the words it belongs to: a password for guests is a guest password."""
    flat: list[str] = []
    start = 0
    for preposition, words in chunks:
        if preposition is None:
            start = len(flat)
            flat.extend(words)
        else:
            flat[start:start] = words
    return flat


def _pointed(reading: Reading, compared: Comparison) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for preposition, words in reading.chunks:
        if preposition is not None and words:
            for word in compared.meant.get(words[0], words[:1]):
                found.setdefault(word, set()).add(preposition)
    return found
