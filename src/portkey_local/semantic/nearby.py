"""The questions of each scope in memory, ready to be searched.

Ground rules: this is a copy of what `Questions` keeps, filled when a scope is first asked for and
brought up to date at each look, so that it may be dropped at any time. Whoever was asked for
longest ago goes when memory runs short. Searching may wait, and belongs in a thread of its own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from portkey_local.caches.questions import Question, Questions
from portkey_local.semantic.contract import Neighbours
from portkey_local.semantic.forking import survive

__all__ = ["Near", "NearbyState"]

ROOM: Final = 256 * 1024 * 1024  # bytes
OVERHEAD: Final = 600  # bytes that a question takes besides its text and its vector


@dataclass(frozen=True, slots=True)
class Near:
    """A question that was answered before, and its cosine similarity to one that is asked."""

    question: Question
    similarity: float


class NearbyState:
    """Finds the nearest questions of a scope; safe across threads. A forked process begins anew."""

    def __init__(
        self, questions: Questions, neighbours: Callable[[int], Neighbours], *, room: int = ROOM
    ) -> None:
        """Take where questions are kept, and what makes an index for so many dimensions."""
        self.questions = questions
        self._neighbours = neighbours
        self._room = room
        self._begin()
        survive(self)

    def _begin(self) -> None:
        self.lock = threading.Lock()
        self._scopes: OrderedDict[bytes, _Scope] = OrderedDict()
        self._bytes = 0

    def renew(self, *, whole: bool) -> None:  # noqa: ARG002 - the scopes have locks of their own
        """Begin anew in a forked process."""
        self._begin()

    def nearest(
        self, scope: bytes, vector: bytes, count: int, now: float, *, without: Collection[bytes]
    ) -> list[Near]:
        """Return the nearest questions whose time is not over at `now`, the nearest first.

        Those that lead to a key in `without` are left out.
        """
        held = self._held(scope)
        with held.lock:
            new = self.questions.since(scope, held.upto)
            if not new and not held.known:
                return []
            if held.neighbours is None:
                held.neighbours = self._neighbours(len(vector) // 4)
            held.take(new)
            found = held.nearest(vector, count, now, without)
        self._keep(scope, held)
        return found

    def holds(self, scope: bytes) -> bool:
        """Whether the questions of a scope are at hand, but for the newest."""
        with self.lock:
            return scope in self._scopes

    def rehearse(self, vector: bytes) -> None:
        """Load whatever a search needs, so that the first one takes no longer than the others."""
        neighbours = self._neighbours(len(vector) // 4)
        neighbours.add([(1, vector)])
        neighbours.nearest(vector, 1)

    def forget(self, scope: bytes, keys: Collection[bytes]) -> None:
        """Forget questions that lead nowhere any more, here and where they are kept."""
        self.questions.remove(keys)
        held = self._held(scope)
        with held.lock:
            held.drop(keys)

    def _held(self, scope: bytes) -> _Scope:
        with self.lock:
            return self._scopes.get(scope) or _Scope()

    def _keep(self, scope: bytes, held: _Scope) -> None:
        """Note that a scope was used; let others go where memory runs short."""
        with self.lock:
            # Two threads may have filled the same scope: the one who came first stays.
            if self._scopes.setdefault(scope, held) is not held:
                return
            self._scopes.move_to_end(scope)
            size = held.size
            self._bytes += size - held.counted
            held.counted = size
            while self._bytes > self._room and len(self._scopes) > 1:
                _, gone = self._scopes.popitem(last=False)
                self._bytes -= gone.counted


class _Scope:
    """The questions of one scope; whoever uses it holds its lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.neighbours: Neighbours | None = None
        self.known: dict[int, Question] = {}  # without their vectors, which the index has
        self.upto = 0
        self.counted = 0
        self._numbers: dict[bytes, int] = {}
        self._last = 0
        self._bytes = 0

    @property
    def size(self) -> int:
        """How many bytes it takes, about."""
        return self._bytes

    def take(self, questions: Sequence[Question]) -> None:
        """Take questions that are new, or that were kept anew."""
        rows = []
        for question in questions:
            self.upto = max(self.upto, question.number)
            number = self._numbers.get(question.key)
            if number is None:
                self._last = number = self._last + 1
                self._numbers[question.key] = number
                self._bytes += len(question.text) + len(question.vector) + OVERHEAD
                rows.append((number, question.vector))
            self.known[number] = replace(question, vector=b"")
        self._add(rows)

    def _add(self, rows: list[tuple[int, bytes]]) -> None:
        if self.neighbours is None or not rows:
            return
        try:
            self.neighbours.add(rows)
        except ValueError:  # one of them is no vector of this model's, or none at all
            for row in rows:
                with suppress(ValueError):
                    self.neighbours.add([row])

    def nearest(
        self, vector: bytes, count: int, now: float, without: Collection[bytes]
    ) -> list[Near]:
        while self.neighbours is not None:
            numbers = self.neighbours.nearest(vector, count + len(without))
            found = [Near(self.known[number], similarity) for number, similarity in numbers]
            over = [near.question.key for near in found if near.question.until <= now]
            if not over:
                return [near for near in found if near.question.key not in without][:count]
            self.drop(over)
        return []

    def drop(self, keys: Collection[bytes]) -> None:
        numbers = [number for key in keys if (number := self._numbers.pop(key, None)) is not None]
        for number in numbers:
            gone = self.known.pop(number)
            self._bytes -= len(gone.text) + OVERHEAD
        if self.neighbours is not None and numbers:
            self.neighbours.remove(numbers)
