"""A provider that plays a list of outcomes, written by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from portkey_local.bench.weather.fates import STATUSES, Ask, End, Fate
from portkey_local.bench.weather.models import ScriptStep

__all__ = ["ScriptState"]

FAULTS: Final = {
    "network": End.NETWORK,
    "silence": End.SILENCE,
    "truncated": End.TRUNCATED,
}


class ScriptState:
    """Plays one step for each attempt, in the order in which they come; the last step repeats."""

    def __init__(self, steps: Sequence[ScriptStep]) -> None:
        """Begin at the first step."""
        self._steps = tuple(steps)
        self._played = 0

    def fate(self, ask: Ask) -> Fate:
        """Return the next step as a fate."""
        step = self._steps[min(self._played, len(self._steps) - 1)]
        self._played += 1
        end = End.WHOLE if step.status < 300 else End.STATUS
        if step.fault is not None:
            end = FAULTS[step.fault]
        first = math.inf if end is End.SILENCE else step.after
        tokens = ask.completion_tokens
        return Fate(end, first, step.rest, step.status, tokens, step.retry_after)

    def quickest(self) -> float:
        """Return the seconds of the step that answers soonest."""
        answers = (step for step in self._steps if step.status < 300 and step.fault is None)
        return min((step.after for step in answers), default=math.inf)

    def failures(self) -> frozenset[int]:
        """Return the statuses of its steps."""
        return frozenset(
            step.status if step.fault is None else STATUSES[FAULTS[step.fault]]
            for step in self._steps
        )

    def spans(self, until: float) -> list[tuple[float, float, str]]:
        """Return one regime: the script's."""
        return [(0.0, until, "script")]
