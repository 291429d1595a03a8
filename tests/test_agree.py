"""The three drivers agree: one tree and one script give one outcome, by one way, at the same times.

Everything happens in virtual time. Latencies, waits and draws are binary fractions, so sums of them are
exact and times can be compared for equality.
"""

from __future__ import annotations

import ast
import inspect
import math
import random
import textwrap
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st
from tenacity import stop_after_attempt

from portkey_local.caches.keys import digest
from portkey_local.caches.memory import MemoryCache
from portkey_local.drivers import notes
from portkey_local.drivers.aio import AsyncDriver
from portkey_local.drivers.simulated import Simulation
from portkey_local.drivers.sync import SyncDriver
from portkey_local.drivers.virtual import Part, VirtualResponse, opened
from portkey_local.effects import Discard, Route, Router, Send, Sleep
from portkey_local.model import Answer, Call, Event, Failure, Outcome, Reply, Request, Target
from portkey_local.policies.breaker import Breaker
from portkey_local.policies.cached import Cached
from portkey_local.policies.cached_inputs import CachedInputs
from portkey_local.policies.retry import DEFAULT_STATUS_CODES, Retry
from portkey_local.policies.shelf import Scope, Shelf
from portkey_local.policies.timeout import Timeout
from portkey_local.providers.openai import OpenAICodec
from portkey_local.query import compile_query
from portkey_local.state import CircuitState
from portkey_local.strategies.conditional import Conditional
from portkey_local.strategies.fallback import Fallback
from portkey_local.strategies.loadbalance import LoadBalance
from portkey_local.strategies.single import Single
from portkey_local.wire.contract import WireError, WireTimeout

EPOCH = 1_750_000_000  # the time of day when a run begins
CODEC = OpenAICodec()
PATH = "/chat/completions"
GOOD = b'{"id": "x", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}'
FIRST_EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "hi"}}]}\n\n'
ERROR_EVENT = b'data: {"error": {"message": "overloaded", "code": 529}}\n\n'


# --- what happens at a target


@dataclass(frozen=True)
class Step:
    """One answer of a target: what kind, after how long the head and then the body come."""

    kind: str = "answer"
    status: int = 200
    head: float = 0.0
    body: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()

    def answer(self, *, stream: bool) -> Answer:
        """Return the HTTP answer of this step."""
        content = GOOD
        kind = "application/json"
        if self.kind == "garbage":
            content = b"<html>"
        elif self.kind in ("empty", "no event"):
            content = b""
        if stream and self.status < 300 and self.kind not in ("garbage", "empty"):
            kind = "text/event-stream"
            content = {"error event": ERROR_EVENT, "no event": b""}.get(self.kind, FIRST_EVENT)
        return Answer(self.status, {"content-type": kind, **dict(self.headers)}, content)


class Script:
    """The steps of every target; the last one repeats."""

    def __init__(self, steps: list[list[Step]]) -> None:
        self._steps = steps
        self._asked: Counter[str] = Counter()
        self._places: dict[str, int] = {}

    def next(self, path: str, place: int) -> Step:
        """Return the next step of the target at `path`, the config's leaf number `place`."""
        steps = self._steps[place % len(self._steps)]
        number = self._asked[path]
        self._asked[path] += 1
        return steps[min(number, len(steps) - 1)]


# --- time and chance


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the virtual time."""
        return self.now

    def wait(self, seconds: float, deadline: float) -> None:
        """Let time pass, up to the deadline; past it, raise as a wire does."""
        if self.now + seconds > deadline:
            self.now = deadline
            raise WireTimeout("the deadline has passed")
        self.now += seconds


class Dice:
    """Random numbers that are exact binary fractions."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def random(self) -> float:
        """Return a draw from [0, 1)."""
        return self._random.randrange(256) / 256


# --- the wires


