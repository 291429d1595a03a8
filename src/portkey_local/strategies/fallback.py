"""Fallback: the first acceptable outcome, in the order of the targets.

Without `on_status_codes` every failure moves on to the next target; with it, only an outcome whose
status is listed does (a listed 200 moves on too, an empty list never does). So does an answer that
the vendor's safety filter withheld whole, although its status is 200. When all fail, the last
target's outcome is the call's. A call whose deadline has passed moves on no more. A target whose
circuit is open is passed over; when all are, circuits are ignored, unless the group `refuses`: a
strategy above it then asks somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from portkey_local.effects import Discard, Gate, Route, Router, turned_away
from portkey_local.model import Call, Failure, Fault, Outcome, Reply

BLOCKED = 400


@dataclass(frozen=True, slots=True)
class Fallback:
    """Try each target in order; the first acceptable outcome wins."""

    targets: tuple[Router, ...]
    on_status_codes: frozenset[int] | None = None
    path: str = "config"
    gates: tuple[Gate | None, ...] = ()
    refuses: bool = False

    def route(self, call: Call) -> Route[Outcome]:
        """Return the first acceptable outcome, or the last one."""
        outcome = yield from self._in_order(call)
        if outcome is None and self.refuses:
            return Failure(None, Fault.OPEN, 503, "every circuit is open")
        if outcome is None:
            call.report("circuit.bypassed", reason=f"{self.path}: every circuit is open")
            outcome = yield from self._in_order(replace(call, bypass=True))
        if outcome is None:
            msg = f"{self.path}: a fallback needs at least one target"
            raise ValueError(msg)
        return outcome

    def _in_order(self, call: Call) -> Route[Outcome | None]:
        """Return the first acceptable outcome or the last one; None when nobody could be asked."""
        latest: Outcome | None = None
        last = len(self.targets) - 1
        for index, target in enumerate(self.targets):
            if self.gates and not call.bypass and self._passed_over(call, index):
                continue
            asking = call if latest is None else (yield from self._move(call, latest, index))
            outcome = yield from target.route(asking)
            if turned_away(outcome):  # another call took the probe meanwhile
                continue
            latest = outcome
            if index == last or not self.moves_on(latest):
                return latest
            if call.clock() >= call.deadline:
                call.report("fallback.stopped", latest.target, reason="deadline passed")
                return latest
        return latest

    def _passed_over(self, call: Call, index: int) -> bool:
        gate = self.gates[index]
        if gate is None or not gate.blocked(call):
            return False
        call.report("target.skipped", reason=f"{self.path}.targets[{index}]: circuit open")
        return True

    def _move(self, call: Call, latest: Outcome, index: int) -> Route[Call]:
        """Leave an outcome for the next target; return the call as that one alone gets it."""
        if isinstance(latest, Reply):
            yield from Discard(call, latest)
        call.report(
            "fallback.moved",
            latest.target,
            status=latest.status,
            reason=f"to {self.path}.targets[{index}]",
        )
        # A discarded reply cannot be returned any more, so the next target must not turn away.
        return replace(call, bypass=True) if isinstance(latest, Reply) and self.gates else call

    def moves_on(self, outcome: Outcome) -> bool:
        """Whether the next target is asked after `outcome`.

        An answer of which the vendor left nothing (most often its safety filter) counts as the 400
        that other vendors give for it.
        """
        blocked = isinstance(outcome, Reply) and outcome.blocked
        if self.on_status_codes is None:
            return blocked or isinstance(outcome, Failure)
        return (BLOCKED if blocked else outcome.status) in self.on_status_codes
