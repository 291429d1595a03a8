"""Circuit breakers through the clients: who is asked, what is told, and one probe at a time."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import anyio
import openai
import pytest

from portkey_local import AsyncPortkey, Portkey
from portkey_local.state import Entry
from portkey_local.testing import Fault, Loopback, Step, chat_stream

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
BAD = Step(status=503)


def target(provider: Loopback, where: str, **fields: Any) -> dict[str, Any]:
    return {"provider": "openai", "api_key": "k", "custom_host": provider.target(where), **fields}


def config(provider: Loopback, mode: str = "fallback", **circuit: Any) -> dict[str, Any]:
    return {
        "strategy": {"mode": mode, "cb_config": {"failure_threshold": 2, **circuit}},
        "targets": [target(provider, "a"), target(provider, "b")],
    }


def cool(client: Any) -> None:
    """Let every cooldown be over."""
    for breaker in client._plan.router.breakers:
        if breaker.state.opened_at is not None:
            breaker.state.opened_at -= breaker.state.cooldown


def asked(provider: Loopback) -> list[str]:
    return [received.target for received in provider.received]


def states(client: Any) -> list[str]:
    return [facts["state"] for facts in client.router.status().values()]


def ask(client: Portkey, times: int = 1, **changes: Any) -> None:
    for _ in range(times):
        client.chat.completions.create(**{**ASK, **changes})


def test_a_failing_target_is_left_out_until_it_has_recovered(provider):
    """It opens at its threshold, is skipped, is probed after its cooldown, and closes."""
    provider.reset({"a": [BAD, BAD, Step()]})
    events: list[Any] = []
    with Portkey(config=config(provider), on_event=events.append) as client:
        ask(client, 3)
        assert asked(provider) == ["a", "b", "a", "b", "b"]
        assert states(client) == ["open", "closed"]
        cool(client)
        assert states(client) == ["half-open", "closed"]
        ask(client, 2)
        assert states(client) == ["closed", "closed"]
    assert asked(provider)[5:] == ["a", "a"]
    told = [event.name for event in events if event.name.split(".")[0] in ("circuit", "target")]
    assert told == ["circuit.opened", "target.skipped", "circuit.half_open", "circuit.closed"]
    opened = next(event for event in events if event.name == "circuit.opened")
    assert (opened.target, opened.reason) == ("config.targets[0]", "2 failures in 2 attempts")


def test_the_status_says_what_there_is_to_say(provider):
    """State, counts, and the time until a probe may go through; only targets that have a circuit."""
    provider.reset({"a": [BAD]})
    with Portkey(config=config(provider, cooldown_interval=60_000)) as client:
        ask(client)
        assert client.router.status()["config.targets[0]"] == {
            "provider": "openai",
            "state": "closed",
            "failures": 1,
            "attempts": 1,
        }
        ask(client)
        told = client.router.status()["config.targets[0]"]
        assert told["state"] == "open"
        assert 55 < told["retry_in"] <= 60
    with Portkey(config=target(provider, "a")) as client:
        assert client.router.status() == {}


def test_a_bad_probe_opens_it_again(provider):
    """One failure is enough when half-open, and the next cooldown is a whole one."""
    provider.reset({"a": [BAD]})
    with Portkey(config=config(provider)) as client:
        ask(client, 2)
        cool(client)
        ask(client, 2)
        assert asked(provider) == ["a", "b", "a", "b", "a", "b", "b"]
        assert states(client)[0] == "open"


@pytest.mark.parametrize("mode", ["fallback", "loadbalance"])
def test_when_every_circuit_is_open_they_are_ignored(provider, mode):
    """A call is never refused because of circuits alone."""
    provider.reset({"a": [BAD], "b": [BAD]})
    events: list[Any] = []
    with Portkey(config=config(provider, mode), on_event=events.append) as client:
        while states(client) != ["open", "open"]:
            with suppress(openai.InternalServerError):
                ask(client)
        provider.reset()
        ask(client)
    assert len(provider.received) == 1
    assert "circuit.bypassed" in [event.name for event in events]


def test_a_balanced_call_goes_where_a_circuit_is_closed(provider):
    """An open target has no weight, as long as another one has."""
    provider.reset({"a": [BAD]})
    with Portkey(config=config(provider, "loadbalance")) as client:
        while states(client)[0] != "open":
            with suppress(openai.InternalServerError):
                ask(client)
        provider.reset()
        ask(client, 20)
    assert set(asked(provider)) == {"b"}


def test_a_group_of_open_circuits_is_passed_over(provider):
    """A group inside a fallback counts as open when all its targets are."""
    provider.reset({"a": [BAD], "b": [BAD]})
    nested = {
        "strategy": {"mode": "fallback"},
        "cb_config": {"failure_threshold": 1},
        "targets": [
            {"strategy": {"mode": "fallback"}, "targets": config(provider)["targets"]},
            target(provider, "c"),
        ],
    }
    with Portkey(config=nested) as client:
        ask(client, 2)
        assert asked(provider) == ["a", "b", "c", "c"]
        assert states(client) == ["open", "open", "closed"]


def test_retries_stop_when_the_circuit_opens(provider):
    """No attempt goes through an open circuit, a retry's neither."""
    provider.reset({"a": [BAD]})
    routes = config(provider)
    routes["targets"][0]["retry"] = {"attempts": 5}
    with Portkey(config=routes) as client:
        for retry in _retries(client._plan.router.root):
            object.__setattr__(retry, "jitter", lambda *_: 0.0)
        ask(client)
    assert asked(provider) == ["a", "a", "b"]