class FakeResponse:
    """An answer in memory; its body takes the step's time."""

    def __init__(self, step: Step, answer: Answer, clock: Clock) -> None:
        self.head = Answer(answer.status, answer.headers)
        self.closed = 0
        self._step = step
        self._content: bytes | None = answer.content or None
        self._clock = clock
        self._begun = False

    def chunk(self, deadline: float) -> bytes | None:
        """Return the body, then None."""
        if not self._begun:
            self._begun = True
            self._clock.wait(self._step.body, deadline)
            if self._step.kind == "cut":
                raise WireError("cut")
        content, self._content = self._content, None
        return content

    def close(self) -> None:
        """Count how often it was closed."""
        self.closed += 1


class FakeWire:
    """A wire without a network: plays the script in virtual time."""

    def __init__(
        self, script: Script, clock: Clock, places: dict[str, int], *, stream: bool
    ) -> None:
        self.opened: list[str] = []
        self.responses: list[FakeResponse] = []
        self._script = script
        self._clock = clock
        self._places = places
        self._stream = stream

    def open(self, packet: Any, deadline: float) -> FakeResponse:
        """Let the head's time pass; answer or fail as the step says."""
        path = packet.url.removeprefix("http://").removesuffix(PATH)
        self.opened.append(path)
        step = self._script.next(path, self._places[path])
        self._clock.wait(step.head, deadline)
        if step.kind == "network":
            raise WireError("refused")
        if step.kind == "no connection":
            raise WireTimeout("ConnectTimeout")
        response = FakeResponse(step, step.answer(stream=self._stream), self._clock)
        self.responses.append(response)
        return response

    def close(self) -> None:
        """Do nothing."""


class AsyncResponse:
    """The same for asynchronous code."""

    def __init__(self, response: FakeResponse) -> None:
        self.head = response.head
        self._response = response

    async def chunk(self, deadline: float) -> bytes | None:
        """Return the body, then None."""
        await anyio.lowlevel.checkpoint()
        return self._response.chunk(deadline)

    async def close(self) -> None:
        """Count how often it was closed."""
        self._response.close()


class AsyncWire:
    """The same for asynchronous code."""

    def __init__(self, wire: FakeWire) -> None:
        self._wire = wire

    async def open(self, packet: Any, deadline: float) -> AsyncResponse:
        """Let the head's time pass; answer or fail as the step says."""
        await anyio.lowlevel.checkpoint()
        return AsyncResponse(self._wire.open(packet, deadline))

    async def close(self) -> None:
        """Do nothing."""


class FakeWorld:
    """The same providers for the simulation; written apart from the wire, so that they can differ."""

    def __init__(self, script: Script, places: dict[str, int], *, stream: bool) -> None:
        self._script = script
        self._places = places
        self._stream = stream

    def answer(self, target: Target, call: Call, now: float, rng: Any) -> tuple[float, Outcome]:
        """Return how long the target takes, and its answer."""
        step = self._script.next(target.path, self._places[target.path])
        if step.kind == "network":
            return step.head, notes.unreachable(target, WireError("refused"))
        if step.kind == "no connection":
            cause = WireTimeout("ConnectTimeout")
            return step.head, notes.timed_out(target, step.head, cause)
        answer = step.answer(stream=self._stream)
        left = call.deadline - now
        whole = step.head + step.body
        if answer.status >= 300:
            if whole > left >= step.head:
                return left, self._judged(target, call, replace(answer, content=b""), now + left)
            if step.kind == "cut":
                answer = replace(answer, content=b"")
            return whole, self._judged(target, call, answer, now + whole)
        if step.kind == "cut":
            outcome: Outcome = notes.unreachable(target, WireError("cut"))
        elif CODEC.streams(call.request, answer):
            outcome = self._begun(target, call, answer)
        else:
            outcome = self._judged(target, call, answer, now + whole)
        return whole, outcome

    def _judged(self, target: Target, call: Call, answer: Answer, at: float) -> Outcome:
        return CODEC.decode(target, call.request, answer, EPOCH + at)

    def _begun(self, target: Target, call: Call, answer: Answer) -> Outcome:
        reader = CODEC.reader(target, call.request, 0.0)
        events = reader.feed(answer.content)
        if not events:
            return notes.malformed(target, "a stream that ended before its first event", answer)
        failure = CODEC.judge_first(target, answer, events[0])
        response = VirtualResponse(answer, [Part(0.0, None)], call.clock)
        return failure or opened(call, target, reader, events, response)


