"""A wrapped client against the bare one of the same SDK: one call at a time, and many at once.

Ours is `portkey_local.wrap` around an openai client, routed through a fallback of the client itself
and one other target, with retries; the first answers. Its peer is that client without it, its
retries off. Both keep the SDK's own way of building requests and reading answers, so the figures
say what the wrapping costs, or saves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import openai

from benchmarks.measure import IN_FLIGHT, Comparison, Round, each_call, in_flight
from benchmarks.run import Run
from benchmarks.workload import CALL, config
from portkey_local import wrap

OURS, PEER = "wrap(openai.OpenAI), fallback of 2 × retry", "openai.OpenAI"
ASYNC_OURS, ASYNC_PEER = "wrap(openai.AsyncOpenAI), fallback of 2 × retry", "openai.AsyncOpenAI"
TIME, CPU = "wrapped client, sync, p50", "wrapped client, sync, CPU"
RATE = f"wrapped client, {IN_FLIGHT} in flight, async"
RATE_CPU = f"wrapped client, {IN_FLIGHT} in flight, async, CPU per call"


def measure(run: Run) -> None:
    """Compare wrapped clients with bare ones."""
    _one_by_one(run)
    _at_once(run)


def routed_by(url: str) -> dict[str, Any]:
    """Return a config that asks the client itself first."""
    first, second = config(url)["targets"]
    own = {"provider": "self", "retry": first["retry"]}
    return {"strategy": {"mode": "fallback"}, "targets": [own, second]}


def _one_by_one(run: Run) -> None:
    url, count = run.server + "/v1", run.samples(200)
    with ExitStack() as stack:
        bare = stack.enter_context(openai.OpenAI(base_url=url, api_key="sk-0", max_retries=0))
        ours = stack.enter_context(wrap(bare, routed_by(url)))
        contenders = {
            OURS: _calls(lambda: ours.chat.completions.create(**CALL), count),
            PEER: _calls(lambda: bare.chat.completions.create(**CALL), count),
        }
        comparisons = [
            Comparison(TIME, OURS, PEER, goal=1.05, note="wall time of create()"),
            Comparison(CPU, OURS, PEER, note="CPU time of the client's process"),
        ]
        run.compare("a wrapped client, sync", comparisons, contenders, run.rounds(20))


def _calls(call: Callable[[], object], count: int) -> Round:
    def turn() -> dict[str, list[float]]:
        samples, cpu = each_call(call, count)
        return {TIME: samples, CPU: [cpu]}

    return turn


def _at_once(run: Run) -> None:
    url, count = run.server + "/v1", run.samples(1024)
    with asyncio.Runner() as runner:
        bare = openai.AsyncOpenAI(base_url=url, api_key="sk-0", max_retries=0)
        ours = wrap(bare, routed_by(url))
        contenders = {
            ASYNC_OURS: _wave(runner, lambda: ours.chat.completions.create(**CALL), count),
            ASYNC_PEER: _wave(runner, lambda: bare.chat.completions.create(**CALL), count // 2),
        }
        comparisons = [
            Comparison(RATE, ASYNC_OURS, ASYNC_PEER, unit="1/s", goal=1.5, note="calls per second"),
            Comparison(RATE_CPU, ASYNC_OURS, ASYNC_PEER, note="CPU time of the client's process"),
        ]
        try:
            run.compare("a wrapped client, async", comparisons, contenders, run.rounds(8))
        finally:
            runner.run(ours.close())
            runner.run(bare.close())


def _wave(runner: asyncio.Runner, call: Callable[[], Awaitable[object]], count: int) -> Round:
    def turn() -> dict[str, list[float]]:
        rate, cpu = runner.run(in_flight(call, count))
        return {RATE: [rate], RATE_CPU: [cpu]}

    return turn
