"""Timeout: a narrowed deadline.

A config's `request_timeout` holds for one attempt, so it is compiled inside `Retry`: each attempt
gets the whole of it. The driver enforces the deadline, whatever the provider does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from portkey_local.effects import Route, Router
from portkey_local.model import Call, Outcome


@dataclass(frozen=True, slots=True)
class Timeout:
    """Give the inner route at most `seconds`, and never more than the call has left."""

    inner: Router
    seconds: float

    def route(self, call: Call) -> Route[Outcome]:
        """Route the call with its deadline narrowed."""
        deadline = min(call.deadline, call.clock() + self.seconds)
        return (yield from self.inner.route(replace(call, deadline=deadline)))