# --- trees

CODES = [
    frozenset(),
    frozenset({429}),
    frozenset({408, 500}),
    frozenset({200, 503}),
    DEFAULT_STATUS_CODES,
]
codes = st.sampled_from(CODES)
leaves = st.just(("leaf",)) | st.tuples(st.just("guarded"), st.integers(1, 3))


def grown(nodes: Any) -> Any:
    """Return the trees one level higher than `nodes`."""
    some = st.lists(nodes, min_size=1, max_size=3)
    weights = st.sampled_from([0.0, 0.5, 1.0, 1.0, 3.0, 10.0])
    balanced = st.lists(st.tuples(weights, nodes), min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("single"), nodes),
        st.tuples(st.just("fallback"), st.none() | codes, some),
        st.tuples(st.just("loadbalance"), balanced.filter(lambda t: any(w for w, _ in t))),
        st.tuples(st.just("conditional"), st.sampled_from(["m", "other"]), nodes, nodes),
        st.tuples(st.just("retry"), st.integers(0, 3), codes, st.booleans(), nodes),
        st.tuples(st.just("timeout"), st.sampled_from([0.25, 1.0, 3.0, 16.0]), nodes),
        st.tuples(st.just("cached"), st.sampled_from([1.0, 100.0]), nodes),
    )


trees = grown(leaves | grown(leaves | grown(leaves)))
statuses = st.sampled_from([200, 200, 200, 201, 206, 304, 400, 401, 408, 429, 429, 500, 503, 529])
latencies = st.sampled_from([0.0, 0.0, 1 / 64, 0.25, 1.0, 3.0, 10.0])
kinds = st.sampled_from(
    ["answer"] * 6
    + ["network", "no connection", "garbage", "empty", "cut", "error event", "no event"]
)
asked_waits = st.sampled_from(
    [
        (),
        (),
        (("retry-after", "0"),),
        (("retry-after", "3"),),
        (("retry-after", "59"),),
        (("retry-after", "60"),),
        (("retry-after-ms", "250"),),
        (("retry-after", formatdate(EPOCH + 20, usegmt=True)),),
        (("retry-after", "soon"),),
    ]
)
steps = st.builds(Step, kinds, statuses, latencies, latencies, asked_waits)
scripts = st.lists(st.lists(steps, min_size=1, max_size=4), min_size=1, max_size=4)
limits = st.sampled_from([math.inf, math.inf, 0.5, 4.0, 20.0, 600.0])


