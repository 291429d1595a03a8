"""Where a run is written down while it goes on: plain arrays, turned into columns at its end."""

from __future__ import annotations

from array import array
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from portkey_local.bench.records import Attempts, Breakers, CacheUse, Calls, Ending

__all__ = ["RecorderState"]

CODES: Final = ("status", "ending", "target", "attempts", "cache")
ATTEMPTS: Final = CODES.index("attempts")


class RecorderState:
    """The rows of one run, which is one thread's."""

    def __init__(self, calls: int) -> None:
        """Make room for so many calls."""
        self._ttft, self._total = array("d", bytes(8 * calls)), array("d", bytes(8 * calls))
        self._paid, self._wasted = array("d", bytes(8 * calls)), array("d", bytes(8 * calls))
        self._codes = [array("h", bytes(2 * calls)) for _ in CODES]
        self._wrong = array("b", bytes(calls))
        self._call, self._target = array("i"), array("h")
        self._started, self._ended = array("d"), array("d")
        self._status, self._ending, self._cost = array("h"), array("h"), array("d")
        self._circuits: list[tuple[int, float, int]] = []

    def attempt(
        self,
        call: int,
        target: int,
        started: float,
        ended: float,
        status: int,
        ending: Ending,
        cost: float,
    ) -> int:
        """Write an attempt down; return its row."""
        self._call.append(call)
        self._target.append(target)
        self._started.append(started)
        self._ended.append(ended)
        self._status.append(status)
        self._ending.append(ending)
        self._cost.append(cost)
        return len(self._call) - 1

    def reprice(self, row: int, cost: float) -> None:
        """Change what an attempt was billed: its caller left before its end."""
        self._cost[row] = cost

    def circuit(self, target: int, moment: float, phase: int) -> None:
        """Write down that a circuit changed."""
        self._circuits.append((target, moment, phase))

    def took(self, call: int, ttft: float, total: float, cost: float, wasted: float) -> None:
        """Write down how long a call took to its first token and to its end, what it cost, and what
        of that bought nothing.
        """
        self._ttft[call] = ttft
        self._total[call] = total
        self._paid[call] = cost
        self._wasted[call] = wasted

    def spent_later(self, call: int, cost: float) -> None:
        """Add an attempt that went on beside a call after its end."""
        self._paid[call] += cost
        self._codes[ATTEMPTS][call] += 1

    def ended(
        self, call: int, status: int, ending: Ending, target: int, attempts: int, cache: CacheUse
    ) -> None:
        """Write down how a call ended: its `CODES`, in their order."""
        statuses, endings, targets, tries, caches = self._codes
        statuses[call] = status
        endings[call] = ending
        targets[call] = target
        tries[call] = attempts
        caches[call] = cache

    def wrong(self, call: int) -> None:
        """Write down that a cache gave a call another question's answer."""
        self._wrong[call] = True

    def calls(
        self,
        arrival: NDArray[np.float64],
        prompt_tokens: NDArray[np.int32],
        completion_tokens: NDArray[np.int32],
    ) -> Calls:
        """Return all calls as columns."""
        codes = zip(CODES, map(_column, self._codes), strict=True)
        return Calls(
            arrival_s=arrival,
            ttft_s=_column(self._ttft),
            total_s=_column(self._total),
            cost_usd=_column(self._paid),
            wasted_cost_usd=_column(self._wasted),
            wrong_hit=_column(self._wrong).astype(np.bool_),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            **dict(codes),
        )

    def attempts(self) -> Attempts:
        """Return all attempts as columns."""
        return Attempts(
            call=_column(self._call),
            target=_column(self._target),
            started_s=_column(self._started),
            ended_s=_column(self._ended),
            status=_column(self._status),
            ending=_column(self._ending),
            cost_usd=_column(self._cost),
        )

    def breakers(self) -> Breakers:
        """Return how the circuits changed, as columns."""
        rows = self._circuits
        return Breakers(
            target=np.array([row[0] for row in rows], np.int16),
            time_s=np.array([row[1] for row in rows], np.float64),
            phase=np.array([row[2] for row in rows], np.int16),
        )


def _column(values: array[Any]) -> NDArray[Any]:
    """Return an array's own memory as a column; there is none to share of an empty one."""
    kind = np.dtype(values.typecode)
    return np.frombuffer(values, dtype=kind) if values else np.empty(0, kind)
