"""How a question is read: what is asked, of what, by whom, in which order.

Two questions with the same reading ask the same. So what does not matter is folded away here (the
greeting, the frame, the tense of a verb, "capital of France" for "France's capital"), and what does
matter is kept apart by kind, so that a veto can name it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Final, TypeAlias

from portkey_local.semantic.lexicon import grammar, vocabulary
from portkey_local.semantic.lexicon.meanings import CONCEPTS, COST, VERBAL
from portkey_local.semantic.lexicon.wrappers import ENDINGS, FRAMES, OPENINGS, Phrases, longest
from portkey_local.semantic.numerals import is_number, numeral, spelt
from portkey_local.semantic.stemming import stem
from portkey_local.semantic.text import COMMA, POSSESSIVE, STOP, normal, quoted, words

__all__ = ["Chunk", "Reading", "read"]

Chunk: TypeAlias = tuple[str | None, list[str]]
"""Words that stand together, and the preposition before them, if any."""

KEPT: Final = 4_096  # readings: a question that was kept is read for each one that is near it
SHORT: Final = 500  # letters of a text whose reading is kept

_VERB_AFTER = vocabulary(
    "i we you they he she one to can could should would will may might must do does did not please "
    f"?how never always {COMMA} {STOP}"
)

_YOU = frozenset(word for word, person in grammar.PERSONS.items() if person == "you")
_WHETHER = (["if"], ["whether"])
_ONE = (["the"], ["a"], ["an"], ["one"], ["this"], ["that"])


@dataclass(frozen=True, slots=True)
class Reading:
    """A question, read.

    `surface` is its every word but the wrapper's. `sentences` hold the words that count, as stems
    of their meaning; `written` says how each of them was written. `stranded` are
    prepositions with nothing after them.
    """

    surface: list[str]
    english: bool
    names: set[str]
    quotes: list[str]
    sentences: list[list[Chunk]] = field(default_factory=lambda: [[]])
    written: dict[str, str] = field(default_factory=dict)
    asks: set[str] = field(default_factory=set)
    persons: list[str] = field(default_factory=list)
    modals: set[str] = field(default_factory=set)
    tenses: set[str] = field(default_factory=set)
    stranded: set[str] = field(default_factory=set)

    @property
    def content(self) -> list[str]:
        """The words that count, in order."""
        return [word for chunks in self.sentences for _, words in chunks for word in words]

    @property
    def orders(self) -> bool:
        """Whether something is to be done, as in "cancel my order"."""
        return not (self.asks or self.tenses) and _begins_order(self.surface)

    @property
    def chunks(self) -> list[Chunk]:
        """The chunks of all sentences."""
        return [chunk for chunks in self.sentences for chunk in chunks]


def read(text: str) -> Reading:
    """Read a question; nobody is to change a reading, for the next who asks may get the same."""
    return _kept(text) if len(text) <= SHORT else _read(text)


def _read(text: str) -> Reading:
    folded = normal(text)
    said = words(folded)
    opened = _stripped(said, OPENINGS)
    bare = _stripped(opened[::-1], ENDINGS)[::-1]
    reading = Reading(
        surface=[word for word in bare if word not in (COMMA, STOP)],
        english=_english(folded, said),
        names=_names(folded),
        quotes=quoted(folded),
    )
    _Reader(reading, _framed(bare)).run()
    _settle_cost(reading)
    if not reading.asks:
        reading.asks.update(_asked(said[: len(said) - len(opened)], bare))
    return reading


_kept = lru_cache(KEPT)(_read)


def _stripped(said: list[str], table: Phrases) -> list[str]:
    """Take phrases off the front while something is left."""
    start = 0
    while start < len(said):
        found = longest(table, said, start)
        length = found[0] if found else said[start] in (COMMA, STOP)
        if not length or start + length >= len(said):
            break
        start += length
    return said[start:]


def _framed(bare: list[str]) -> list[str]:
    framed: list[str] = []
    at, anybody = 0, False
    while at < len(bare):
        length, meaning = longest(FRAMES, bare, at) or (1, (bare[at],))
        anybody = anybody or (
            length > 1 and meaning[-1:] == ("i",) and bare[at + length - 1] == "you"
        )
        framed.extend("i" if anybody and word in _YOU else word for word in meaning)
        at += length
    return framed


def _asked(wrapper: list[str], bare: list[str]) -> set[str]:
    """Return what a question asks for that has no word for it."""
    starts = (word for before, word in pairwise([STOP, *bare]) if before in (COMMA, STOP))
    if wrapper[-1:] in _WHETHER or any(map(_begins_question, starts)):
        return {"whether"}
    return {"what"} if "tell" in wrapper and not _begins_order(bare) else set()


def _begins_question(word: str) -> bool:
    return word in grammar.AUXILIARIES or word in grammar.MODALS


def _begins_order(said: list[str]) -> bool:
    """Whether a text begins with a verb and its object, as in "turn off the lights"."""
    if not said or said[0] in grammar.FUNCTION or said[0] in grammar.NEGATIONS:
        return False
    following = said[2:3] if said[1:2] and said[1] in grammar.PARTICLES else said[1:2]
    return not grammar.DETERMINERS.isdisjoint(following)


def _settle_cost(reading: Reading) -> None:
    """Ask for the cost in "how much does it cost" and "what is the fee", wherever the word is."""
    if reading.asks not in ({"amount"}, {"what"}):
        return
    for _, chunk in reading.chunks:
        if COST in chunk:
            chunk.remove(COST)
            reading.asks.clear()
            reading.asks.add("cost")
            return


def _english(folded: str, said: list[str]) -> bool:
    if not folded.isascii():
        letters = [letter for letter in folded if letter.isalpha()]
        if sum(not letter.isascii() for letter in letters) * 5 > len(letters):
            return False
    foreign = sum(word in grammar.FOREIGN for word in said)
    return not foreign or foreign <= sum(word in grammar.FUNCTION for word in said)


def _names(folded: str) -> set[str]:
    """Return the stems of what is written with a capital although no sentence starts there."""
    if folded.islower() or folded.isupper() or folded.istitle():
        return set()
    found = set()
    starts = True
    for word in folded.split():
        bare = word.strip("\"'()[],;:.?!*")
        if bare[:1].isupper() and not starts:
            found.add(stem(bare.lower().removesuffix("'s")))
        starts = word[-1] in ".?!:" or not bare
    return found


class _Reader:
    """Goes through the words once."""

    def __init__(self, reading: Reading, said: list[str]) -> None:
        self._reading = reading
        self._said = said
        self._chunk: Chunk | None = None
        self._at = 0
        self._asking = False  # inside a clause that began as a question, nothing joined to it
        self._helped = False  # inside a clause whose verb comes last, as in "does a visa expire"
        self._owned: int | None = None  # where in the chunk the owner of its words goes

    def run(self) -> None:
        while self._at < len(self._said):
            self._at += self._take(self._said[self._at], self._at)
        self._close()

    def _take(self, word: str, at: int) -> int:
        """Take what starts at a place; return how many words that is."""
        if word in (COMMA, STOP, POSSESSIVE):
            self._part(word)
            return 1
        if number := spelt(self._said, at):
            self._count(number[1])
            return number[0]
        if parts := numeral(word):
            return self._take_number(parts, at)
        if not self._take_small(word):
            if word in grammar.CLAUSES:
                self._close()
            verb = not at or self._said[at - 1] in _VERB_AFTER
            self._count(word, verb=verb)
        return 1

    def _part(self, mark: str) -> None:
        if mark == POSSESSIVE:
            return
        self._close()
        self._asking = self._helped = False
        if mark == STOP and self._reading.sentences[-1]:
            self._reading.sentences.append([])

    def _take_number(self, parts: list[str], at: int) -> int:
        after = numeral(self._said[at + 1]) if at + 1 < len(self._said) else None
        if after and is_number(after[0]) and not is_number(parts[0]):  # $15 is 15 dollars
            for part in (*after, *parts):
                self._count(part)
            return 2
        for part in parts:
            self._count(part)
        return 1

    def _take_small(self, word: str) -> bool:
        """Take a word that does not count by itself; return whether it is one."""
        reading = self._reading
        if word in grammar.NEGATIONS:
            self._deny("!" + grammar.NEGATIONS[word])
        elif word == "of":
            self._owned = 0 if self._chunk else None
        elif word in grammar.PREPOSITIONS:
            self._close()
            self._chunk = (word, [])
            reading.sentences[-1].append(self._chunk)
            if self._said[self._at + 1 : self._at + 2] in ([], [COMMA], [STOP]):
                reading.stranded.add(word)
        elif word == "just" and self._said[self._at + 1 : self._at + 2] in _ONE:
            self._count("only")  # just the titles; but not in "I just want"
        elif word in grammar.EMPTY:
            self._take_empty(word)
        elif word in grammar.PERSONS:
            self._take_person(word)
        else:
            return self._take_asking(word)
        return True

    def _take_empty(self, word: str) -> None:
        if word == "own" and grammar.OWNERS.isdisjoint(self._said[self._at - 1 : self._at]):
            self._count(word)  # to own a house; but not my own house
        self._asking = self._asking and word not in ("and", "but")

    def _take_person(self, word: str) -> None:
        if word not in grammar.OWNERS or not self._chunk or self._chunk[1]:
            self._close()  # but what goes to my account goes to the account
        self._helped = False
        self._reading.persons.append(grammar.PERSONS[word])

    def _take_asking(self, word: str) -> bool:
        reading = self._reading
        chunks = reading.sentences[-1]
        if word[0] == "?" or word in grammar.QUESTIONS:
            reading.asks.add(grammar.QUESTIONS.get(word, word.lstrip("?")))
        elif word in grammar.MODALS:
            reading.modals.add(grammar.MODALS[word])
        elif word not in grammar.AUXILIARIES:
            return False
        if word in grammar.TENSES:
            reading.tenses.update(self._times(word))
        self._asking = self._asking or not any(words for _, words in chunks)
        self._close()
        self._helped = word in grammar.HELPERS
        return True

    def _times(self, word: str) -> frozenset[str]:
        """Return when it was; what has not arrived may still do so, what did not will not."""
        times = grammar.TENSES[word]
        denied = self._said[self._at + 1 : self._at + 2] == ["not"]
        return times - {"past"} if denied and "state" in times else times

    def _deny(self, denial: str) -> None:
        """Count a denial; in "why is my card not working" at the front, as in "isn't"."""
        if denial == "!without":
            self._close()
        self._count(denial)
        following = self._said[self._at + 1 : self._at + 2]
        if self._asking and denial != "!without" and following != ["to"]:
            chunks = self._reading.sentences[-1]
            chunks[-1][1].remove(denial)
            chunks[:] = [(None, [denial]), *(chunk for chunk in chunks if chunk[1])]
            self._close()

    def _close(self) -> None:
        if self._chunk and self._owned and self._owned > 1 and self._helped:
            words = self._chunk[1]  # the renewal of a visa take: "take" is no owner
            words.append(words.pop(self._owned - 1))
        self._chunk = self._owned = None

    def _count(self, word: str, *, verb: bool = False) -> None:
        meaning = word if word[0] in "#!" else _meaning(word, verb=verb)
        self._reading.written.setdefault(meaning, word)
        if self._chunk is None:
            self._chunk = (None, [])
            self._reading.sentences[-1].append(self._chunk)
        if self._owned is None:
            self._chunk[1].append(meaning)
        else:  # the capital of France is France's capital
            self._chunk[1].insert(self._owned, meaning)
            self._owned += 1


def _meaning(word: str, *, verb: bool) -> str:
    base = stem(word)
    if verb and base in VERBAL:
        base = VERBAL[base]
    return CONCEPTS.get(base, base)
