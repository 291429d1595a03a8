"""What a compiled router remembers from call to call: circuits and sticky sessions.

Ground rules: each state is a class named so, with its own lock, which is never held while anything
waits; times are the caller's clock, in seconds. Nothing here decides who is asked: strategies and
policies do, by what they are told here. A process forked while a lock was held gets fresh locks,
and one forked while a probe was out waits for no probe of its parent's.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

__all__ = ["Change", "CircuitState", "Entry", "Phase", "StickyState"]

WINDOW: Final = 100  # outcomes a circuit remembers, where its thresholds ask for no more
SESSIONS_KEPT: Final = 10_000

_LOCKED: weakref.WeakSet[Any] = weakref.WeakSet()


def _fresh_locks() -> None:
    """Give every state a new lock: a forked child has no thread that would release the old one."""
    for state in list(_LOCKED):
        state.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fresh_locks)


class Phase(StrEnum):
    """Where a circuit stands."""

    CLOSED = "closed"  # calls go through
    OPEN = "open"  # no call goes through until the cooldown is over
    HALF_OPEN = "half-open"  # one probe at a time goes through


class Entry(StrEnum):
    """How an attempt was let in."""

    CLOSED = "closed"  # through a closed circuit; its outcome is counted
    PROBE = "probe"  # the one that decides whether a half-open circuit closes
    BYPASS = "bypass"  # although the circuit is open; its outcome is not counted


@dataclass(frozen=True, slots=True)
class Change:
    """A circuit went from one phase to another."""

    before: Phase
    after: Phase
    reason: str


class CircuitState:
    """One target's circuit.

    Counts failures among the last `window` outcomes. It opens when `failures` of them failed, or
    `percentage` percent of at least `minimum` of them; `cooldown` seconds later it is half-open,
    and one probe at a time goes through: a good one closes the circuit with nothing counted, a bad
    one opens it for another cooldown.
    """

    __slots__ = (
        "__weakref__",
        "_failed",
        "_generation",
        "_lock",
        "_outcomes",
        "_probing",
        "cooldown",
        "failures",
        "minimum",
        "opened_at",
        "percentage",
    )

    def __init__(
        self,
        *,
        failures: int | None = None,
        percentage: float | None = None,
        minimum: int = 1,
        cooldown: float = 30.0,
    ) -> None:
        """Begin closed, with nothing counted."""
        self.failures = failures
        self.percentage = percentage
        self.minimum = minimum
        self.cooldown = cooldown
        self.opened_at: float | None = None
        window = min(max(WINDOW, failures or 0, minimum), sys.maxsize)
        self._outcomes: deque[bool] = deque(maxlen=window)
        self._failed = 0
        self._generation = 0
        self.renew_lock()
        _LOCKED.add(self)

    def renew_lock(self) -> None:
        """Take a new lock, which nobody holds, and leave the probe's place to whoever comes."""
        self._lock = threading.Lock()
        self._probing = False

    def phase(self, now: float) -> Phase:
        """Return where the circuit stands."""
        opened = self.opened_at
        if opened is None:
            return Phase.CLOSED
        return Phase.OPEN if now < opened + self.cooldown else Phase.HALF_OPEN

    def blocked(self, now: float) -> bool:
        """Whether an attempt would be turned away now: open, or its probe is out."""
        opened = self.opened_at
        return opened is not None and (self._probing or now < opened + self.cooldown)

    def enter(self, now: float, *, bypass: bool) -> tuple[Entry, int] | None:
        """Let an attempt in, or turn it away (None); give the result to `leave` or `abandon`."""
        generation = self._generation  # before the phase, which `_restart` changes first
        if self.opened_at is None:
            return Entry.CLOSED, generation
        with self._lock:
            if self.opened_at is None:
                return Entry.CLOSED, self._generation
            if not self._probing and now >= self.opened_at + self.cooldown:
                self._probing = True
                return Entry.PROBE, self._generation
        return (Entry.BYPASS, self._generation) if bypass else None

    def leave(self, entered: tuple[Entry, int], now: float, *, failed: bool) -> Change | None:
        """Count an attempt's outcome; return how the circuit changed by it, if it did."""
        entry, generation = entered
        with self._lock:
            if entry is Entry.BYPASS or generation != self._generation:
                return None  # it began before the circuit last changed
            if entry is Entry.PROBE:
                return self._probed(now, failed=failed)
            return self._counted(now, failed=failed)

    def abandon(self, entered: tuple[Entry, int]) -> None:
        """Take back an attempt that ended without an outcome; another may probe."""
        entry, generation = entered
        with self._lock:
            if entry is Entry.PROBE and generation == self._generation:
                self._probing = False

    def _probed(self, now: float, *, failed: bool) -> Change:
        self._restart(opened_at=now if failed else None)
        if failed:
            return Change(Phase.HALF_OPEN, Phase.OPEN, "the probe failed")
        return Change(Phase.HALF_OPEN, Phase.CLOSED, "the probe succeeded")

    def _counted(self, now: float, *, failed: bool) -> Change | None:
        outcomes = self._outcomes
        if len(outcomes) == outcomes.maxlen:
            self._failed -= outcomes[0]
        outcomes.append(failed)
        self._failed += failed
        if (reason := self._reason()) is None:
            return None
        self._restart(opened_at=now)
        return Change(Phase.CLOSED, Phase.OPEN, reason)

    def _reason(self) -> str | None:
        """Return why the circuit opens now, or None where it stays closed."""
        total = len(self._outcomes)
        if self.failures is not None and self._failed >= self.failures:
            return f"{self._failed} failures in {total} attempts"
        if self.percentage is None or total < self.minimum:
            return None
        if 100 * self._failed >= self.percentage * total:
            return f"{100 * self._failed / total:.3g} % of {total} attempts failed"
        return None

    def _restart(self, *, opened_at: float | None) -> None:
        # An attempt is let in without the lock: whoever sees the new generation must see the new
        # phase too, or what passed a closed circuit would count in an open one.
        self.opened_at = opened_at
        self._generation += 1
        self._outcomes.clear()
        self._failed = 0
        self._probing = False

    def facts(self, now: float) -> dict[str, Any]:
        """Return the circuit as JSON; `retry_in` is the seconds until a probe may go through."""
        with self._lock:
            phase = self.phase(now)
            facts: dict[str, Any] = {
                "state": phase.value,
                "failures": self._failed,
                "attempts": len(self._outcomes),
            }
            if self.opened_at is not None and phase is Phase.OPEN:
                facts["retry_in"] = round(self.opened_at + self.cooldown - now, 3)
            if phase is Phase.HALF_OPEN:
                facts["probing"] = self._probing
            return facts