class Builder:
    """Makes a router of a tree, and numbers its leaves."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.targets: dict[str, Target] = {}
        self.most = 1  # sends that the tree can make at most
        self.weightless: set[str] = set()

    def target(self, path: str) -> Target:
        """Return the target at a path, the next one in number."""
        self.places[path] = len(self.places)
        self.targets[path] = Target(path, "openai", f"http://{path}", CODEC)
        return self.targets[path]

    def build(self, tree: Any, path: str = "config") -> Router:  # noqa: C901, PLR0911 - one for each node
        """Return the router of a tree."""
        match tree:
            case ("leaf",):
                return Single(self.target(path))
            case ("guarded", failures):
                target = self.target(path)
                state = CircuitState(failures=failures, cooldown=2.0)
                return Breaker(Single(target), target, state)
            case ("single", child):
                return self.build(child, f"{path}.targets[0]")
            case ("conditional", model, *children):
                built = [self.build(c, f"{path}.targets[{i}]") for i, c in enumerate(children)]
                query = compile_query({"params.model": model})
                return Conditional(tuple(built), ((query, 0),), 1, path)
            case ("fallback", codes, children):
                built = [self.build(c, f"{path}.targets[{i}]") for i, c in enumerate(children)]
                return Fallback(tuple(built), codes, path, gates(built))
            case ("loadbalance", children):
                built = []
                for index, (weight, child) in enumerate(children):
                    before = set(self.places)
                    built.append(self.build(child, f"{path}.targets[{index}]"))
                    if weight == 0:
                        self.weightless |= self.places.keys() - before
                weights = tuple(weight for weight, _ in children)
                return LoadBalance(tuple(built), weights, path, gates(built))
            case ("retry", attempts, codes, honour, child):
                stop = stop_after_attempt(attempts + 1)
                inner = self.build(child, path)
                return Retry(inner, stop=stop, on_status_codes=codes, use_retry_after=honour)
            case ("timeout", seconds, child):
                return Timeout(self.build(child, path), seconds)
            case ("cached", max_age, child):
                before = set(self.places)
                inner = self.build(child, path)
                targets = tuple(self.targets[p] for p in sorted(self.places.keys() - before))
                scope, shelf = Scope(digest(path)), Shelf(MemoryCache())
                return CachedInputs(Cached(inner, targets, shelf, scope, max_age))
        raise AssertionError(tree)


def gates(routers: list[Router]) -> tuple[Breaker | None, ...]:
    """Return the circuits of a group's targets, those that it can see."""
    seen = tuple(router if isinstance(router, Breaker) else None for router in routers)
    return seen if any(seen) else ()


def most_sends(tree: Any) -> int:
    """Return how many sends a tree can make at most."""
    match tree:
        case ("leaf",) | ("guarded", _):
            return 1
        case ("single", child) | ("timeout" | "cached", _, child):
            return most_sends(child)
        case ("conditional", _, *children):
            return max(map(most_sends, children))
        case ("fallback", _, children):
            return sum(map(most_sends, children))
        case ("loadbalance", children):
            return max(most_sends(child) for _, child in children)
        case ("retry", attempts, _, _, child):
            return (attempts + 1) * most_sends(child)
    raise AssertionError(tree)


# --- runs


@dataclass(frozen=True)
class Recorded:
    """A router that writes down what it is asked for."""

    inner: Router
    log: list[tuple[Any, ...]] = field(default_factory=list)

    def route(self, call: Call) -> Route[Outcome]:
        """Route the call, noting each effect and its time."""
        answer: Any = None
        with closing(self.inner.route(call)) as route:
            while True:
                try:
                    effect = route.send(answer)
                except StopIteration as stop:
                    return stop.value
                match effect:
                    case Send(sent, target):
                        self.log.append(("send", call.clock(), target.path, sent.deadline))
                    case Sleep(seconds):
                        self.log.append(("sleep", call.clock(), seconds, call.deadline))
                    case Discard(_, reply):
                        self.log.append(("discard", call.clock(), reply.target.path, reply.status))
                answer = yield effect


@dataclass
class Run:
    """All that can be seen of a run."""

    outcome: tuple[Any, ...]
    log: list[tuple[Any, ...]]
    events: list[dict[str, Any]]
    end: float

    @property
    def sends(self) -> list[str]:
        """The paths of the targets asked, in order."""
        return [entry[2] for entry in self.log if entry[0] == "send"]


@dataclass
class Live:
    """What a live driver's run leaves behind, besides."""

    run: Run
    wire: FakeWire
    slept: list[float]
    outcome: Outcome


@dataclass(frozen=True)
class Situation:
    """A tree, a script, and what a call is given."""

    tree: Any
    script: list[list[Step]]
    seed: int
    stream: bool
    limit: float

    @property
    def request(self) -> Request:
        """The request of the call."""
        body = {"model": "m", "messages": [], "stream": self.stream}
        return Request("POST", PATH, body, stream=self.stream)

    def call(self, clock: Clock, emit: Any) -> Call:
        """Return the call, on a live driver's clock."""
        dice = Dice(self.seed)
        return Call(self.request, clock.now + self.limit, clock, dice, started=clock.now, emit=emit)


