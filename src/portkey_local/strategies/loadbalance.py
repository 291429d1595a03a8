"""Loadbalance: one weighted pick for each call, and no second one.

The pick is the reference's: a number drawn uniformly below the sum of the weights, and the first
target whose running sum exceeds it. Weights need not add up to one; a weight of 0 is never picked.
"""

from __future__ import annotations

from dataclasses import dataclass

from portkey_local.effects import Route, Router
from portkey_local.model import Call, Outcome


@dataclass(frozen=True, slots=True)
class LoadBalance:
    """Pick one target by weight; its outcome is the call's."""

    targets: tuple[Router, ...]
    weights: tuple[float, ...]

    def route(self, call: Call) -> Route[Outcome]:
        """Return the picked target's outcome."""
        outcome = yield from self.targets[self.pick(call.rng.random())].route(call)
        return outcome

    def pick(self, draw: float) -> int:
        """Return the index that a draw from [0, 1) picks."""
        rest = draw * sum(self.weights)
        pick = 0
        for index, weight in enumerate(self.weights):
            if weight <= 0:
                continue
            pick = index
            if rest < weight:
                break
            rest -= weight
        return pick