class StickyState:
    """Which target each session was given, for `ttl` seconds from then.

    At most `size` sessions are kept; the one that was asked for least recently goes first. A
    session's key is a digest, so the table holds nothing of a request.
    """

    __slots__ = ("__weakref__", "_lock", "_sessions", "size", "ttl")

    def __init__(self, ttl: float, *, size: int = SESSIONS_KEPT) -> None:
        """Begin without a session."""
        self.ttl = ttl
        self.size = size
        self._sessions: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self.renew_lock()
        _LOCKED.add(self)

    def renew_lock(self) -> None:
        """Take a new lock, which nobody holds."""
        self._lock = threading.Lock()

    def get(self, key: bytes, now: float) -> int | None:
        """Return the index a session was given, or None for a new or an expired one."""
        with self._lock:
            return self._get(key, now)

    def _get(self, key: bytes, now: float) -> int | None:
        held = self._sessions.get(key)
        if held is None:
            return None
        if now >= held[1]:
            del self._sessions[key]
            return None
        self._sessions.move_to_end(key)
        return held[0]

    def peek(self, key: bytes, now: float) -> int | None:
        """Return what `get` would, and change nothing."""
        with self._lock:
            held = self._sessions.get(key)
            return held[0] if held is not None and now < held[1] else None

    def settle(self, key: bytes, index: int, now: float, *, instead_of: int | None = None) -> int:
        """Give a session its target, a new one or `instead_of` the one it had.

        Returns the target it has, should another thread be first.
        """
        with self._lock:
            held = self._get(key, now)
            if held is not None and held != instead_of:
                return held
            self._sessions[key] = index, now + self.ttl
            self._sessions.move_to_end(key)
            if len(self._sessions) > self.size:
                self._sessions.popitem(last=False)
            return index

    def __len__(self) -> int:
        """Return how many sessions are kept."""
        return len(self._sessions)
