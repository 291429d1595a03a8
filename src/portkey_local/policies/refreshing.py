"""A refresh beside the calls: what was given stale is asked for anew, and nobody waits for it.

Ground rules: one at a time for a key, and not many in all (`flights`). It is cut loose from the
call that was its occasion: neither that call's deadline nor its cancellation ends it. An answer
takes the old one's place, an outage leaves it where it is, and a refusal takes it away, so that the
next caller hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portkey_local.effects import Gather, Route
from portkey_local.model import Call, Failure, Outcome, Reply
from portkey_local.policies.shelf import Asked
from portkey_local.policies.stale import outage

if TYPE_CHECKING:
    from portkey_local.flights import Flight
    from portkey_local.policies.cached import Cached

__all__ = ["Refresh", "report_refresh"]


@dataclass(frozen=True, slots=True)
class Refresh:
    """Asks anew for what a call asked for."""

    cached: Cached
    call: Call
    asked: Asked

    def route(self) -> Route[None]:
        """Ask, read a stream to its end, and keep what came."""
        flight = self.cached.shelf.flights.board_beside(self.asked.key)
        if flight is None:
            return
        try:
            outcome = yield from self.cached.inner.route(self.call)
            further = isinstance(outcome, Reply) and not self.cached.may_keep(outcome)
            if isinstance(outcome, Reply) and outcome.stream is not None:
                outcome = yield from Gather(self.call, outcome)
            kept = yield from self._settled(outcome, flight, further=further)
            report_refresh(self.call, outcome, kept=kept)
        finally:
            flight.land(None)

    def _settled(self, outcome: Outcome, flight: Flight, *, further: bool) -> Route[bool]:
        """Keep a new answer, unless a cache `further` in has it; whether it was kept."""
        if isinstance(outcome, Failure):
            if not outage(outcome):
                yield from self.cached.dismiss(self.call, (self.asked.key,))
            return False
        if further or not self.cached.may_keep(outcome):
            return False
        events = outcome.data if outcome.stream is not None else None
        return (yield from self.cached.keep(self.call, self.asked, outcome, events, flight))


def report_refresh(call: Call, outcome: Outcome, *, kept: bool) -> None:
    """Report how a refresh has ended."""
    if kept:
        call.report("cache.revalidated", outcome.target, status=outcome.status)
        return
    reason = "an answer that is not kept" if isinstance(outcome, Reply) else outcome.message
    call.report("cache.revalidation_failed", outcome.target, status=outcome.status, reason=reason)
