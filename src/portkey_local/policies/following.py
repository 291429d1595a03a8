"""Waiting for an identical call that is in flight, each within its own time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from portkey_local.effects import Follow, Route
from portkey_local.model import Call, Failure, Fault, Target
from portkey_local.policies.shelf import MISS

if TYPE_CHECKING:
    from portkey_local.flights import Flight

__all__ = ["LEADERS", "follow", "too_late"]

LEADERS: Final = 3  # whom a call follows, one after the other, before it goes alone
DAWDLE: Final = 1.0  # seconds for which a stream's reader may pause before he is followed no more


def follow(call: Call, flight: Flight) -> Route[None]:
    """Wait for a flight's end, or the call's deadline; end one whose reader dawdles.

    His stream goes on, and is kept if he reads it to its end.
    """
    while not flight.ended and (left := call.deadline - call.clock()) > 0:
        yield from Follow(flight, min(left, DAWDLE))
        idle = flight.idle_since
        if idle is not None and call.clock() - idle >= DAWDLE:
            flight.land(None)  # so that the next of those who wait leads them


def too_late(call: Call, target: Target | None) -> Failure:
    """Return the failure of a call whose time is over while it followed another."""
    seconds = call.clock() - call.started
    message = f"no answer within {seconds:.3g} s from the identical call in flight"
    return Failure(target, Fault.TIMEOUT, 408, message, cache=MISS)
