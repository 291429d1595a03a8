"""Conditional: the first condition that holds names the target.

Conditions look at the call's metadata, at the request's parameters as the caller wrote them (before
any override), and at the path. The chosen target's outcome is the call's, also when it fails: there
is no second choice. When no condition holds, `default` is asked; without one the call fails with
400 and the reference's message. Circuits play no part here.
"""

from __future__ import annotations

from dataclasses import dataclass

from portkey_local.effects import Route, Router
from portkey_local.model import Call, Failure, Fault, Outcome
from portkey_local.query import Facts, Query, facts_of

NO_MATCH = "Query router did not resolve to any valid target"


@dataclass(frozen=True, slots=True)
class Conditional:
    """Ask the target of the first condition that holds."""

    targets: tuple[Router, ...]
    conditions: tuple[tuple[Query, int], ...]
    default: int | None = None
    path: str = "config"

    def route(self, call: Call) -> Route[Outcome]:
        """Return the chosen target's outcome."""
        index = self.choose(facts_of(call.metadata, call.request))
        if index is None:
            return Failure(None, Fault.ROUTING, 400, NO_MATCH)
        if call.emit is not None:
            call.report("condition.resolved", reason=f"to {self.path}.targets[{index}]")
        return (yield from self.targets[index].route(call))

    def choose(self, facts: Facts) -> int | None:
        """Return the index of the target that is asked, or None."""
        for query, index in self.conditions:
            if query.matches(facts):
                return index
        return self.default
