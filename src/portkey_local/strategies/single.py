"""Single: ask one target, once."""

from __future__ import annotations

from dataclasses import dataclass

from portkey_local.effects import Route, Send
from portkey_local.model import Call, Outcome, Target


@dataclass(frozen=True, slots=True)
class Single:
    """Ask one target, once. The leaf of every tree."""

    target: Target

    def route(self, call: Call) -> Route[Outcome]:
        """Send the call to the target and return what came."""
        outcome: Outcome = yield Send(call, self.target)
        return outcome
