"""What stands between a request and its answer: token buckets, and a provider's servers."""

from __future__ import annotations

import heapq
import math

__all__ = ["BucketState", "ServersState"]


class BucketState:
    """A token bucket: it fills at `per_minute`, holds `capacity`, and begins full."""

    __slots__ = ("_at", "_held", "_rate", "_room", "_scale", "capacity", "per_minute")

    def __init__(self, per_minute: float, burst_seconds: float) -> None:
        """Hold what comes in so many seconds, and one request's worth at least."""
        self.per_minute = per_minute
        self.capacity = max(1.0, per_minute * burst_seconds / 60)
        self._held = self.capacity
        self._at = 0.0
        self._rescale(1.0)

    def _rescale(self, scale: float) -> None:
        self._scale = scale
        self._rate, self._room = self.per_minute * scale / 60, max(1.0, self.capacity * scale)

    def missing(self, amount: float, now: float, scale: float = 1.0) -> float:
        """Return the seconds until the bucket has `amount`; 0 where it has it now.

        `scale` is what the limit is worth in the regime of the moment. More than the bucket can
        ever hold is asked for as if it were all that it holds.
        """
        if scale != self._scale:
            self._rescale(scale)
        held = min(self._room, self._held + (now - self._at) * self._rate)
        self._held = held
        self._at = now
        if amount <= held:
            return 0.0
        return max(0.0, (min(amount, self._room) - held) / self._rate)

    def take(self, amount: float) -> None:
        """Take what is there; `missing` has been asked at this very moment."""
        self._held = max(0.0, self._held - amount)


class ServersState:
    """So many servers and one line, first come first served; infinitely many where `count` is None.

    Who leaves the line frees his place, and who leaves a server frees the server.
    """

    __slots__ = ("_busy_until", "_ends", "count")

    def __init__(self, count: int | None) -> None:
        """Begin with nobody served."""
        self.count = count
        self._busy_until: list[float] = []
        self._ends: list[float] = []

    def in_flight(self, now: float) -> int:
        """Return how many are served or wait."""
        ends = self._ends
        while ends and ends[0] <= now:
            heapq.heappop(ends)
        return len(ends)

    def enter(self, now: float, service: float, patience: float) -> float:
        """Return the seconds of waiting before the service begins, in which nobody else is passed.

        Infinity where it would begin after `patience` seconds: then no server is taken.
        """
        begin = now
        self.in_flight(now)  # forget those that are gone
        if self.count is not None:
            busy = self._busy_until
            if len(busy) >= self.count and busy[0] > now:
                begin = busy[0]
            if begin - now >= patience:
                heapq.heappush(self._ends, now + patience)
                return math.inf
            end = min(begin + service, now + patience)
            (heapq.heapreplace if len(busy) >= self.count else heapq.heappush)(busy, end)
        heapq.heappush(self._ends, min(begin + service, now + patience))
        return begin - now
