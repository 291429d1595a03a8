"""Explanations: they fit what the router then does, and change nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from portkey_local import Portkey
from portkey_local.compile import compile_config
from portkey_local.drivers.simulated import Simulation
from portkey_local.explain import explain
from portkey_local.model import Call, Failure, Fault, Outcome, Request, Rng, Target

REQUEST = Request("POST", "/chat/completions", {"model": "m", "messages": []})


def leaf(**fields: Any) -> dict[str, Any]:
    return {"provider": "ollama", "custom_host": "http://a", **fields}


class World:
    """Every target fails, so that a call goes as far as it can; no circuit counts a 500."""

    def __init__(self) -> None:
        self.asked: dict[str, list[str]] = {}

    def answer(self, target: Target, call: Call, now: float, rng: Rng) -> tuple[float, Outcome]:
        """Note who is asked by which call."""
        self.asked.setdefault(call.trace_id, []).append(target.path)
        return 0.0, Failure(target, Fault.STATUS, 500, "down")


leaves = st.just(leaf())


def groups(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    targets = st.lists(below, min_size=1, max_size=3)

    def grouped(mode: str, targets: list[Any], weights: list[float], full: bool) -> dict[str, Any]:
        strategy: dict[str, Any] = {"mode": mode}
        targets = [{**each} for each in targets]
        if mode == "fallback" and not full:
            strategy["on_status_codes"] = []
        if mode == "loadbalance":
            for each, weight in zip(targets, weights, strict=False):
                each["weight"] = weight
            targets[-1]["weight"] = targets[-1]["weight"] or 1
        if mode == "conditional":
            for number, each in enumerate(targets):
                each["name"] = f"t{number}"
            strategy["conditions"] = [{"query": {"metadata.x": 1}, "then": "t0"}]
            if full:
                strategy["default"] = f"t{len(targets) - 1}"
        return {"strategy": strategy, "targets": targets}

    modes = st.sampled_from(["single", "fallback", "loadbalance", "conditional"])
    weights = st.lists(st.integers(0, 3), min_size=3, max_size=3)
    return st.builds(grouped, modes, targets, weights, st.booleans())


@settings(max_examples=150)
@given(
    st.recursive(groups(leaves), groups, max_leaves=6),
    st.booleans(),
    st.sets(st.integers(0, 5), max_size=4),
)
def test_a_call_goes_one_of_the_explained_ways(config, matching, opened):
    """Probabilities add up to one, and calls go these ways about as often as they say."""
    compiled = compile_config({**config, "cb_config": {"failure_threshold": 1}})
    for number, breaker in enumerate(compiled.breakers):
        if number in opened:
            breaker.state.opened_at = 0.0
    metadata = {"x": 1} if matching else {}
    world = World()
    simulation = Simulation(world, seed=1)
    call = Call(REQUEST, float("inf"), simulation.clock, simulation.rng, metadata=metadata)
    before = simulation.rng.getstate()
    told = explain(compiled, call)
    assert simulation.rng.getstate() == before
    ways = Counter({order.targets: order.probability for order in told.orders})
    if not told.orders:
        assert "did not resolve" in told.refused
        ways[()] = 1.0
    assert sum(ways.values()) == pytest.approx(1)
    found: Counter[tuple[str, ...]] = Counter()
    for _ in range(200):
        simulation.start(compiled, REQUEST, lambda _: None, metadata=metadata)
        simulation.run()
        found[tuple(path for asked in world.asked.values() for path in asked)] += 1
        world.asked.clear()
    assert found.keys() <= ways.keys()
    for way, probability in ways.items():
        assert abs(found[way] - 200 * probability) < 50
    assert told.to_dict()["route"]["path"] == told.root.path


UNMATCHED = {
    "strategy": {"mode": "conditional", "conditions": [{"query": {"metadata.x": 1}, "then": "t"}]},
    "targets": [leaf(name="t")],
}


@pytest.mark.parametrize(
    ("codes", "first", "ways", "described"),
    [
        ([], leaf(), {("a",): 1}, 1),
        ([429], leaf(), {("a", "b"): 1}, 2),
        (None, UNMATCHED, {("b",): 1}, 2),
        ([400], UNMATCHED, {("b",): 1}, 2),
        ([429], UNMATCHED, {}, 1),
        (None, "either", {("b",): 0.5, ("a.targets[1]", "b"): 0.5}, 2),
        ([429], "either", {(): 0.5, ("a.targets[1]", "b"): 0.5}, 2),
    ],
)
def test_a_fallback_is_followed_as_far_as_it_surely_goes(codes, first, ways, described):
    """Targets after an empty list, or after a 400 that is not listed, would never be asked."""
    if first == "either":
        first = {"strategy": {"mode": "loadbalance"}, "targets": [UNMATCHED, leaf()]}
    strategy = {"mode": "fallback"} | ({} if codes is None else {"on_status_codes": codes})
    call = Call(REQUEST, float("inf"), lambda: 0.0, None)
    told = explain(compile_config({"strategy": strategy, "targets": [first, leaf()]}), call)
    names = {"config.targets[0]": "a", "config.targets[1]": "b"}
    found = {
        tuple(names[path[:17]] + path[17:] for path in order.targets): order.probability
        for order in told.orders
    }
    assert found == ways
    assert len(told.root.below) == described
    assert ("nobody: no condition holds" in str(told)) is (() in ways)


def test_open_circuits_and_sessions_are_seen(provider):
    """What the router knows from earlier calls is in the explanation, which leaves it as it is."""
    config = {
        "strategy": {
            "mode": "loadbalance",
            "sticky_session": {"hash_fields": ["metadata.user"]},
            "cb_config": {"failure_threshold": 1},
        },
        "targets": [leaf(custom_host=provider.target("a")), leaf(custom_host=provider.target("b"))],
    }
    with Portkey(config=config, metadata={"user": "u"}) as client:
        fresh = client.router.explain(model="m")
        assert [order.probability for order in fresh.orders] == [0.5, 0.5]
        assert len(client._plan.router.root.sticky.state) == 0
        client.chat.completions.create(model="m", messages=[])
        home = f"config.targets[{'ab'.index(provider.received[0].target)}]"
        assert client.router.explain(model="m").orders[0].targets == (home,)
        others = client.router.explain(model="m", metadata={"user": "v"})
        assert len(others.orders) == 2
        breaker = next(b for b in client._plan.router.breakers if b.target.path == home)
        breaker.state.opened_at = client._engine.clock()
        told = client.router.explain(model="m")
        assert told.orders[0].targets != (home,)
        assert f"{home} has no weight now: circuit open" in str(told)


def test_a_target_tells_its_policies(provider):
    """Retries, time limits, guardrails and circuits are named, and where hooks do not run."""
    config = leaf(
        retry={"attempts": 2, "on_status_codes": [429]},
        request_timeout=1500,
        cb_config={"failure_threshold": 3},
        input_guardrails=[{"default.notNull": {}}],
        output_guardrails=[{"default.notNull": {}}],
        override_params={"model": "big"},
    )
    with Portkey(config=config) as client:
        told = client.router.explain(stream=True)
        text = str(told)
        for words in (
            "ollama big",
            "asked again after 429 and network failures",
            "at most 1.5 s",
            "circuit closed, 0 of 0 failed",
            "input hooks input_guardrail_0 run",
            "output_guardrail_0 not run on a stream",
        ):
            assert words in text
        assert "not run on /images" in str(client.router.explain(endpoint="/v1/images"))


def test_a_call_that_nobody_would_take():
    """No target, no model, no condition: the explanation says which."""
    with Portkey() as client:
        assert "No target" in client.router.explain(model="m").refused
        assert client.router.explain(model="@nobody/gpt").refused.startswith("config.virtual_key")
    with Portkey(config=leaf()) as client:
        assert "No model" in client.router.explain().refused
    conditional = {
        "strategy": {
            "mode": "conditional",
            "conditions": [{"query": {"metadata.x": 1}, "then": "a"}],
        },
        "targets": [leaf(name="a")],
    }
    with Portkey(config=conditional) as client:
        told = client.router.explain(model="m", messages=[{"role": "user", "content": "secret!"}])
        assert told.orders == ()
        assert "did not resolve" in told.refused
        assert "secret!" not in str(told) + str(told.to_dict())


def test_very_many_ways_are_cut_to_the_likeliest():
    """A tree with more ways than anybody reads is explained all the same, and soon."""
    wide = {"strategy": {"mode": "loadbalance"}, "targets": [leaf()] * 4}
    config = {"strategy": {"mode": "fallback"}, "targets": [wide] * 12}
    call = Call(REQUEST, float("inf"), lambda: 0.0, None)
    told = explain(compile_config(config), call)
    assert len(told.orders) == 100
    assert all(len(order.targets) == 12 for order in told.orders)
