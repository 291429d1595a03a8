"""What a route may ask for: effects, routes, and the one protocol of everything that routes.

Ground rules: an effect is only what may wait. Clock, random numbers and reporting never wait, so
they are plain values on `Call`. Expected failures come back as values, so a driver only ever sends
answers into a route and never throws; it closes the route when it is cancelled. A route belongs to
one call; routers are frozen and shared by all threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from portkey_local.model import Answer, Call, Failure, Fault, Outcome, Packet, Reply, Target

T = TypeVar("T")
Route: TypeAlias = "Generator[Effect, Any, T]"


class _Asks(Generic[T]):
    """Base of effects: `answer = yield from effect` has type `T`."""

    __slots__ = ()

    def __iter__(self) -> Generator[Effect, Any, T]:
        answer: T = yield cast("Effect", self)
        return answer


@dataclass(slots=True)  # made for every attempt: see the rules of `model`
class Send(_Asks[Outcome]):
    """One attempt at one target; answers when the whole body, or a stream's first event, is in."""

    call: Call
    target: Target


@dataclass(frozen=True, slots=True)
class Sleep(_Asks[None]):
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Discard(_Asks[None]):
    """Close a reply nobody will read; closing a stream may wait."""

    call: Call
    reply: Reply


@dataclass(frozen=True, slots=True)
class Gather(_Asks[Outcome]):
    """Read an open stream to its end; answers with a reply whose stream repeats what was read.

    `reply.data` is then the list of the stream's events. A stream that breaks is a failure.
    """

    call: Call
    reply: Reply


@dataclass(frozen=True, slots=True)
class Fetch(_Asks[Answer | Failure]):
    """Send a message of our own to an address that is no target, within so many seconds."""

    packet: Packet
    seconds: float


@dataclass(frozen=True, slots=True)
class Raised:
    """What came of a user's function that raised."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Run(_Asks[Any]):
    """Call a user's function, synchronous or asynchronous; answers its result, or `Raised`.

    After so many seconds it is `Raised(TimeoutError())`, but for a synchronous function under the
    synchronous driver, which nobody can stop.
    """

    function: Callable[[], Any]
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Beside(_Asks[None]):
    """Begin a route that runs beside the call; nobody waits for it."""

    route: Route[None]


Effect: TypeAlias = Send | Sleep | Discard | Gather | Fetch | Run | Beside


class Router(Protocol):
    """Anything that can route a call: a strategy, a policy, a leaf, or a user's own object."""

    def route(self, call: Call, /) -> Route[Outcome]:
        """Decide, effect by effect, how `call` is answered."""


class Gate(Protocol):
    """Says whether a target is worth asking now; a strategy asks it before it chooses."""

    def blocked(self, call: Call, /) -> bool:
        """Whether the target would turn the call away without asking anybody."""


def turned_away(outcome: Outcome) -> bool:
    """Whether nobody was asked, because a circuit is open."""
    return isinstance(outcome, Failure) and outcome.fault is Fault.OPEN