situations = st.builds(Situation, trees, scripts, st.integers(0, 10**6), st.booleans(), limits)


def seen(outcome: Outcome, log: list[Any], events: list[Event], end: float) -> Run:
    """Return what the drivers are compared by."""
    target = outcome.target.path if outcome.target is not None else None
    fault = outcome.fault if isinstance(outcome, Failure) else None
    message = outcome.message if isinstance(outcome, Failure) else None
    told = [{**event.to_dict(), "trace_id": ""} for event in events]
    kind = type(outcome).__name__
    said = kind, fault, message, outcome.status, target, outcome.retries, outcome.cache
    return Run(said, log, told, end)


class Fixtures:
    """What a live run is made of."""

    def __init__(self, situation: Situation) -> None:
        builder = Builder()
        self.router = Recorded(builder.build(situation.tree))
        self.clock = Clock()
        script = Script(situation.script)
        self.wire = FakeWire(script, self.clock, builder.places, stream=situation.stream)
        self.events: list[Event] = []
        self.slept: list[float] = []
        self.call = situation.call(self.clock, self.events.append)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.slept.append(seconds)
        self.clock.now += seconds

    async def async_sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await anyio.lowlevel.checkpoint()
        self.sleep(seconds)

    def wall(self) -> float:
        """Return the time of day."""
        return EPOCH + self.clock.now

    def live(self, outcome: Outcome) -> Live:
        """Return all that was seen."""
        run = seen(outcome, self.router.log, self.events, self.clock.now)
        return Live(run, self.wire, self.slept, outcome)


def run_sync(situation: Situation) -> Live:
    """Run by the synchronous driver."""
    parts = Fixtures(situation)

    class Driver(SyncDriver):
        clock = staticmethod(parts.clock)

    driver = Driver(parts.wire, sleep=parts.sleep, wall=parts.wall)
    return parts.live(driver.run(parts.router.route(parts.call)))


def run_async(situation: Situation, backend: str) -> Live:
    """Run by the asynchronous driver."""
    parts = Fixtures(situation)

    class Driver(AsyncDriver):
        clock = staticmethod(parts.clock)

    async def main() -> Outcome:
        driver = Driver(AsyncWire(parts.wire), sleep=parts.async_sleep, wall=parts.wall)
        return await driver.run(parts.router.route(parts.call))

    return parts.live(anyio.run(main, backend=backend))


def run_simulated(situation: Situation) -> Run:
    """Run in the simulation."""
    builder = Builder()
    router = Recorded(builder.build(situation.tree))
    world = FakeWorld(Script(situation.script), builder.places, stream=situation.stream)
    simulation = Simulation(world)
    simulation.rng = Dice(situation.seed)
    outcomes: list[Outcome] = []
    events: list[Event] = []
    simulation.start(
        router, situation.request, outcomes.append, timeout=situation.limit, emit=events.append
    )
    simulation.run()
    (outcome,) = outcomes
    return seen(outcome, router.log, events, simulation.now)


# --- the drivers agree


@settings(max_examples=600)
@given(situation=situations)
def test_sync_asyncio_and_simulated_runs_are_the_same(situation):
    """Outcome, order and times of sends, waits and discards, events: all alike in the three drivers."""
    live = run_sync(situation).run
    assert run_async(situation, "asyncio").run == live
    assert run_simulated(situation) == live


@settings(max_examples=100)
@given(situation=situations)
def test_trio_runs_are_the_same(situation):
    """The asynchronous driver does on trio what the synchronous one does."""
    assert run_async(situation, "trio").run == run_sync(situation).run


@given(situation=situations)
def test_equal_seeds_give_equal_runs(situation):
    """A simulated run is determined by its seed."""
    assert run_simulated(situation) == run_simulated(situation)


