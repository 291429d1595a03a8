"""Load balancing in virtual time: shares by weight, the same by the same seed, sticky sessions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, strategies as st

from portkey_local.compile import Compiled, compile_config
from portkey_local.drivers.simulated import Simulation
from portkey_local.model import Answer, Call, Failure, Fault, Outcome, Reply, Request, Rng, Target
from portkey_local.state import SESSIONS_KEPT, StickyState

PICKS = 20_000
CHI_SQUARE = {1: 10.83, 2: 13.82, 3: 16.27}  # by degrees of freedom, exceeded with p = 0.001
REQUEST = Request("POST", "/chat/completions", {"model": "m", "messages": [], "user": "u"})


class World:
    """Every target answers at once, but for those that are down."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down: set[str] = set()

    def answer(self, target: Target, call: Call, now: float, rng: Rng) -> tuple[float, Outcome]:
        """Note who is asked."""
        self.asked.append(target.path)
        if target.path in self.down:
            return 0.0, Failure(target, Fault.STATUS, 503, "down")
        return 0.0, Reply(target, Answer(200, {}))


def router(weights: list[float], **group: Any) -> Compiled:
    targets = [{"provider": "ollama", "custom_host": "http://a", "weight": w} for w in weights]
    strategy = {"mode": "loadbalance", **group.pop("strategy", {})}
    return compile_config({"strategy": strategy, "targets": targets, **group})


def picks(
    route: Compiled, calls: int, *, seed: int = 1, user: Any = None, **options: Any
) -> list[str]:
    world = World()
    simulation = Simulation(world, seed=seed)
    for number in range(calls):
        metadata = {} if user is None else {"user": user(number) if callable(user) else user}
        simulation.start(route, REQUEST, lambda _: None, metadata=metadata, **options)
    simulation.run()
    return world.asked


@pytest.mark.parametrize(
    "weights", [[0.7, 0.3], [1, 1, 1, 1], [9, 1], [5, 0, 3, 2], [0.001, 0.002, 0.003]], ids=str
)
def test_shares_follow_the_weights(weights):
    """The picks fit the weights: chi-square at p > 0.001, and a weight of 0 is never picked."""
    counts = Counter(picks(router(weights), PICKS))
    square = 0.0
    for index, weight in enumerate(weights):
        expected = PICKS * weight / sum(weights)
        found = counts[f"config.targets[{index}]"]
        if weight == 0:
            assert found == 0
        else:
            square += (found - expected) ** 2 / expected
    assert square < CHI_SQUARE[sum(weight > 0 for weight in weights) - 1]


def test_a_seed_repeats_its_picks():
    """The same seed picks the same targets, another seed others."""
    first, again, other = (picks(router([1, 2]), 200, seed=seed) for seed in (7, 7, 8))
    assert first == again != other


STICKY = {"strategy": {"sticky_session": {"hash_fields": ["metadata.user"], "ttl": 60}}}


def test_a_session_keeps_its_target():
    """Calls of one user go to one target, those of many users follow the weights."""
    route = router([1, 1], **STICKY)
    assert len(set(picks(route, 100, user="u-1"))) == 1
    shares = Counter(picks(route, 4000, user=lambda number: number))
    assert abs(shares["config.targets[0]"] - 2000) < 200


def test_a_session_ends_after_its_time():
    """Sixty seconds after its first call, and not after its last, a session is picked anew."""
    world, route = World(), router([1, 1], **STICKY)
    simulation = Simulation(world, seed=3)
    for user in range(40):
        for moment in (0, 59, 61):
            simulation.start(
                route, REQUEST, lambda _: None, at=float(moment), metadata={"user": user}
            )
    simulation.run()
    first, second, third = (world.asked[at : at + 40] for at in (0, 40, 80))
    assert first == second
    assert first != third


def test_a_call_without_the_fields_belongs_to_no_session():
    """It is picked for itself, and nothing is kept of it."""
    route = router([1, 1], **STICKY)
    assert len(set(picks(route, 100))) == 2
    assert len(route.root.sticky.state) == 0


