"""Fallback: the first acceptable outcome, in the order of the targets.

Without `on_status_codes` every failure moves on to the next target; with it, only an outcome whose
status is listed does (a listed 200 moves on too, an empty list never does). When all fail, the last
target's outcome is the call's. A call whose deadline has passed moves on no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from portkey_local.effects import Discard, Route, Router
from portkey_local.model import Call, Failure, Outcome, Reply


@dataclass(frozen=True, slots=True)
class Fallback:
    """Try each target in order; the first acceptable outcome wins."""

    targets: tuple[Router, ...]
    on_status_codes: frozenset[int] | None = None
    path: str = "config"

    def route(self, call: Call) -> Route[Outcome]:
        """Return the first acceptable outcome, or the last one."""
        last = len(self.targets) - 1
        for index, target in enumerate(self.targets):
            outcome = yield from target.route(call)
            if index == last or not self.moves_on(outcome):
                return outcome
            if call.clock() >= call.deadline:
                call.report("fallback.stopped", outcome.target, reason="deadline passed")
                return outcome
            if isinstance(outcome, Reply):
                yield from Discard(call, outcome)
            call.report(
                "fallback.moved",
                outcome.target,
                status=outcome.status,
                reason=f"to {self.path}.targets[{index + 1}]",
            )
        msg = f"{self.path}: a fallback needs at least one target"
        raise ValueError(msg)

    def moves_on(self, outcome: Outcome) -> bool:
        """Whether the next target is asked after `outcome`."""
        if self.on_status_codes is None:
            return isinstance(outcome, Failure)
        return outcome.status in self.on_status_codes