def many(seed: int) -> list[Any]:
    """Run two hundred simulated calls that overlap."""

    class World:
        def answer(self, target: Target, call: Call, now: float, rng: Any) -> tuple[float, Outcome]:
            if rng.random() < 0.4:
                return rng.random(), Failure(target, notes.Fault.STATUS, 503, "HTTP 503")
            return rng.random(), Reply(target, Answer(200, {}))

    simulation = Simulation(World(), seed=seed)
    tree = ("fallback", None, [("retry", 2, DEFAULT_STATUS_CODES, False, ("leaf",)), ("leaf",)])
    router = Builder().build(tree)
    outcomes: list[Any] = []
    for number in range(200):

        def done(outcome: Outcome, number: int = number) -> None:
            outcomes.append((number, simulation.now, outcome.status, outcome.retries))

        simulation.start(router, Request("POST", PATH, {"model": "m"}), done, at=number / 100)
    simulation.run()
    return outcomes


def test_calls_that_overlap_in_a_simulation_are_determined_by_the_seed():
    """Two hundred overlapping calls come out the same for one seed, and otherwise for another."""
    assert many(1) == many(1)
    assert many(1) != many(2)


# --- what holds of every run


@settings(max_examples=150)
@given(situation=situations)
def test_what_is_asked_for_is_done_once(situation):
    """Every send and every wait that a route asks for is performed, once, in order."""
    live = run_sync(situation)
    assert live.wire.opened == live.run.sends
    assert live.slept == [entry[2] for entry in live.run.log if entry[0] == "sleep"]


@settings(max_examples=150)
@given(situation=situations)
def test_attempts_never_exceed_what_the_tree_allows(situation):
    """A retry of n attempts asks at most n + 1 times, and nothing else repeats."""
    live = run_sync(situation)
    assert len(live.run.sends) <= most_sends(situation.tree)
    assert live.outcome.retries >= -1


@settings(max_examples=150)
@given(situation=situations)
def test_no_wait_outlasts_the_deadline(situation):
    """A wait that could not be followed by an attempt is not begun, and no run ends late."""
    run = run_sync(situation).run
    for kind, at, seconds, deadline in run.log:
        if kind == "sleep":
            assert at + seconds < deadline
    assert run.end <= situation.limit


@settings(max_examples=150)
@given(situation=situations)
def test_no_attempt_outlasts_its_deadline(situation):
    """Each send gets a deadline that is never later than the call's, and keeps it."""
    run = run_sync(situation).run
    times = [entry[1] for entry in run.log[1:]] + [run.end]
    for (kind, at, _, deadline), after in zip(run.log, times, strict=True):
        if kind == "send":
            assert at <= after <= deadline <= situation.limit


@settings(max_examples=150)
@given(situation=situations)
def test_weight_zero_is_never_chosen(situation):
    """A target of weight 0 is never asked, wherever it stands."""
    builder = Builder()
    builder.build(situation.tree)
    assert not builder.weightless & set(run_sync(situation).run.sends)


@settings(max_examples=150)
@given(situation=situations)
def test_every_answer_is_closed_but_the_stream_that_is_handed_over(situation):
    """What was opened is closed: whole answers, failures, and replies that were moved on from."""
    live = run_sync(situation)
    left = [response for response in live.wire.responses if not response.closed]
    if isinstance(live.outcome, Reply) and live.outcome.stream is not None:
        assert len(left) == 1
        live.outcome.stream.close()
        assert left[0].closed
    else:
        assert left == []


@settings(max_examples=150)
@given(situation=situations)
def test_the_trail_has_every_attempt_that_did_not_end_the_call(situation):
    """Every send is on the trail, as a failure or as a reply that was turned away; or it is the answer."""
    parts = Fixtures(situation)
    driver = SyncDriver(parts.wire, sleep=parts.sleep, wall=parts.wall)
    outcome = driver.run(parts.router.route(parts.call))
    turned_away = [entry.target for entry in parts.call.trail]
    answered = [outcome.target.path] if isinstance(outcome, Reply) else []
    assert turned_away + answered == parts.wire.opened


# --- fallback against an oracle


