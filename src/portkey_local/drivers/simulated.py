"""The simulated driver: the same routes, in virtual time.

Nothing waits: a heap holds who continues when, ties go to who came first, and one seeded random
source serves all calls, so equal seeds give equal runs. A `World` says how long a target takes and
what it answers; the deadline is kept as in the live drivers.
"""

from __future__ import annotations

import heapq
import inspect
import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol, assert_never, cast

import anyio

from portkey_local.drivers import notes
from portkey_local.drivers.shelving import looked_up, stored
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
    Route,
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
        """Return the seconds `target` takes and what it answers to a send at virtual time `now`."""


class Simulation:
    """A run in virtual time. Start calls, then `run`; `now` is the virtual time in seconds."""

    def __init__(self, world: World, *, seed: int = 0) -> None:
        """Begin at time 0 with the given seed."""
        self.now = 0.0
        self.rng = random.Random(seed)
        self._world = world
        self._tick = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []

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

        def begin() -> None:
            call = Call(
                request=request,
                deadline=self.now + timeout,
                clock=self.clock,
                rng=self.rng,
                started=self.now,
                trace_id=str(self._tick),
                metadata=metadata,
                emit=emit,
            )
            self._step(router.route(call), None, lambda outcome: done(cast("Outcome", outcome)))

        self._at(at, begin)

    def run(self) -> None:
        """Go on until no call is left."""
        while self._heap:
            self.now, _, resume = heapq.heappop(self._heap)
            resume()

    def clock(self) -> float:
        """Return the virtual time."""
        return self.now

    def _at(self, moment: float, resume: Callable[[], None]) -> None:
        self._tick += 1
        heapq.heappush(self._heap, (moment, self._tick, resume))

    def _step(self, route: Route[Any], answer: object, done: Callable[[object], None]) -> None:
        try:
            effect = route.send(answer)
        except StopIteration as stop:
            done(stop.value)
            return
        self._perform(effect, lambda answer: self._step(route, answer, done))

    def _perform(self, effect: Effect, resume: Callable[[object], None]) -> None:
        match effect:
            case Send(call, target):
                self._send(call, target, resume)
            case Sleep(seconds):
                self._at(self.now + seconds, lambda: resume(None))
            case Discard(call, reply):
                notes.discarded(call, reply)
                self._at(self.now, lambda: resume(None))
            case Gather(_, reply):
                self._at(self.now, lambda: resume(reply))
            case Fetch():
                failure = Failure(None, Fault.NETWORK, 500, "a simulated run has no network")
                self._at(self.now, lambda: resume(failure))
            case Run(function) | Work(function):
                result = _called(function)
                self._at(self.now, lambda: resume(result))
            case Beside(route):
                self._at(self.now, lambda: self._step(route, None, _unheeded))
                self._at(self.now, lambda: resume(None))
            case _:
                self._cache(effect, resume)

    def _cache(
        self,
        effect: Lookup | Store | Follow | Record | Replay,
        resume: Callable[[object], None],
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
                tape.drop()  # nobody reads it
                answer = reply
            case Replay(_, target, head, events):
                answer = Reply(target, head, stream=events)
            case _:
                assert_never(effect)
        self._at(self.now, lambda: resume(answer))

    def _follow(self, effect: Follow, resume: Callable[[object], None]) -> None:
        woken = False

        def wake() -> None:
            nonlocal woken
            if not woken:
                woken = True
                effect.flight.unwatch(wake)
                self._at(self.now, lambda: resume(None))

        if not effect.flight.watch(wake):
            wake()
        elif effect.seconds < float("inf"):
            self._at(self.now + effect.seconds, wake)

    def _send(self, call: Call, target: Target, resume: Callable[[object], None]) -> None:
        notes.started(call, target)
        left = max(0.0, call.deadline - self.now)
        seconds, outcome = self._world.answer(target, call, self.now, self.rng)
        if seconds > left:
            seconds, outcome = left, notes.timed_out(target, left)

        def end() -> None:
            notes.ended(call, target, outcome, seconds)
            resume(outcome)

        self._at(self.now + seconds, end)


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
