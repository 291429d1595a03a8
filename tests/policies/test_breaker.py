"""The breaker against a model of it, in virtual time, with attempts that overlap as they like."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from portkey_local.model import Answer, Call, Event, Failure, Fault, Outcome, Reply, Request, Target
from portkey_local.policies.breaker import Breaker
from portkey_local.providers.openai import OpenAICodec
from portkey_local.state import WINDOW, CircuitState, Phase
from portkey_local.strategies.single import Single

TARGET = Target("config.targets[0]", "openai", "http://a", OpenAICodec())
REQUEST = Request("POST", "/chat/completions", {"model": "m", "messages": []})
GOOD = Reply(TARGET, Answer(200, {}))


def failure(status: int, fault: Fault = Fault.STATUS) -> Failure:
    return Failure(TARGET, fault, status, "x")


@dataclass
class Model:
    """The breaker as its documentation tells it, written for reading, not for speed."""

    failures: int | None
    percentage: float | None
    minimum: int
    cooldown: float
    outcomes: list[bool] = field(default_factory=list)  # True: failed
    opened_at: float | None = None
    probe: int | None = None
    era: int = 0

    def lets_in(self, attempt: int, now: float, *, bypass: bool) -> str | None:
        """Return how an attempt gets in: closed, probe, bypass, or None for not at all."""
        if self.opened_at is None:
            return "closed"
        if self.probe is None and now >= self.opened_at + self.cooldown:
            self.probe = attempt
            return "probe"
        return "bypass" if bypass else None

    def learns(self, way: str, era: int, now: float, *, failed: bool) -> str | None:
        """Take an outcome; return the event it causes."""
        if way == "bypass" or era != self.era:
            return None
        if way == "probe":
            return self.turns(now if failed else None)
        self.outcomes.append(failed)
        size = max(WINDOW, self.failures or 0, self.minimum)
        self.outcomes = self.outcomes[-size:]
        bad, total = sum(self.outcomes), len(self.outcomes)
        too_many = self.failures is not None and bad >= self.failures
        too_often = (
            self.percentage is not None
            and total >= self.minimum
            and bad * 100 >= self.percentage * total
        )
        return self.turns(now) if too_many or too_often else None

    def turns(self, opened_at: float | None) -> str:
        self.opened_at, self.probe, self.outcomes = opened_at, None, []
        self.era += 1
        return "circuit.closed" if opened_at is None else "circuit.opened"


class Machine(RuleBasedStateMachine):
    """Attempts begin, end, are cancelled and overlap; time passes; both sides must agree."""

    flying = Bundle("flying")

    @initialize(
        failures=st.none() | st.integers(1, 5),
        percentage=st.none() | st.sampled_from([10.0, 33.0, 50.0, 100.0]),
        minimum=st.integers(1, 6),
        cooldown=st.sampled_from([1.0, 4.0, 30.0]),
    )
    def begin(self, failures, percentage, minimum, cooldown):
        """Make both sides, with at least one threshold."""
        if failures is None and percentage is None:
            failures = 2
        self.now = 0.0
        self.events: list[Event] = []
        self.model = Model(failures, percentage, minimum, cooldown)
        state = CircuitState(
            failures=failures, percentage=percentage, minimum=minimum, cooldown=cooldown
        )
        self.breaker = Breaker(Single(TARGET), TARGET, state)
        self.count = 0

    def call(self, *, bypass: bool) -> Call:
        return Call(
            request=REQUEST,
            deadline=float("inf"),
            clock=lambda: self.now,
            rng=random.Random(1),
            emit=self.events.append,
            bypass=bypass,
        )

    @rule(target=flying, bypass=st.booleans())
    def start(self, bypass):
        """An attempt begins, or is turned away."""
        self.count += 1
        way = self.model.lets_in(self.count, self.now, bypass=bypass)
        route = self.breaker.route(self.call(bypass=bypass))
        del self.events[:]
        if way is None:
            with pytest.raises(StopIteration) as stop:
                next(route)
            assert stop.value.value.fault is Fault.OPEN
            return None
        next(route)
        assert [event.name for event in self.events] == ["circuit.half_open"] * (way == "probe")
        return self.count, way, self.model.era, route

    @rule(attempt=consumes(flying), status=st.sampled_from([200, 400, 429, 500, 503, 529]))
    def answered(self, attempt, status):
        """An attempt ends with an answer."""
        self.ends(attempt, GOOD if status == 200 else failure(status), failed=status > 500)

    @rule(attempt=consumes(flying), fault=st.sampled_from([Fault.NETWORK, Fault.TIMEOUT]))
    def unanswered(self, attempt, fault):
        """An attempt ends without an answer, which is a failure whatever its status."""
        self.ends(attempt, failure(408 if fault is Fault.TIMEOUT else 500, fault), failed=True)

    def ends(self, attempt: Any, outcome: Outcome, *, failed: bool) -> None:
        if attempt is None:
            return
        _, way, era, route = attempt
        expected = self.model.learns(way, era, self.now, failed=failed)
        del self.events[:]
        with pytest.raises(StopIteration) as stop:
            route.send(outcome)
        assert stop.value.value is outcome
        assert [event.name for event in self.events] == ([] if expected is None else [expected])

    @rule(attempt=consumes(flying))
    def cancelled(self, attempt):
        """An attempt is cancelled: nothing is learnt, and a probe's place is free."""
        if attempt is None:
            return
        number, way, era, route = attempt
        if way == "probe" and era == self.model.era and self.model.probe == number:
            self.model.probe = None
        route.close()

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 4.0, 30.0]))
    def wait(self, seconds):
        """Time passes."""
        self.now += seconds

    @invariant()
    def agree(self):
        """Both say the same of the circuit, now and when its cooldown ends."""
        if not hasattr(self, "model"):
            return
        model, state = self.model, self.breaker.state
        for now in (self.now, self.now + model.cooldown):
            over = model.opened_at is not None and now >= model.opened_at + model.cooldown
            phase = "closed" if model.opened_at is None else "half-open" if over else "open"
            assert state.phase(now).value == phase
            blocked = phase == "open" or (phase == "half-open" and model.probe is not None)
            assert state.blocked(now) is blocked
        facts = state.facts(self.now)
        assert (facts["failures"], facts["attempts"]) == (
            sum(model.outcomes),
            len(model.outcomes),
        )


