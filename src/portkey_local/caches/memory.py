"""A cache in this process's memory."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from portkey_local.caches.about import first_line
from portkey_local.caches.questions import MemoryQuestions
from portkey_local.effects import Row

__all__ = ["MemoryCache"]

ENTRIES: Final = 10_000
BYTES: Final = 64 * 1024 * 1024
OVERHEAD: Final = 300  # bytes that an entry takes besides its value
VETOES: Final = 10_000

_ALL: weakref.WeakSet[Any] = weakref.WeakSet()


def _fresh_locks() -> None:
    for cache in list(_ALL):
        cache.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fresh_locks)


class MemoryCache:
    """Keeps answers in memory, at most `max_entries` and `max_bytes` of them.

    What was stored longest ago goes first. Safe across threads; a forked process has a copy.

    >>> cache = MemoryCache(max_entries=1)
    >>> cache.put(b"a", b"1", 0.0, 60.0, print)
    >>> cache.put(b"b", b"2", 0.0, 60.0, print)
    >>> cache.get(b"a", 1.0), cache.get(b"b", 1.0), cache.get(b"b", 60.0)
    (None, b'2', None)
    """

    def __init__(self, *, max_entries: int = ENTRIES, max_bytes: int = BYTES) -> None:
        """Begin with nothing kept."""
        if max_entries < 1 or max_bytes < 1:
            raise ValueError("max_entries and max_bytes must be 1 or more")
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self._kept: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._vetoes: dict[bytes, None] = {}
        self.questions = MemoryQuestions(max_questions=max_entries)
        self.renew_lock()
        _ALL.add(self)

    def renew_lock(self) -> None:
        """Take a new lock, which nobody holds: another thread's would stay held after a fork."""
        self._lock = threading.Lock()

    def ready(self, key: bytes, /) -> bool:  # noqa: ARG002 - as of every cache
        """Return True: memory never waits."""
        return True

    def get(self, key: bytes, now: float, /) -> bytes | None:
        """Return what is kept under a key, unless its time was over at `now`."""
        held = self._kept.get(key)  # without the lock, for one look at a dict is whole
        if held is None:
            return None
        if now < held[1]:
            return held[0]
        with self._lock:
            if self._kept.get(key) is held:
                self._forget(key)
        return None

    def put(
        self,
        key: bytes,
        value: bytes,
        now: float,
        max_age: float,
        failed: Callable[[Exception], None],  # noqa: ARG002 - as of every cache; nothing can fail
        /,
    ) -> None:
        """Keep a value for so many seconds; never one that is larger than all the room."""
        with self._lock:
            if key in self._kept:
                self._forget(key)
            if len(value) + OVERHEAD > self.max_bytes:
                return
            self._kept[key] = value, now + max_age
            self._bytes += len(value) + OVERHEAD
            while len(self._kept) > self.max_entries or self._bytes > self.max_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: bytes) -> None:
        value, _ = self._kept.pop(key)
        self._bytes -= len(value) + OVERHEAD

    def rows(self) -> Iterator[Row]:
        """Go through what is kept, in the order in which it was stored."""
        with self._lock:
            kept = list(self._kept.items())
        for key, held in kept:
            value, until = held
            yield Row(key.hex(), first_line(value), len(value), 0.0, until, (key, held))

    def value(self, row: Row, /) -> bytes | None:
        """Return a row's value, or None where it is gone."""
        key, held = row.place
        there = self._kept.get(key)
        return there[0] if there is not None and there is held else None

    def remove(self, rows: Iterable[Row], /) -> int:
        """Delete rows, unless their values have been replaced since; return how many."""
        return sum(self._removed(*row.place) for row in rows)

    def _removed(self, key: bytes, held: tuple[bytes, float]) -> bool:
        with self._lock:
            there = self._kept.get(key) is held
            if there:
                self._forget(key)
        if there:
            self.questions.remove((key,))
        return there

    def forget(self, keys: Iterable[bytes], /) -> int:
        """Delete what is kept under keys; return how much of it there was."""
        with self._lock:
            there = [key for key in dict.fromkeys(keys) if key in self._kept]
            for key in there:
                self._forget(key)
        self.questions.remove(there)
        return len(there)

    def clear(self) -> int:
        """Delete every row, but no veto; return how many."""
        with self._lock:
            count = len(self._kept)
            self._kept.clear()
            self._bytes = 0
        self.questions.clear()
        return count

    def veto(self, pair: bytes, /) -> None:
        """Remember a pair of questions that have not the same answer."""
        with self._lock:
            self._vetoes.setdefault(pair)
            while len(self._vetoes) > VETOES:
                del self._vetoes[next(iter(self._vetoes))]

    def vetoed(self, pair: bytes, /) -> bool:
        """Whether a pair is remembered."""
        return pair in self._vetoes

    def vetoes(self) -> int:
        """Return how many pairs are remembered."""
        return len(self._vetoes)

    def flush(self) -> None:
        """Do nothing: what was put is kept."""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of but the memory itself."""

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._kept)
