"""The questions that kept answers belong to, so that one that is asked in other words finds them.

Ground rules: a question leads to the key of an answer and is never an answer itself. The entry
under that key is what counts: a question whose entry is gone or too old leads nowhere, and is
forgotten when somebody meets it. What is lost here costs a hit and nothing else.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

__all__ = ["MemoryQuestions", "Question", "Questions"]

QUESTIONS: Final = 10_000
SWEEP: Final = 256  # questions that come between two looks for those whose time is over

_ALL: weakref.WeakSet[Any] = weakref.WeakSet()


def _fresh_locks() -> None:
    for questions in list(_ALL):
        questions.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fresh_locks)


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was answered: its answer is kept under `key`.

    Only questions of one `scope` may share answers; everything but their words is the same there.
    `number` tells which came later, and is 0 for one that waits to be written. Times are seconds
    since 1970.
    """

    scope: bytes
    key: bytes
    text: str = field(repr=False)
    vector: bytes = field(repr=False)
    created: float
    until: float
    number: int = 0


class Questions(Protocol):
    """Where questions are kept, beside the answers; safe across threads. Any method may raise."""

    def add(self, question: Question, failed: Callable[[Exception], None], /) -> None:
        """Keep a question, in place of an older one of its key; later looks here find it.

        Returns at once. What goes wrong behind the caller's back is told to `failed`.
        """

    def since(self, scope: bytes, number: int, /) -> Sequence[Question]:
        """Return the questions of a scope that came after `number`, and those without a number."""

    def keys(self) -> list[bytes]:
        """Return the keys that the questions lead to."""

    def remove(self, keys: Collection[bytes], /) -> None:
        """Forget the questions that lead to these keys."""

    def clear(self) -> None:
        """Forget all."""

    def flush(self) -> None:
        """Wait until what was added is kept."""

    def close(self) -> None:
        """Let go of files and connections, after a `flush`."""


class MemoryQuestions:
    """Keeps questions in memory, at most so many; what came first goes first.

    Safe across threads; a forked process has a copy.
    """

    def __init__(self, *, max_questions: int = QUESTIONS) -> None:
        """Begin with none."""
        self.max_questions = max_questions
        self._kept: OrderedDict[bytes, Question] = OrderedDict()
        self._scopes: dict[bytes, OrderedDict[bytes, Question]] = {}
        self._number = 0
        self.renew_lock()
        _ALL.add(self)

    def renew_lock(self) -> None:
        """Take a new lock, which nobody holds."""
        self._lock = threading.Lock()

    def add(
        self,
        question: Question,
        failed: Callable[[Exception], None],  # noqa: ARG002 - nothing can fail
        /,
    ) -> None:
        """Keep a question, in place of an older one of its key."""
        with self._lock:
            self._forget(question.key)
            self._number += 1
            numbered = replace(question, number=self._number)
            self._kept[question.key] = numbered
            self._scopes.setdefault(question.scope, OrderedDict())[question.key] = numbered
            if self._number % SWEEP == 0:
                self._sweep(question.created)
            while len(self._kept) > self.max_questions:
                self._forget(next(iter(self._kept)))

    def _sweep(self, now: float) -> None:
        for key in [key for key, each in self._kept.items() if each.until <= now]:
            self._forget(key)

    def since(self, scope: bytes, number: int, /) -> Sequence[Question]:
        """Return the questions of a scope that came after `number`."""
        found = []
        with self._lock:
            for question in reversed(self._scopes.get(scope, {}).values()):
                if question.number <= number:
                    break
                found.append(question)
        return found[::-1]

    def keys(self) -> list[bytes]:
        """Return the keys that the questions lead to."""
        return list(self._kept)

    def remove(self, keys: Collection[bytes], /) -> None:
        """Forget the questions that lead to these keys."""
        with self._lock:
            for key in keys:
                self._forget(key)

    def _forget(self, key: bytes) -> None:
        known = self._kept.pop(key, None)
        if known is not None:
            scope = self._scopes[known.scope]
            del scope[key]
            if not scope:
                del self._scopes[known.scope]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self._scopes.clear()

    def flush(self) -> None:
        """Do nothing: what was added is kept."""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def __len__(self) -> int:
        """Return how many questions are kept."""
        return len(self._kept)
