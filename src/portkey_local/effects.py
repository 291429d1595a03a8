"""What a route may ask for: effects, routes, and the one protocol of everything that routes.

Ground rules: an effect is only what may wait. Clock, random numbers and reporting never wait, so
they are plain values on `Call`. Expected failures come back as values, so a driver only ever sends
answers into a route and never throws; it closes the route when it is cancelled. A route belongs to
one call; routers are frozen and shared by all threads.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from portkey_local.model import Call, Outcome, Reply, Target

T = TypeVar("T")


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


Effect: TypeAlias = Send | Sleep | Discard
Route: TypeAlias = Generator[Effect, Any, T]


class Router(Protocol):
    """Anything that can route a call: a strategy, a policy, a leaf, or a user's own object."""

    def route(self, call: Call, /) -> Route[Outcome]:
        """Decide, effect by effect, how `call` is answered."""
