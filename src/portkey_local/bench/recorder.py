"""Where a run is written down while it goes on: plain arrays, turned into columns at its end."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portkey_local.bench.records import Attempts, Breakers, Calls, Ending

__all__ = ["Finished", "RecorderState"]


@dataclass(slots=True)
class Finished:
    """How a call ended."""

    ending: Ending
    status: int
    ttft: float
    total: float
    target: int = -1
    cost: float = 0.0
    wasted: float = 0.0
    cache: int = 0
    wrong: bool = False


class RecorderState:
    """The rows of one run, which is one thread's."""

    def __init__(self, calls: int) -> None:
        """Make room for so many calls."""
        self._real = {name: array("d", bytes(8 * calls)) for name in ("ttft", "total")}
        self._money = {name: array("d", bytes(8 * calls)) for name in ("cost", "wasted")}
        self._codes = {
            name: array("h", bytes(2 * calls))
            for name in ("status", "ending", "target", "attempts", "cache")
        }
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

    def finish(self, call: int, how: Finished, attempts: int) -> None:
        """Write down how a call ended."""
        self._real["ttft"][call], self._real["total"][call] = how.ttft, how.total
        self._money["cost"][call], self._money["wasted"][call] = how.cost, how.wasted
        codes = self._codes
        codes["status"][call], codes["ending"][call] = how.status, how.ending
        codes["target"][call], codes["attempts"][call] = how.target, attempts
        codes["cache"][call] = how.cache
        self._wrong[call] = how.wrong

    def calls(
        self,
        arrival: NDArray[np.float64],
        prompt_tokens: NDArray[np.int32],
        completion_tokens: NDArray[np.int32],
    ) -> Calls:
        """Return all calls as columns."""
        codes = {name: _column(column) for name, column in self._codes.items()}
        return Calls(
            arrival_s=arrival,
            ttft_s=_column(self._real["ttft"]),
            total_s=_column(self._real["total"]),
            cost_usd=_column(self._money["cost"]),
            wasted_cost_usd=_column(self._money["wasted"]),
            wrong_hit=_column(self._wrong).astype(np.bool_),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            **codes,
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
    return np.frombuffer(values, dtype=np.dtype(values.typecode)) if values else np.array([])
