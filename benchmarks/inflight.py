"""2. Many calls at once: calls per second with 256 of them in flight, on asyncio.

Ours routes through a fallback of two targets with retries, the first of which answers; its peer
is `openai.AsyncOpenAI` as it comes, without retries. The floor posts the same bytes with one bare
aiohttp session. Before each turn an unmeasured wave opens the connections.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
import openai

from benchmarks.measure import IN_FLIGHT, Comparison, Round, in_flight
from benchmarks.run import Run
from benchmarks.workload import CALL, config
from portkey_local import AsyncPortkey

OURS = "AsyncPortkey, fallback of 2 × retry"
PEER = "openai.AsyncOpenAI"
FLOOR = "floor: aiohttp.ClientSession.post"
RATE, CPU = f"{IN_FLIGHT} in flight, async", f"{IN_FLIGHT} in flight, async, CPU per call"


def measure(run: Run) -> None:
    """Compare rates."""
    count = run.samples(2048)
    with asyncio.Runner() as runner:
        ours, bare, floor = runner.run(_clients(run.server + "/v1"))
        calls = {
            OURS: (lambda: ours.chat.completions.create(**CALL), count),
            PEER: (lambda: bare.chat.completions.create(**CALL), max(512, count // 4)),
            FLOOR: (_post(floor), count),
        }
        contenders = {name: _round(runner, call, number) for name, (call, number) in calls.items()}
        comparisons = [
            Comparison(
                RATE, OURS, PEER, unit="1/s", goal=6.0, note="calls per second of wall time"
            ),
            Comparison(CPU, OURS, PEER, note="CPU time of the client's process"),
        ]
        try:
            run.compare("calls in flight, async", comparisons, contenders, run.rounds(8))
        finally:
            runner.run(_close(ours, bare, floor))


def _round(runner: asyncio.Runner, call: Callable[[], Awaitable[object]], count: int) -> Round:
    def turn() -> dict[str, list[float]]:
        rate, cpu = runner.run(in_flight(call, count))
        return {RATE: [rate], CPU: [cpu]}

    return turn


async def _clients(url: str) -> tuple[AsyncPortkey, openai.AsyncOpenAI, aiohttp.ClientSession]:
    return (
        AsyncPortkey(config=config(url)),
        openai.AsyncOpenAI(base_url=url, api_key="sk-0", max_retries=0),
        aiohttp.ClientSession(
            base_url=url + "/",
            connector=aiohttp.TCPConnector(limit=1000),
            headers={"content-type": "application/json", "authorization": "Bearer sk-0"},
        ),
    )


def _post(session: aiohttp.ClientSession) -> Callable[[], Awaitable[bytes]]:
    body = json.dumps(CALL).encode()

    async def post() -> bytes:
        async with session.post("chat/completions", data=body) as response:
            return await response.read()

    return post


async def _close(
    ours: AsyncPortkey, bare: openai.AsyncOpenAI, floor: aiohttp.ClientSession
) -> None:
    await ours.close()
    await bare.close()
    await floor.close()
