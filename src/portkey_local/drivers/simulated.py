"""The simulated driver: the same routes, in virtual time.

Nothing waits: a heap holds who continues when, ties go to who came first, and every random number
comes from a seed (of the run, or of each call), so equal seeds give equal runs. A `World` says how
long a target takes and what it answers; the deadline is kept as in the live drivers. An answer's
stream is read in virtual time, by the live driver's own stream.
"""

from __future__ import annotations

import heapq
import inspect
import random
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, assert_never

import anyio

from portkey_local.drivers import notes
from portkey_local.drivers.processes import Process, Reading
from portkey_local.drivers.shelving import looked_up, stored
from portkey_local.drivers.streams import AsyncGatheredStream, gathered
from portkey_local.drivers.taping import AsyncTapedStream
from portkey_local.drivers.virtual import performed
from portkey_local.effects import (
    Beside,
    Discard,
    Effect,
    Fetch,
    Follow,
    Gather,
    Lookup,
    Raised,
    Record,
    Replay,
    Router,
    Run,
    Send,
    Sleep,
    Store,
    Work,
)
from portkey_local.model import (
    EMPTY,
    Call,
    Failure,
    Fault,
    Listener,
    Outcome,
    Reply,
    Request,
    Rng,
    Target,
)


class World(Protocol):
    """The providers of a simulated run."""

    def answer(self, target: Target, call: Call, now: float, rng: Rng) -> tuple[float, Outcome]:
        """Return the seconds `target` takes and what it answers to a send at virtual time `now`.

        A reply's stream, if it has one, is a stream of `drivers.virtual`.
        """


