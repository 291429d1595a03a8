"""Vetoes on who does what to whom, where the order of the words says so."""

from __future__ import annotations

from typing import Final

from portkey_local.semantic.comparison import Comparison
from portkey_local.semantic.lexicon import vocabulary
from portkey_local.semantic.reading import Chunk, Reading
from portkey_local.semantic.stemming import stem
from portkey_local.semantic.vetoes.wording import FEW

__all__ = ["moved", "order"]

_BELONGING: Final = frozenset(("in", "for", "of"))

_PARTICIPLES: Final = vocabulary("broken chosen forgotten frozen hidden lost paid sold stolen worn")


def moved(compared: Comparison) -> str | None:
    """The words do not stand in the very same order."""
    a, b = _shared_words(compared)
    return None if a == b else "order"


def order(compared: Comparison) -> str | None:
    """The words stand in another order, and not because a phrase has moved as a whole."""
    a, b = _shared_words(compared)
    if a == b or _participle(compared, a, b):
        return None
    if len(compared.only_a) > FEW and len(compared.only_b) > FEW:  # said in other words
        return None if _anchors(compared.a, compared) == _anchors(compared.b, compared) else "order"
    if len(compared.a.sentences) == len(compared.b.sentences):
        pairs = list(zip(compared.a.sentences, compared.b.sentences, strict=True))
    else:
        pairs = [(compared.a.chunks, compared.b.chunks)]
    fronted = compared.a.surface[:1] != compared.b.surface[:1]
    same = all(
        _same_but_for_moves(
            _shared(one, compared, compared.only_a),
            _shared(other, compared, compared.only_b),
            fronted=fronted,
            names=compared.a.names | compared.b.names,
        )
        for one, other in pairs
    )
    return None if same else "order"


def _shared_words(compared: Comparison) -> tuple[list[str], list[str]]:
    return (
        compared.shared(compared.a.content, compared.only_a),
        compared.shared(compared.b.content, compared.only_b),
    )


def _shared(chunks: list[Chunk], compared: Comparison, only: list[str]) -> list[Chunk]:
    """Return chunks with what both questions have."""
    shared = ((preposition, compared.shared(words, only)) for preposition, words in chunks)
    return [(preposition, words) for preposition, words in shared if words]


def _same_but_for_moves(a: list[Chunk], b: list[Chunk], *, fronted: bool, names: set[str]) -> bool:
    if a == b or _flat(a) == _flat(b) or _attached(a) == _attached(b):
        return True
    few, many = sorted((a, b), key=_phrases)
    if _phrases(few) < _phrases(many) and _flat(few) == _joined(many, names):
        return True
    if fronted and (_turned(a, b) or _turned(b, a)):
        return True
    core_a, phrases_a = _split(a)
    core_b, phrases_b = _split(b)
    return core_a == core_b and phrases_a is not None and phrases_a == phrases_b


def _turned(a: list[Chunk], b: list[Chunk]) -> bool:
    """Tell whether the first part of one is the last of the other, parted where phrases are."""
    first, second = _flat(a), _flat(b)
    if len(first) < 3 or len(a) < 2:
        return False
    starts = {len(_flat(b[:place])) for place in range(1, len(b))}
    return any(first == second[start:] + second[:start] for start in starts)


def _participle(compared: Comparison, a: list[str], b: list[str]) -> bool:
    """Tell whether all that moved is a participle past its neighbour, as in a stolen card."""
    places = [place for place, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]]
    if len(a) != len(b) or len(places) != 2 or places[1] - places[0] != 1:
        return False
    first, second = a[places[0]], a[places[1]]
    if (b[places[0]], b[places[1]]) != (second, first):
        return False
    if _subject(compared.a) != _subject(compared.b) or _parted(compared, first, second):
        return False
    return any(
        _is_participle(reading, first) != _is_participle(reading, second)
        for reading in (compared.a, compared.b)
    )


def _is_participle(reading: Reading, word: str) -> bool:
    written = reading.written.get(word, word)
    inflected = written.endswith(("ed", "ing")) and stem(written) != written
    return inflected or written in _PARTICIPLES


def _subject(reading: Reading) -> bool:
    """Tell whether who or what is asked for does it: who invited them, not whom did they invite."""
    helped = not {"do", "does", "did"}.isdisjoint(reading.surface)
    return not helped and not reading.asks.isdisjoint(("who", "what"))


def _parted(compared: Comparison, first: str, second: str) -> bool:
    """Tell whether a preposition stands before one of two words: from signed to unsigned."""
    return any(
        preposition is not None and not {first, second}.isdisjoint(words)
        for reading in (compared.a, compared.b)
        for preposition, words in reading.chunks
    )


def _anchors(reading: Reading, compared: Comparison) -> list[str]:
    """Return the numbers, denials and names that both have, in order."""
    shared = compared.shared(reading.content, [*compared.only_a, *compared.only_b])
    names = compared.a.names | compared.b.names
    return [word for word in shared if word[0] in "#!" or word in names]


def _flat(chunks: list[Chunk]) -> list[str]:
    return [word for _, words in chunks for word in words]


def _split(chunks: list[Chunk]) -> tuple[list[str], dict[str, list[str]] | None]:
    """Part the core from the phrases; no phrases where two begin alike and may have changed places.

    "Two hours on Saturday and one on Sunday" must not become one on Saturday.
    """
    core = [word for preposition, words in chunks if preposition is None for word in words]
    phrases = {preposition: words for preposition, words in chunks if preposition is not None}
    return core, phrases if len(phrases) == _phrases(chunks) else None


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


def _phrases(chunks: list[Chunk]) -> int:
    return sum(preposition is not None for preposition, _ in chunks)


def _joined(chunks: list[Chunk], names: set[str]) -> list[str]:
    """Put the name of a place or a purpose before the one word it belongs to.

    To delete a branch in Git is to delete a Git branch; but to train a dog for a cat is not to
    train a cat dog, and money from Bob is not Bob's money.
    """
    flat: list[str] = []
    for preposition, words in chunks:
        belongs = preposition in _BELONGING and bool(flat) and names.issuperset(words)
        place = len(flat) - belongs
        flat[place:place] = words
    return flat
