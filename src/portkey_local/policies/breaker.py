"""Breaker: a circuit around one target.

Each attempt's outcome is counted. A failure is a status in `failure_status_codes`, or any network
failure; without that list it is a status above 500, a network failure or one of our time limits
(Portkey's documentation names the statuses alone; a provider that hangs would never open the
circuit). Statuses that are not failures count as successes. Once the circuit is open nothing goes
through until the cooldown is over; then one probe at a time does, and its outcome closes the
circuit or opens it again. A call marked `bypass` goes through whatever the circuit says.

`refuses` is false where there is nobody else to ask: such a circuit only keeps count.
"""

from __future__ import annotations

from dataclasses import dataclass

from portkey_local.effects import Route, Router
from portkey_local.model import Call, Failure, Fault, Outcome, Target
from portkey_local.state import CircuitState, Entry, Phase

EVENTS = {Phase.OPEN: "circuit.opened", Phase.CLOSED: "circuit.closed"}
SERVER_FAULTS_ABOVE = 500


@dataclass(frozen=True, slots=True)
class Breaker:
    """Let attempts through while the target is well."""

    inner: Router
    target: Target
    state: CircuitState
    failure_status_codes: frozenset[int] | None = None
    refuses: bool = True

    def blocked(self, call: Call) -> bool:
        """Whether an attempt would be turned away now."""
        return self.refuses and self.state.blocked(call.clock())

    def route(self, call: Call) -> Route[Outcome]:
        """Return the inner outcome, or a failure at once when the circuit is open."""
        entered = self.state.enter(call.clock(), bypass=call.bypass or not self.refuses)
        if entered is None:
            return Failure(self.target, Fault.OPEN, 503, "the circuit is open")
        outcome: Outcome | None = None
        try:
            if entered[0] is Entry.PROBE:
                call.report("circuit.half_open", self.target, reason="this attempt is the probe")
            outcome = yield from self.inner.route(call)
        finally:
            if outcome is None or self.unsent(outcome):  # cancelled, or nothing learnt
                self.state.abandon(entered)
        if not self.unsent(outcome):
            failed = self.failed(outcome)
            change = self.state.leave(entered, call.clock(), failed=failed)
            if change is not None:
                call.report(EVENTS[change.after], self.target, reason=change.reason)
        return outcome

    def failed(self, outcome: Outcome) -> bool:
        """Whether an outcome speaks against the target."""
        fault = outcome.fault if isinstance(outcome, Failure) else None
        if fault is Fault.NETWORK:
            return True
        if self.failure_status_codes is not None:
            return outcome.status in self.failure_status_codes
        return outcome.status > SERVER_FAULTS_ABOVE or fault is Fault.TIMEOUT

    def unsent(self, outcome: Outcome) -> bool:
        """Whether an outcome was decided before anything was sent, and so tells nothing.

        A sign-in that failed speaks against the target only where its 401 is listed.
        """
        fault = outcome.fault if isinstance(outcome, Failure) else None
        return fault is Fault.ROUTING or (fault is Fault.SIGN_IN and not self.failed(outcome))
