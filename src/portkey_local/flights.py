"""Calls in flight: who makes a call, and who waits for its answer because it is the same.

Ground rules: as in `state`: a lock that is never held while anything waits, and a forked process
begins with nothing in flight, for its parent's calls are not its own. Nothing here waits or knows
an event loop: whoever follows leaves a function that wakes him. A flight ends once, with an answer
or without one.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Final

from portkey_local.model import EMPTY

__all__ = ["Flight", "FlightsState"]

BESIDE: Final = 32  # flights that nobody waits for: each may be a thread
_ALL: weakref.WeakSet[Any] = weakref.WeakSet()


def _nothing_in_flight() -> None:
    for flights in list(_ALL):
        flights.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_nothing_in_flight)


class Flight:
    """One call that is being made, and what it came to; `value` is None until it has landed.

    `taped` is set where the end of a stream ends it; `idle_since` is the time at which the reader
    of that stream paused. `similar` is what is told of an
    answer that landed if it is that to a similar question.
    """

    __slots__ = (
        "_flights",
        "_key",
        "_wakes",
        "beside",
        "ended",
        "idle_since",
        "similar",
        "taped",
        "value",
    )

    def __init__(self, flights: FlightsState, key: bytes, *, beside: bool = False) -> None:
        """Begin with nobody waiting; `beside` is a flight that no call waits to lead."""
        self._flights = flights
        self._key = key
        self.beside = beside
        self.similar: Mapping[str, Any] = EMPTY
        self._wakes: list[Callable[[], None]] = []
        self.ended = False
        self.taped = False
        self.idle_since: float | None = None
        self.value: bytes | None = None

    def land(self, value: bytes | None) -> None:
        """End the flight with an answer for all who wait, or with none. Later ends are ignored."""
        with self._flights.lock:
            if self.ended:
                return
            self.ended, self.value = True, value
            self._flights.clear(self._key, self)
            wakes, self._wakes = self._wakes, []
        for wake in wakes:
            wake()

    def watch(self, wake: Callable[[], None], /) -> bool:
        """Have `wake` called at the end, in whatever thread that comes; False if it has come."""
        with self._flights.lock:
            if not self.ended:
                self._wakes.append(wake)
            return not self.ended

    def unwatch(self, wake: Callable[[], None], /) -> None:
        """Do not call `wake` any more."""
        with self._flights.lock:
            if wake in self._wakes:
                self._wakes.remove(wake)


class FlightsState:
    """The calls in flight, by their keys; safe across threads and event loops."""

    def __init__(self) -> None:
        """Begin with none."""
        self.begin()
        _ALL.add(self)

    def begin(self) -> None:
        """Begin with nothing in flight, and a lock that nobody holds."""
        self.lock = threading.Lock()
        self._flights: dict[bytes, Flight] = {}
        self._beside = 0

    def board(self, key: bytes) -> tuple[Flight, bool]:
        """Return the flight of a key, and whether it was begun by this, so that you lead it."""
        with self.lock:
            known = self._flights.get(key)
            if known is not None:
                return known, False
            begun = self._flights[key] = Flight(self, key)
            return begun, True

    def room_beside(self, key: bytes) -> bool:
        """Whether a flight beside the calls may begin; that one has begun is known only later."""
        return key not in self._flights and self._beside < BESIDE

    def board_beside(self, key: bytes) -> Flight | None:
        """Begin a flight beside the calls, unless the key has one or too many are in the air."""
        with self.lock:
            if not self.room_beside(key):
                return None
            begun = self._flights[key] = Flight(self, key, beside=True)
            self._beside += 1
            return begun

    def clear(self, key: bytes, flight: Flight) -> None:
        """Forget a flight that has ended; the lock is held."""
        if self._flights.get(key) is flight:
            del self._flights[key]
            self._beside -= flight.beside

    def __len__(self) -> int:
        """Return how many are in flight."""
        return len(self._flights)
