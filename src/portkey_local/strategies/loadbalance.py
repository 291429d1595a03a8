"""Loadbalance: one weighted pick for each call, and no second one.

The pick is the reference's: a number drawn uniformly below the sum of the weights, and the first
target whose running sum exceeds it. Weights need not add up to one; a weight of 0 is never picked.
A target whose circuit is open has no weight; when all are, circuits are ignored, unless the group
`refuses`: a strategy above it then asks somebody else. A sticky session keeps the target of its
first call until its time is over or that target's circuit opens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from portkey_local.effects import Gate, Route, Router, turned_away
from portkey_local.model import Call, Failure, Fault, Outcome
from portkey_local.query import MISSING, Look, facts_of
from portkey_local.state import StickyState

ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)


@dataclass(frozen=True, slots=True)
class Sticky:
    """Which calls belong to one session: those whose fields have the same values."""

    fields: tuple[Look, ...]
    state: StickyState

    def key(self, call: Call) -> bytes | None:
        """Return a digest of the session's values, or None for a call that has none of them."""
        facts = facts_of(call.metadata, call.request)
        values = [look(facts) for look in self.fields]
        if all(value is MISSING for value in values):
            return None
        known = [[] if value is MISSING else [value] for value in values]
        try:
            text = ENCODER.encode(known)
        except (TypeError, ValueError):  # names that cannot be sorted, or an object in itself
            text = repr(known)
        return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class LoadBalance:
    """Pick one target by weight; its outcome is the call's."""

    targets: tuple[Router, ...]
    weights: tuple[float, ...]
    path: str = "config"
    gates: tuple[Gate | None, ...] = ()
    sticky: Sticky | None = None
    refuses: bool = False

    def route(self, call: Call) -> Route[Outcome]:
        """Return the picked target's outcome."""
        if not self.gates or call.bypass:
            return (yield from self.targets[self._choose(call, self.weights)].route(call))
        for _ in self.targets:  # between the look at a circuit and the attempt, it may close to us
            weights = self.open_weights(call)
            if not any(weights):
                break
            outcome = yield from self.targets[self._choose(call, weights)].route(call)
            if not turned_away(outcome):
                return outcome
        if self.refuses:
            return Failure(None, Fault.OPEN, 503, "every circuit is open")
        call.report("circuit.bypassed", reason=f"{self.path}: every circuit is open")
        call = replace(call, bypass=True)
        return (yield from self.targets[self._choose(call, self.weights)].route(call))

    def open_weights(self, call: Call) -> list[float]:
        """Return the weights, 0 for a target whose circuit is open."""
        return [
            0.0 if gate is not None and gate.blocked(call) else weight
            for weight, gate in zip(self.weights, self.gates, strict=True)
        ]

    def _choose(self, call: Call, weights: Sequence[float]) -> int:
        """Return the index of the session's target, or of a fresh pick."""
        if self.sticky is None or (key := self.sticky.key(call)) is None:
            return self.pick(call.rng.random(), weights)
        now, state = call.clock(), self.sticky.state
        held = state.get(key, now)
        if held is not None and weights[held] > 0:
            return held
        index = self.pick(call.rng.random(), weights)
        return state.settle(key, index, now, instead_of=held)

    def pick(self, draw: float, weights: Sequence[float] | None = None) -> int:
        """Return the index that a draw from [0, 1) picks."""
        weights = self.weights if weights is None else weights
        rest = draw * sum(weights)
        pick = 0
        for index, weight in enumerate(weights):
            if weight <= 0:
                continue
            pick = index
            if rest < weight:
                break
            rest -= weight
        return pick