plain_steps = st.lists(st.builds(Step, kinds, statuses), min_size=1, max_size=5)


@settings(max_examples=150)
@given(each=plain_steps, listed=st.none() | codes, stream=st.booleans())
def test_fallback_gives_the_first_acceptable_outcome_and_asks_no_later_target(each, listed, stream):
    """Targets are asked in order up to the first outcome that the rule accepts, or the last one."""
    tree = ("fallback", listed, [("leaf",)] * len(each))
    situation = Situation(tree, [[step] for step in each], 0, stream, math.inf)
    alone = [
        run_sync(Situation(("single", ("leaf",)), [[step]], 0, stream, math.inf)).outcome
        for step in each
    ]
    accepted = [
        isinstance(outcome, Reply) if listed is None else outcome.status not in listed
        for outcome in alone
    ]
    first = accepted.index(True) if True in accepted else len(each) - 1
    live = run_sync(situation)
    assert live.run.sends == [f"config.targets[{index}]" for index in range(first + 1)]
    assert live.outcome.status == alone[first].status
    assert type(live.outcome) is type(alone[first])
    assert live.outcome.target.path == f"config.targets[{first}]"


def test_a_stream_that_is_moved_on_from_is_closed_before_the_next_target_is_asked():
    """A reply that `on_status_codes` turns away is discarded: its stream is closed, then it goes on."""
    tree = ("fallback", frozenset({200}), [("leaf",), ("leaf",)])
    for run in (
        run_sync,
        lambda each: run_async(each, "asyncio"),
        lambda each: run_async(each, "trio"),
    ):
        live = run(Situation(tree, [[Step()]], 0, stream=True, limit=math.inf))
        assert [entry[0] for entry in live.run.log] == ["send", "discard", "send"]
        first, second = live.wire.responses
        assert first.closed
        assert not second.closed


# --- shares


def critical(freedom: int) -> float:
    """Return the chi-square value that one sample in ten thousand exceeds (Wilson and Hilferty)."""
    ninth = 2 / (9 * freedom)
    return freedom * (1 - ninth + 3.72 * math.sqrt(ninth)) ** 3


weight_lists = st.lists(
    st.one_of(st.just(0), st.integers(1, 100), st.floats(0.01, 10)), min_size=1, max_size=6
).filter(any)


@settings(max_examples=40)
@given(weights=weight_lists, seed=st.integers(0, 10**6))
def test_shares_follow_the_weights(weights, seed):
    """Over many calls, each target is picked as often as its weight says."""
    balance = LoadBalance((), tuple(weights))
    dice = random.Random(seed)
    draws = 2000
    counts = Counter(balance.pick(dice.random()) for _ in range(draws))
    total = sum(weights)
    square = 0.0
    for index, weight in enumerate(weights):
        if weight == 0:
            assert counts[index] == 0
        else:
            due = draws * weight / total
            square += (counts[index] - due) ** 2 / due
    freedom = sum(weight > 0 for weight in weights) - 1
    assert square <= (critical(freedom) if freedom else 1e-9)


# --- the drivers' text


class Blocking(ast.NodeTransformer):
    """Takes everything asynchronous out of a syntax tree."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        plain = ast.FunctionDef(**dict(ast.iter_fields(node)))
        return self.visit(ast.copy_location(plain, node))

    def visit_Await(self, node: ast.Await) -> Any:
        return self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> Any:
        return ast.copy_location(ast.Name(node.id.removeprefix("Async"), node.ctx), node)


ALIKE = ["run", "_perform", "_assist", "_fetch", "_send", "_exchange", "_read"]


@pytest.mark.parametrize("name", [*ALIKE, "_first_event"])
def test_the_two_live_drivers_have_the_same_text(name):
    """The asynchronous driver is the synchronous one, awaiting: neither is changed without the other."""

    def text(driver: type) -> str:
        tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(driver, name))))
        return ast.unparse(Blocking().visit(tree))

    assert text(AsyncDriver) == text(SyncDriver)