def _retries(fallback: Any) -> list[Any]:
    return [router for router in fallback.targets if hasattr(router, "jitter")]


def test_a_good_answer_that_moves_on_opens_no_way_into_a_circuit(provider):
    """Only whoever is asked right after it must not turn away; those behind are as open as ever."""
    provider.reset({"a": [Step()], "b": [BAD], "c": [BAD], "d": [Step()]})
    routes = config(provider, failure_threshold=1)
    routes["strategy"]["on_status_codes"] = [200, 503]
    routes["targets"] += [target(provider, "c"), target(provider, "d")]
    with Portkey(config=routes) as client:
        open_circuits(client, "config.targets[2]")
        ask(client)
    assert asked(provider) == ["a", "b", "d"]


def test_a_good_answer_that_is_retried_opens_no_way_into_a_circuit(provider):
    """The circuit that opens at the second attempt turns the third one away."""
    provider.reset({"a": [Step(), BAD]})
    routes = config(provider, failure_threshold=1)
    routes["targets"][0]["retry"] = {"attempts": 5, "on_status_codes": [200, 503]}
    with Portkey(config=routes) as client:
        for retry in _retries(client._plan.router.root):
            object.__setattr__(retry, "jitter", lambda *_: 0.0)
        ask(client)
    assert asked(provider) == ["a", "a", "b"]


def open_circuits(client: Portkey, *paths: str) -> None:
    """Open the circuits of some targets, from now on."""
    for breaker in client._plan.router.breakers:
        if breaker.target.path in paths:
            breaker.state.opened_at = client._engine.clock()


def test_a_target_of_its_own_and_conditional_ones(provider):
    """Alone, a circuit only counts; under a conditional strategy there is none."""
    provider.reset({"a": [BAD]})
    alone = target(provider, "a", cb_config={"failure_threshold": 1})
    conditional = {
        "strategy": {"mode": "conditional", "conditions": [{"query": {}, "then": "a"}]},
        "cb_config": {"failure_threshold": 1},
        "targets": [target(provider, "a", name="a")],
    }
    for routes, expected in ((alone, ["open"]), (conditional, [])):
        with Portkey(config=routes) as client:
            for _ in range(3):
                with pytest.raises(openai.InternalServerError):
                    ask(client)
            assert states(client) == expected
    assert len(provider.received) == 6


def test_copies_of_a_client_share_circuits(provider, tmp_path):
    """Other options per call are no way around a circuit, nor is a config named by its file."""
    provider.reset({"a": [BAD]})
    path = tmp_path / "router.json"
    path.write_text(json.dumps(config(provider)))
    with Portkey(config=str(path)) as client:
        for number in range(3):
            ask(client.with_options(trace_id=str(number), metadata={"n": number}))
            ask(client.with_options(config=path))
    assert Counter(asked(provider)) == {"a": 2, "b": 6}


def test_a_stream_counts_by_its_first_event(provider):
    """A stream that begins is a success, one that fails before is a failure."""
    provider.reset({"a": [chat_stream("hello"), Step(fault=Fault.RESET)]})
    with Portkey(config=config(provider, failure_threshold=1)) as client:
        for _ in range(2):
            list(client.chat.completions.create(**ASK, stream=True))
            assert states(client) in (["closed", "closed"], ["open", "closed"])
        assert states(client) == ["open", "closed"]


