"""The scopes whose vectors are in memory: filled when they are asked for, let go when others are.

Ground rules: what is in memory can always be read again, so the scope that was asked longest ago is
let go whenever the budget is over. A scope reads what is new in it before each search; what it
reads twice it has once. No lock of the whole is held while one scope reads or searches.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeAlias

from portkey_local.semantic.forking import survive
from portkey_local.semantic.index import FaissNeighbours

__all__ = ["BUDGET", "Row", "ScopesState", "Since"]

BUDGET: Final = 256 * 1024 * 1024  # bytes; 170,000 vectors of 384 numbers, twice that in half
TOGETHER: Final = 4_096  # rows that are taken at a time

Row: TypeAlias = tuple[int, bytes]
"""The number of an entry, and its vector."""

Since: TypeAlias = Callable[[int], Iterable[Row]]
"""Gives the rows of a scope whose numbers are above one; numbers grow from row to row."""


class _ScopeState:
    """One scope, and how far it has been read."""

    def __init__(self, dimensions: int) -> None:
        self.neighbours = FaissNeighbours(dimensions)
        self.reading = threading.Lock()
        self.last = 0
        self.refused = 0

    def read(self, since: Since) -> None:
        """Take what is new; one thread reads, and the others wait for what it finds."""
        with self.reading:
            for rows in _batches(since(self.last)):
                self.take(rows)
                self.last = max(self.last, *(number for number, _ in rows))

    def take(self, rows: list[Row]) -> None:
        """Take rows; what is no vector, as in a file that was damaged, is left out and counted."""
        try:
            self.neighbours.add(rows)
        except ValueError:
            self.refused += sum(not self._takes(row) for row in rows)

    def _takes(self, row: Row) -> bool:
        try:
            self.neighbours.add([row])
        except ValueError:
            return False
        return True


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while batch := list(islice(left, TOGETHER)):
        yield batch


class ScopesState:
    """Finds neighbours within scopes, of which as many stay in memory as fit a budget.

    Safe across threads; a forked process keeps what was in memory.
    """

    def __init__(self, dimensions: int, *, budget: int = BUDGET) -> None:
        """Begin with no scope in memory; the last one used may exceed `budget` (bytes)."""
        if budget < 1:
            raise ValueError("budget must be 1 or more")
        self.dimensions = dimensions
        self.budget = budget
        self.lock = threading.Lock()
        self._scopes: OrderedDict[bytes, _ScopeState] = OrderedDict()
        survive(self)

    def renew(self, *, whole: bool) -> None:
        """Take new locks in a forked process; let everything go where a thread had not finished."""
        self.lock = threading.Lock()
        if not whole:
            self._scopes = OrderedDict()
        for scope in self._scopes.values():
            scope.reading = threading.Lock()  # what was being read is read once more

    def nearest(
        self, scope: bytes, vector: bytes, count: int, since: Since
    ) -> list[tuple[int, float]]:
        """Return the numbers of a scope's nearest vectors with their similarities, nearest first.

        Reads what is new in the scope before, and raises what `since` raises.
        """
        state = self._used(scope)
        state.read(since)
        self._let_go()
        return state.neighbours.nearest(vector, count)

    def add(self, scope: bytes, rows: Iterable[Row]) -> None:
        """Take vectors of a scope that is in memory; others read theirs when they are asked."""
        state = self._scopes.get(scope)
        if state is not None:
            state.take(list(rows))

    def remove(self, scope: bytes, numbers: Iterable[int]) -> None:
        """Forget vectors whose entries are gone."""
        state = self._scopes.get(scope)
        if state is not None:
            state.neighbours.remove(numbers)

    def clear(self) -> None:
        """Let everything go, so that each scope is read from its beginning."""
        with self.lock:
            self._scopes = OrderedDict()

    @property
    def size(self) -> int:
        """How many bytes are in memory, about."""
        with self.lock:
            return sum(state.neighbours.size for state in self._scopes.values())

    @property
    def refused(self) -> int:
        """How many rows of the scopes in memory are no vectors."""
        with self.lock:
            return sum(state.refused for state in self._scopes.values())

    def __len__(self) -> int:
        """Return how many scopes are in memory."""
        return len(self._scopes)

    def _used(self, scope: bytes) -> _ScopeState:
        with self.lock:
            state = self._scopes.get(scope)
            if state is None:
                state = self._scopes[scope] = _ScopeState(self.dimensions)
            self._scopes.move_to_end(scope)
            return state

    def _let_go(self) -> None:
        """Keep within the budget, but always the scope that was used last."""
        with self.lock:
            size = sum(state.neighbours.size for state in self._scopes.values())
            while size > self.budget and len(self._scopes) > 1:
                _, oldest = self._scopes.popitem(last=False)
                size -= oldest.neighbours.size
