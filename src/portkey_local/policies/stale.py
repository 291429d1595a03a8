"""What a stale answer is good for: an answer whose `max_age` is over, but whose grace is not.

Two windows, both after RFC 5861: while a new answer is fetched beside the call, and in place of an
error. An error counts where the caller is not to blame for it and an answer might have come:
network, time limits, 5xx, 429, an open circuit. What was refused (any other 4xx, a guardrail's 446)
is told as it is: a stale answer would hide it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from portkey_local.model import Caching, Call, Failure, Fault, Outcome

__all__ = ["NEVER", "Stale", "detached", "outage"]

PATIENCE: Final = 600.0  # seconds for a refresh: the default time limit of openai's clients
BLAMELESS: Final = frozenset({Fault.NETWORK, Fault.TIMEOUT, Fault.MALFORMED, Fault.OPEN})
ANSWERED: Final = frozenset({Fault.STATUS, Fault.ERROR_EVENT})
PASSING: Final = frozenset({408, 429})


@dataclass(frozen=True, slots=True)
class Stale:
    """For how many seconds after its `max_age` an answer serves: at once, or in an outage."""

    while_revalidate: float = 0.0
    if_error: float = 0.0

    @property
    def kept(self) -> float:
        """The seconds for which a stale answer is worth keeping."""
        return max(self.while_revalidate, self.if_error)

    def at_once(self, wish: Caching, max_age: float) -> float:
        """Return up to which age, in seconds, an answer is given at once.

        A call that bounds the age itself takes a stale one only where it says so, and one of which
        nothing may be kept has no use for a refresh.
        """
        fresh = min(max_age, wish.max_age)
        if wish.max_stale is not None:
            return fresh + (wish.max_stale if wish.writes else 0.0)
        bounded = wish.max_age < max_age or not wish.writes
        return fresh + (0.0 if bounded else self.while_revalidate)

    def on_error(self, wish: Caching, max_age: float) -> float:
        """Return up to which age an answer is given in place of an error; 0 where none is."""
        told = wish.max_stale if wish.stale_if_error is None else wish.stale_if_error
        seconds = self.if_error if told is None else told
        return max_age + seconds if seconds else 0.0


NEVER: Final = Stale()


def outage(outcome: Outcome) -> bool:
    """Whether an outcome is a failure that a stale answer may stand in for."""
    if not isinstance(outcome, Failure):
        return False
    if outcome.fault in ANSWERED:
        return outcome.status >= 500 or outcome.status in PASSING
    return outcome.fault in BLAMELESS


def detached(call: Call) -> Call:
    """Return a call for the same as `call`, of which neither its deadline nor its trail is left."""
    now = call.clock()
    return replace(call, started=now, deadline=now + PATIENCE, trail=[])