# --- one probe at a time


def half_open(provider: Loopback, routes: dict[str, Any], client: Portkey) -> None:
    """Open the circuit of target a, let its cooldown be over, and its answer wait for the others."""
    provider.reset({"a": [BAD]})
    while states(client)[0] != "open":
        with suppress(openai.InternalServerError):
            ask(client)
    cool(client)
    provider.reset(slower_than(99))


def slower_than(others: int) -> Callable[[Any], Step]:
    """Let target a answer once so many others have been asked, on however busy a machine."""
    counted = threading.Semaphore(0)

    def answer(received: Any) -> Step:
        if received.target == "a":
            for _ in range(others):
                assert counted.acquire(timeout=20)
        else:
            counted.release()
        return Step()

    return answer


def shapes(provider: Loopback) -> dict[str, dict[str, Any]]:
    nested = {
        "strategy": {"mode": "fallback"},
        "cb_config": {"failure_threshold": 1},
        "targets": [
            {"strategy": {"mode": "loadbalance"}, "targets": [target(provider, "a")]},
            target(provider, "b"),
        ],
    }
    return {
        "fallback": config(provider),
        "loadbalance": config(provider, "loadbalance"),
        "nested": nested,
    }


@pytest.mark.parametrize("shape", ["fallback", "loadbalance", "nested"])
def test_one_probe_among_a_hundred_threads(provider, shape):
    """While the probe is out, every other call goes elsewhere, and none fails."""
    routes = shapes(provider)[shape]
    with Portkey(config=routes) as client, ThreadPoolExecutor(100) as pool:
        half_open(provider, routes, client)
        list(pool.map(lambda _: ask(client), range(100)))
        assert states(client)[0] == "closed"
    assert Counter(asked(provider)) == {"a": 1, "b": 99}


@pytest.mark.anyio
@pytest.mark.parametrize("shape", ["fallback", "loadbalance", "nested"])
async def test_one_probe_among_a_hundred_tasks(provider, shape):
    """The same for tasks of one event loop."""
    async with AsyncPortkey(config=shapes(provider)[shape]) as client:
        provider.reset({"a": [BAD]})
        while states(client)[0] != "open":
            with suppress(openai.InternalServerError):
                await client.chat.completions.create(**ASK)
        cool(client)
        provider.reset(slower_than(99))
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(lambda: client.chat.completions.create(**ASK))
        assert states(client)[0] == "closed"
    assert Counter(asked(provider)) == {"a": 1, "b": 99}


def test_a_cancelled_probe_leaves_its_place(provider):
    """A call that is cancelled while it probes decides nothing: the next one probes."""

    async def main() -> None:
        async with AsyncPortkey(config=config(provider)) as client:
            provider.reset({"a": [BAD]})
            for _ in range(2):
                await client.chat.completions.create(**ASK)
            cool(client)
            provider.reset({"a": [Step(delay=5), Step()]})
            probe = asyncio.create_task(client.chat.completions.create(**ASK))
            await asyncio.sleep(0.2)  # it is on its way, and its answer would take 5 s
            assert asked(provider) == ["a"]
            probe.cancel()
            with suppress(asyncio.CancelledError):
                await probe
            await client.chat.completions.create(**ASK)
            assert states(client)[0] == "closed"

    asyncio.run(main())
    assert asked(provider) == ["a", "a"]


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)
def test_a_child_is_not_held_up_by_a_lock_of_its_parent(provider):
    """A process forked while a circuit's lock is held finds it free."""
    with Portkey(config=config(provider)) as client:
        (state, *_) = (breaker.state for breaker in client._plan.router.breakers)
        state.opened_at = 0.0
        with state._lock:
            child = os.fork()
            if child == 0:
                free = state._lock.acquire(timeout=2)
                os._exit(0 if free else 1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)
def test_a_child_waits_for_no_probe_of_its_parent(provider):
    """The probe that was out when a process was forked never returns in the child."""
    with Portkey(config=config(provider)) as client:
        (state, *_) = (breaker.state for breaker in client._plan.router.breakers)
        state.opened_at = 0.0
        now = client._engine.clock() + state.cooldown
        assert state.enter(now, bypass=False)[0] is Entry.PROBE
        child = os.fork()
        if child == 0:
            os._exit(1 if state.blocked(now) else 0)
        _, status = os.waitpid(child, 0)
        assert state.blocked(now)
    assert os.waitstatus_to_exitcode(status) == 0