def test_values_tell_sessions_apart_by_type_too():
    """A user 1 is not the user "1", and a list is not its only member."""
    route = router([1, 1], **STICKY)
    picks(route, 1, user=1)
    picks(route, 1, user="1")
    picks(route, 1, user=["1"])
    assert len(route.root.sticky.state) == 3


def test_any_value_makes_a_session():
    """Metadata is the caller's own; what JSON cannot hold tells sessions apart as well."""
    route = router([1, 1], **STICKY)
    within: list[Any] = []
    within.append(within)
    for value in ({1: "a", "b": 2}, {(1, 2): 3}, within, "\ud800", float("nan"), {3}):
        assert len(set(picks(route, 20, user=value))) == 1
    assert len(route.root.sticky.state) == 6


def test_a_session_moves_when_its_circuit_opens_and_stays_there():
    """It does not return when the circuit closes: a session's caches are where it is."""
    route = router([1, 1], **STICKY, cb_config={"failure_threshold": 1, "cooldown_interval": 1000})
    world = World()
    simulation = Simulation(world, seed=1)
    ask = dict(request=REQUEST, done=lambda _: None, metadata={"user": "u"})
    simulation.start(route, **ask)
    simulation.run()
    (home,) = world.asked
    world.down = {home}
    for moment in (1.0, 1.5, 9.0, 10.0):
        simulation.start(route, at=moment, **ask)
    simulation.run()
    assert world.asked[1] == home  # it fails there, and opens the circuit
    assert len(set(world.asked[2:])) == 1
    assert world.asked[2] != home


def test_nothing_of_a_request_is_kept():
    """The table holds digests."""
    route = router([1, 1], **STICKY)
    picks(route, 1, user="someone@example.com")
    assert "someone" not in repr(route.root.sticky.state._sessions)


def test_the_table_is_bounded():
    """The session that was asked for least recently is forgotten first."""
    state = StickyState(60, size=3)
    for key in (b"a", b"b", b"c"):
        state.settle(key, 0, 0.0)
    state.get(b"a", 1.0)
    state.settle(b"d", 1, 1.0)
    assert [state.peek(key, 1.0) for key in (b"a", b"b", b"c", b"d")] == [0, None, 0, 1]
    assert StickyState(60).size == SESSIONS_KEPT


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2), st.floats(0, 5)), max_size=60)
)
def test_the_table_agrees_with_a_dict(steps):
    """Whatever is put and asked for, a session is what was put last, until its time is over."""
    state, model, now = StickyState(10, size=4), {}, 0.0
    for name, index, seconds in steps:
        now += seconds
        held = state.get(name.encode(), now)
        expected = model.get(name)
        if held is None:
            assert expected is None or now >= expected[1] or len(model) > 4
            state.settle(name.encode(), index, now)
            model[name] = index, now + 10
        else:
            assert held == expected[0]
        assert len(state) <= 4


def test_two_first_calls_at_once_settle_on_one_target():
    """The thread that comes second takes what the first one picked."""
    state = StickyState(60)
    assert state.settle(b"s", 0, 1.0) == 0
    assert state.settle(b"s", 1, 1.0) == 0


def test_two_calls_that_move_a_session_at_once_move_it_to_one_target():
    """The circuit of its target is open; the thread that comes second follows the first one."""
    state = StickyState(60)
    state.settle(b"s", 0, 1.0)
    assert state.settle(b"s", 1, 2.0, instead_of=0) == 1
    assert state.settle(b"s", 2, 2.0, instead_of=0) == 1
    assert state.peek(b"s", 3.0) == 1


def test_a_thread_that_comes_between_settles_on_the_same_target():
    """Looking a session up and giving it its target are one step."""
    state = StickyState(60)
    settled = []

    class Lock:
        """Lets another thread in whenever it is free."""

        def __enter__(self):
            pass

        def __exit__(self, *_):
            if not settled:
                settled.append(None)
                settled[0] = state.settle(b"s", 1, 1.0)

    state._lock = Lock()
    assert state.settle(b"s", 0, 1.0) == settled[0]
