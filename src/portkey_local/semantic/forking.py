"""State that is whole in a forked process: what a thread is changing is changed before the fork.

A forked process has a copy of the memory and only one of the threads. So whoever forks first takes
the lock of each state that is registered here; in the new process every state gets a new lock.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Final, Protocol

__all__ = ["Forkable", "survive"]

PATIENCE: Final = 5.0  # seconds for which a fork waits for one lock


class Forkable(Protocol):
    """A state that one lock guards; it holds no other lock of this kind meanwhile."""

    lock: threading.Lock

    def renew(self, *, whole: bool) -> None:
        """Take a new lock, in a new process; without `whole`, a thread was at work for too long."""


_ALL: Final[weakref.WeakSet[Forkable]] = weakref.WeakSet()
_TAKEN: Final[list[tuple[Forkable, bool]]] = []


def survive(state: Forkable) -> None:
    """Look after a state at each fork, for as long as it lives."""
    _ALL.add(state)


def _before() -> None:
    _TAKEN.extend((state, state.lock.acquire(timeout=PATIENCE)) for state in list(_ALL))


def _in_parent() -> None:
    while _TAKEN:
        state, taken = _TAKEN.pop()
        if taken:
            state.lock.release()


def _in_child() -> None:
    while _TAKEN:
        state, taken = _TAKEN.pop()
        state.renew(whole=taken)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
