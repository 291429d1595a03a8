"""What a route may ask for: effects, routes, and the one protocol of everything that routes.

Ground rules: an effect is only what may wait. Clock, random numbers and reporting never wait, so
they are plain values on `Call`. Expected failures come back as values, so a driver only ever sends
answers into a route and never throws; it closes the route when it is cancelled. A route belongs to
one call; routers are frozen and shared by all threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from portkey_local.model import (
    Answer,
    Call,
    Failure,
    Fault,
    Outcome,
    Packet,
    Reply,
    ServerEvent,
    Target,
)

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

    After so many seconds it is `Raised(TimeoutError())`; a synchronous function that still runs
    then is left to itself.
    """

    function: Callable[[], Any]
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Work(_Asks[Any]):
    """Call a function of ours that may take long, for so many seconds at most.

    Answers its result, or `Raised`: after its time `Raised(TimeoutError())`. What is `brief` takes
    milliseconds, so that a thread which would only wait for it may do it itself.
    """

    function: Callable[[], Any]
    seconds: float
    brief: bool = False


@dataclass(frozen=True, slots=True)
class Beside(_Asks[None]):
    """Begin a route that runs beside the call; nobody waits for it."""

    route: Route[None]


class Cache(Protocol):
    """Where answers are kept, as bytes under keys that are digests; safe across threads.

    Any method may raise: a cache that fails never fails a call. Times are seconds since 1970.
    """

    def ready(self, key: bytes, /) -> bool:
        """Whether `get` answers at once; else an event loop asks in a thread."""

    def get(self, key: bytes, now: float, /) -> bytes | None:
        """Return what is kept under a key, unless its time was over at `now`."""

    def put(
        self,
        key: bytes,
        value: bytes,
        now: float,
        max_age: float,
        failed: Callable[[Exception], None],
        /,
    ) -> None:
        """Keep a value for so many seconds from `now`; every later `get` here finds it.

        Returns at once. Whatever takes time is done behind the caller's back, and calls `failed`
        with what went wrong there.
        """

    def flush(self) -> None:
        """Wait until what was put is kept."""

    def close(self) -> None:
        """Let go of files and connections, after a `flush`. A closed cache opens again."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a cache keeps, without its value.

    `name` is its own among all rows and stays so, `line` what its value says of itself (see
    `caches.about`), `size` the bytes of the value; times are seconds since 1970. `wrong` says why
    it was not read at all. `place` is the cache's own.
    """

    name: str
    line: bytes | None
    size: int
    created: float
    expires: float
    place: Any = field(repr=False)
    wrong: str | None = None


class Browsable(Cache, Protocol):
    """A cache that can be looked through and tidied, and that remembers which pairs of questions
    have not the same answer. Any method may wait, and may raise.
    """

    def rows(self) -> Iterator[Row]:
        """Go through what is kept, also what is over but still there."""

    def value(self, row: Row, /) -> bytes | None:
        """Return a row's value, or None where it is gone or `wrong`."""

    def remove(self, rows: Iterable[Row], /) -> int:
        """Delete rows, unless their values have been replaced since; return how many."""

    def forget(self, keys: Iterable[bytes], /) -> int:
        """Delete what is kept under keys; return how much of it there was."""

    def clear(self) -> int:
        """Delete every row, but no veto; return how many."""

    def veto(self, pair: bytes, /) -> None:
        """Remember a pair, by its digest; of too many, the oldest is forgotten."""

    def vetoed(self, pair: bytes, /) -> bool:
        """Whether a pair is remembered."""

    def vetoes(self) -> int:
        """Return how many pairs are remembered."""


@dataclass(frozen=True, slots=True)
class Lookup(_Asks["tuple[bytes | None, ...] | Raised"]):
    """Ask a cache for what it keeps under some keys at `now`."""

    cache: Cache
    keys: tuple[bytes, ...]
    now: float


@dataclass(frozen=True, slots=True)
class Store(_Asks["Raised | None"]):
    """Let a cache keep values, each under its key, for `max_age` seconds from `now`."""

    cache: Cache
    values: tuple[tuple[bytes, bytes], ...]
    now: float
    max_age: float
    failed: Callable[[Exception], None]


class Landing(Protocol):
    """What followers wait for: the end of a call that another one is making."""

    def watch(self, wake: Callable[[], None], /) -> bool:
        """Have `wake` called at the end, in whatever thread that comes; False if it has come."""

    def unwatch(self, wake: Callable[[], None], /) -> None:
        """Do not call `wake` any more."""


@dataclass(frozen=True, slots=True)
class Follow(_Asks[None]):
    """Wait for the end of another call, for so many seconds at most."""

    flight: Landing
    seconds: float


class Tape(Protocol):
    """What a stream is recorded on. One of `keep` and `drop` is called, once."""

    def keep(self, events: list[ServerEvent], /) -> Route[None]:
        """Take the events of a stream that ended as it must; the driver runs the route."""

    def drop(self) -> None:
        """Hear that the stream broke, or that its reader left early."""

    def idle(self, since: float | None, /) -> None:
        """Hear that the reader has paused (since a time of the clock), or goes on (None)."""


@dataclass(frozen=True, slots=True)
class Record(_Asks[Reply]):
    """Record an open stream while it is read; answers with the reply whose reader is heard."""

    reply: Reply
    tape: Tape


@dataclass(frozen=True, slots=True)
class Replay(_Asks[Reply]):
    """Answer with events that have come before, as a stream of the driver's own."""

    call: Call
    target: Target
    answer: Answer
    events: list[ServerEvent]


Effect: TypeAlias = (
    Send
    | Sleep
    | Discard
    | Gather
    | Fetch
    | Run
    | Work
    | Beside
    | Lookup
    | Store
    | Follow
    | Record
    | Replay
)


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