class Simulation:
    """A run in virtual time. Start calls, then `run`; `now` is the virtual time in seconds."""

    def __init__(self, world: World, *, seed: int = 0) -> None:
        """Begin at time 0 with the given seed."""
        self.now = 0.0
        self.rng: Rng = random.Random(seed)
        self._world = world
        self._tick = 0
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []

    def start(
        self,
        router: Router,
        request: Request,
        done: Callable[[Outcome], None],
        *,
        at: float = 0.0,
        timeout: float = float("inf"),
        emit: Listener | None = None,
        metadata: Mapping[str, Any] = EMPTY,
    ) -> None:
        """Let a call begin at virtual time `at`; `done` gets its outcome."""

        def begin(_: object) -> None:
            trace_id = str(self._tick)
            self.begin(
                router,
                request,
                done,
                timeout=timeout,
                emit=emit,
                metadata=metadata,
                trace_id=trace_id,
            )

        self._at(at, begin)

    def begin(
        self,
        router: Router,
        request: Request,
        done: Callable[[Outcome], None],
        *,
        timeout: float = float("inf"),
        emit: Listener | None = None,
        metadata: Mapping[str, Any] = EMPTY,
        trace_id: str = "",
        rng: Rng | None = None,
    ) -> Process:
        """Begin a call now; `done` gets its outcome, unless the caller leaves the process before.

        A call with an `rng` of its own draws from that; the others share the run's.
        """
        call = Call(
            request=request,
            deadline=self.now + timeout,
            clock=self.clock,
            rng=self.rng if rng is None else rng,
            started=self.now,
            trace_id=trace_id,
            metadata=metadata,
            emit=emit,
        )
        process = Process(self, router.route(call), done)
        process.go_on(None)
        return process

    def read(self, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]) -> Reading:
        """Run a coroutine that awaits streams of this run; `done` gets what it returns."""
        reading = Reading(self, work, done)
        reading.go_on(None)
        return reading

    def feed(self, arrivals: Iterator[tuple[float, Callable[[], object]]]) -> None:
        """Let things happen at their times, which increase; the heap holds the next one alone."""

        def arrive(happen: Callable[[], object] | None) -> None:
            if happen is not None:
                happen()
            for moment, following in arrivals:
                self._at(moment, arrive, following)
                return

        arrive(None)

    def later(self, moment: float, happen: Callable[[Any], None]) -> None:
        """Call a function, with None, at a moment of virtual time."""
        self._at(moment, happen)

    def run(self) -> None:
        """Go on until no call is left."""
        heap, pop = self._heap, heapq.heappop
        while heap:
            self.now, _, resume, answer = pop(heap)
            resume(answer)

    def clock(self) -> float:
        """Return the virtual time."""
        return self.now

    def _at(self, moment: float, resume: Callable[[Any], None], answer: object = None) -> None:
        self._tick += 1
        heapq.heappush(self._heap, (moment, self._tick, resume, answer))

    def perform(self, effect: Effect, resume: Callable[[Any], None]) -> None:
        """Do what a route asks for, in virtual time; `resume` gets the answer."""
        match effect:
            case Send(call, target):
                self._send(call, target, resume)
            case Sleep(seconds):
                self._at(self.now + seconds, resume)
            case Discard(call, reply):
                notes.discarded(call, reply)
                self._discard(reply, resume)
            case Gather(call, reply):
                self.read(gathered(call, reply), resume)
            case Fetch():
                failure = Failure(None, Fault.NETWORK, 500, "a simulated run has no network")
                self._at(self.now, resume, failure)
            case Run(function) | Work(function):
                self._at(self.now, resume, _called(function))
            case Beside(route):
                self._at(self.now, Process(self, route, _unheeded).go_on)
                self._at(self.now, resume)
            case _:
                self._cache(effect, resume)

    def _cache(
        self,
        effect: Lookup | Store | Follow | Record | Replay,
        resume: Callable[[Any], None],
    ) -> None:
        """Perform what caches ask for; a cache takes no virtual time."""
        answer: object = None
        match effect:
            case Lookup():
                answer = looked_up(effect)
            case Store():
                answer = stored(effect)
            case Follow():
                self._follow(effect, resume)
                return
            case Record(reply, tape):
                answer = replace(reply, stream=AsyncTapedStream(reply.stream, tape, performed))
            case Replay(call, target, head, events):
                stream = AsyncGatheredStream(call, target, head, events)
                answer = Reply(target, head, stream=stream)
            case _:
                assert_never(effect)
        self._at(self.now, resume, answer)

    def _follow(self, effect: Follow, resume: Callable[[Any], None]) -> None:
        woken = False

        def wake(_: object = None) -> None:
            nonlocal woken
            if not woken:
                woken = True
                effect.flight.unwatch(wake)
                self._at(self.now, resume)

        if not effect.flight.watch(wake):
            wake()
        elif effect.seconds < float("inf"):
            self._at(self.now + effect.seconds, wake)

    def _discard(self, reply: Reply, resume: Callable[[Any], None]) -> None:
        if reply.stream is None:
            self._at(self.now, resume)
        else:
            self.read(reply.stream.close(), resume)

    def _send(self, call: Call, target: Target, resume: Callable[[Any], None]) -> None:
        notes.started(call, target)
        left = max(0.0, call.deadline - self.now)
        seconds, outcome = self._world.answer(target, call, self.now, call.rng)
        if seconds > left:
            seconds, outcome = left, notes.timed_out(target, left)
        self._at(self.now + seconds, _answered, (call, target, outcome, seconds, resume))


def _answered(
    sent: tuple[Call, Target, Outcome, float, Callable[[Any], None]],
) -> None:
    """Note the end of an attempt, and go on with its outcome."""
    call, target, outcome, seconds, resume = sent
    notes.ended(call, target, outcome, seconds)
    resume(outcome)


def _called(function: Callable[[], Any]) -> Any:
    """Call a user's function; it takes no virtual time."""
    try:
        result = function()
        return anyio.run(_awaited, result) if inspect.isawaitable(result) else result
    except Exception as error:  # noqa: BLE001 - the route decides what it means
        return Raised(error)


async def _awaited(work: Any) -> Any:
    return await work


def _unheeded(_: object) -> None:
    """Take the end of what ran beside a call."""