TestBreaker = Machine.TestCase
TestBreaker.settings = settings(max_examples=400, stateful_step_count=30)


def closed_after(breaker: Breaker, *outcomes: Outcome) -> bool:
    """Put outcomes through a breaker; return whether its circuit is closed then."""
    call = Call(REQUEST, float("inf"), lambda: 0.0, random.Random(1))
    for outcome in outcomes:
        route = breaker.route(call)
        next(route)
        with pytest.raises(StopIteration):
            route.send(outcome)
    return breaker.state.opened_at is None


def breaker(codes: frozenset[int] | None = None, **thresholds: Any) -> Breaker:
    return Breaker(Single(TARGET), TARGET, CircuitState(**thresholds), codes)


def test_the_window_forgets():
    """Old failures no longer count once as many outcomes have followed as the window holds."""
    one = breaker(failures=2)
    assert closed_after(one, failure(503), *[GOOD] * WINDOW, failure(503))
    assert not closed_after(one, failure(503))


@pytest.mark.parametrize(
    ("codes", "outcome", "counts"),
    [
        (None, failure(500), False),
        (None, failure(501), True),
        (None, failure(429), False),
        (None, failure(408, Fault.TIMEOUT), True),
        (None, failure(500, Fault.NETWORK), True),
        (None, failure(500, Fault.MALFORMED), False),
        (frozenset({429}), failure(429), True),
        (frozenset({429}), failure(503), False),
        (frozenset({429}), failure(500, Fault.NETWORK), True),
        (frozenset({429}), failure(408, Fault.TIMEOUT), False),
        (frozenset({408}), failure(408, Fault.TIMEOUT), True),
        (frozenset({200}), GOOD, True),
        (frozenset(), failure(503), False),
    ],
)
def test_what_is_a_failure(codes, outcome, counts):
    """A listed status, or one above 500 without a list; the network always."""
    assert closed_after(breaker(codes, failures=1), outcome) is not counts


def test_what_was_never_sent_counts_for_nothing():
    """A request that the target could not even take says nothing about it."""
    assert closed_after(breaker(frozenset({400}), failures=1), failure(400, Fault.ROUTING))


def test_a_threshold_may_be_any_number():
    """One that no machine counts to never opens the circuit."""
    one = breaker(failures=10**30, percentage=50.0, minimum=10**30)
    assert closed_after(one, *[failure(503)] * 300)


def test_a_rate_needs_its_minimum():
    """A rate is judged at the outcome that completes the minimum, whether that is good or bad."""
    one = breaker(percentage=50.0, minimum=4)
    assert closed_after(one, failure(503), failure(503), failure(503))
    assert not closed_after(one, GOOD)


class Interrupted(CircuitState):
    """A circuit that another thread changes as soon as somebody has looked at its phase."""

    __slots__ = ("_opened_at", "meanwhile")

    @property
    def opened_at(self):
        """Return the phase, and let the other thread run."""
        seen, meanwhile = self._opened_at, getattr(self, "meanwhile", None)
        if meanwhile is not None:
            self.meanwhile = None
            meanwhile()
        return seen

    @opened_at.setter
    def opened_at(self, value):
        self._opened_at = value


def test_an_attempt_let_in_while_the_circuit_opens_counts_for_nothing():
    """It passed a closed circuit, so its failure neither opens the circuit again nor ends a probe."""
    state = Interrupted(failures=1, cooldown=10.0)
    other = state.enter(0.0, bypass=False)
    state.meanwhile = lambda: state.leave(other, 0.0, failed=True)
    late = state.enter(0.0, bypass=False)
    assert state.phase(0.0) is Phase.OPEN
    probe = state.enter(10.0, bypass=False)
    assert state.leave(late, 10.0, failed=True) is None
    assert state.blocked(10.0)
    assert state.leave(probe, 11.0, failed=False).after is Phase.CLOSED


def test_whoever_sees_a_new_generation_sees_its_phase():
    """A circuit turns its phase first: in between, nobody gets in as if it were still closed."""
    inside = []

    class Watched(CircuitState):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if hasattr(self, "cooldown") and hasattr(self, "_generation"):
                inside.append((self._generation, self.opened_at))

    state = Watched(failures=1)
    state.leave(state.enter(0.0, bypass=False), 5.0, failed=True)
    assert {phase for generation, phase in inside if generation == 1} == {5.0}


def test_a_listener_that_is_interrupted_leaves_the_probes_place():
    """What its own event raises ends the probe, as anything else does."""

    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    one = breaker(failures=1)
    assert not closed_after(one, failure(503))
    now = one.state.opened_at + one.state.cooldown
    call = Call(REQUEST, float("inf"), lambda: now, random.Random(1), emit=interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(one.route(call))
    assert not one.state.blocked(now)
