"""Writes behind the caller's back, in a thread that is there while there is something to write."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias

__all__ = ["Batch", "Full", "Waiting", "Writer"]

ROOM: Final = 64 * 1024 * 1024  # bytes that may wait to be written
PATIENCE: Final = 10.0  # seconds that a flush takes at most
LINGER: Final = 5.0  # seconds for which an idle thread waits for more
TOGETHER: Final = 32  # values that are written at one go; others wait for so long

_ALL: weakref.WeakSet[Any] = weakref.WeakSet()


def _begin_anew() -> None:
    """Forget, in a forked process, what waits: the parent writes it."""
    for writer in list(_ALL):
        writer.begin()


def _flush_all() -> None:
    for writer in list(_ALL):
        writer.flush()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
atexit.register(_flush_all)


class Full(Exception):
    """More waits to be written than there is room for."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A value that waits to be written: until when it holds, and for how many seconds in all."""

    value: bytes
    until: float
    age: float
    failed: Callable[[Exception], None]


Batch: TypeAlias = Sequence[tuple[bytes, Waiting]]


class Writer:
    """Hands values to `write`, some at a time, in their order; safe across threads.

    Where several cannot be written together, each is tried alone. `leave` is called at the end of
    each thread that has written.
    """

    def __init__(
        self, write: Callable[[Batch], None], leave: Callable[[], None] = lambda: None
    ) -> None:
        """Begin with nothing to write, and no thread."""
        self._write = write
        self._leave = leave
        self.begin()
        _ALL.add(self)

    def begin(self) -> None:
        """Begin with nothing to write."""
        self._turn = threading.Condition(threading.Lock())
        self._waiting: OrderedDict[bytes, Waiting] = OrderedDict()
        self._bytes = 0
        self._running = False
        self._linger = LINGER
        self._thread: threading.Thread | None = None

    def __contains__(self, key: bytes) -> bool:
        """Whether a key's value waits to be written."""
        return key in self._waiting

    def get(self, key: bytes) -> Waiting | None:
        """Return what waits to be written under a key."""
        return self._waiting.get(key)

    def add(self, key: bytes, waiting: Waiting) -> None:
        """Let a value wait, in place of an older one of its key. Raises Full."""
        with self._turn:
            if self._bytes + len(waiting.value) > ROOM:
                raise Full("answers come faster than the cache directory can take them")
            self._drop(key)
            self._waiting[key] = waiting
            self._bytes += len(waiting.value)
            self._turn.notify_all()
            if not self._running:
                self._running, self._linger = True, LINGER
                self._thread = threading.Thread(
                    target=self._work, name="portkey-cache", daemon=True
                )
                self._thread.start()

    def _drop(self, key: bytes) -> None:
        dropped = self._waiting.pop(key, None)
        if dropped is not None:
            self._bytes -= len(dropped.value)

    def flush(self) -> None:
        """Wait until everything is written or could not be, but not for ever."""
        with self._turn:
            self._turn.wait_for(lambda: not (self._waiting and self._running), PATIENCE)

    def stop(self) -> None:
        """Write what waits, and end the thread; another value begins a new one."""
        self.flush()
        with self._turn:
            thread, self._linger = self._thread, 0.0
            self._turn.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(PATIENCE)

    def _work(self) -> None:
        try:
            self._write_all()
        finally:
            with suppress(Exception):
                self._leave()

    def _write_all(self) -> None:
        while batch := self._next():
            self._written(batch)
            with self._turn:
                for key, waiting in batch:
                    if self._waiting.get(key) is waiting:  # else a newer one has come meanwhile
                        self._drop(key)
                if not self._waiting:
                    self._turn.notify_all()

    def _written(self, batch: Batch) -> None:
        """Write a batch, or what of it can be; whoever put the rest is told."""
        try:
            self._write(batch)
        except Exception as error:  # noqa: BLE001 - any, for it is nobody else's
            if len(batch) > 1:
                for one in batch:
                    self._written((one,))
                return
            with suppress(Exception):
                batch[0][1].failed(error)

    def _next(self) -> Batch:
        """Return the oldest of what waits, or nothing when nothing has come for a while."""
        with self._turn:
            self._turn.wait_for(lambda: self._waiting or not self._linger, self._linger)
            if not self._waiting:
                self._running = False
            return tuple(islice(self._waiting.items(), TOGETHER))
