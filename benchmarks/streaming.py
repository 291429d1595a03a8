"""4. Streams: the CPU time that one event of `create(stream=True)` costs.

Streams have 500 events.

CPU time of the whole process, because a stream mostly waits. From the call of `create` to the
last chunk, divided by the events. Two ways of arriving: *one by one*, as a model sends them, each
read from the socket by itself; and *in one go*, as they come from a cache or through a proxy that
buffers. Ours routes through a fallback of two retried targets; its peer is the bare SDK. The
floors read the bytes and look at none of them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import aiohttp
import openai

from benchmarks.measure import Comparison, Round
from benchmarks.plain import sdk_http_library
from benchmarks.run import Run
from benchmarks.workload import CALL, config
from portkey_local import AsyncPortkey, Portkey

EVENTS = 500
ARRIVALS = {"one by one": "paced", "in one go": "stream"}
BODY = json.dumps({**CALL, "stream": True}).encode()
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-0"}


def measure(run: Run) -> None:
    """Compare streams."""
    for arrival, folder in ARRIVALS.items():
        url = f"{run.server}/v1/{folder}/{EVENTS}"
        streams = 1 if folder == "paced" else run.samples(4)
        _sync(run, url, arrival, streams)
        _async(run, url, arrival, streams)


def _sync(run: Run, url: str, arrival: str, streams: int) -> None:
    name = f"stream, sync, events {arrival}, CPU per event"
    library = sdk_http_library()
    with ExitStack() as stack:
        ours = stack.enter_context(Portkey(config=config(url)))
        bare = stack.enter_context(openai.OpenAI(base_url=url, api_key="sk-0", max_retries=0))
        floor = stack.enter_context(library.Client(headers=HEADERS))

        def read_bytes() -> None:
            with floor.stream("POST", url + "/chat/completions", content=BODY) as response:
                for _ in response.iter_raw():
                    pass

        contenders = {
            "Portkey": _round(name, lambda: _read(ours), streams),
            "openai.OpenAI": _round(name, lambda: _read(bare), streams),
            f"floor: {library.__name__}, bytes only": _round(name, read_bytes, streams),
        }
        comparison = Comparison(name, "Portkey", "openai.OpenAI", goal=1.0)
        run.compare(f"stream, sync, {arrival}", [comparison], contenders, run.rounds(12))


def _async(run: Run, url: str, arrival: str, streams: int) -> None:
    name = f"stream, async, events {arrival}, CPU per event"
    with asyncio.Runner() as runner:
        ours, bare, floor = runner.run(_clients(url))

        async def read_bytes() -> None:
            async with floor.post("chat/completions", data=BODY) as response:
                async for _ in response.content.iter_any():
                    pass

        def on_loop(read: Callable[[], Awaitable[None]]) -> Round:
            async def turn() -> float:
                begin = time.process_time()
                for _ in range(streams):
                    await read()
                return (time.process_time() - begin) / streams / EVENTS

            return lambda: {name: [runner.run(turn())]}

        contenders = {
            "AsyncPortkey": on_loop(lambda: _aread(ours)),
            "openai.AsyncOpenAI": on_loop(lambda: _aread(bare)),
            "floor: aiohttp, bytes only": on_loop(read_bytes),
        }
        comparison = Comparison(name, "AsyncPortkey", "openai.AsyncOpenAI", goal=1.0)
        try:
            run.compare(f"stream, async, {arrival}", [comparison], contenders, run.rounds(12))
        finally:
            runner.run(_close(ours, bare, floor))


def _round(name: str, read: Callable[[], None], streams: int) -> Round:
    def turn() -> dict[str, list[float]]:
        begin = time.process_time()
        for _ in range(streams):
            read()
        return {name: [(time.process_time() - begin) / streams / EVENTS]}

    return turn


def _read(client: Any) -> None:
    count = 0
    for _chunk in client.chat.completions.create(**CALL, stream=True):
        count += 1
    assert count == EVENTS


async def _aread(client: Any) -> None:
    count = 0
    async for _chunk in await client.chat.completions.create(**CALL, stream=True):
        count += 1
    assert count == EVENTS


async def _clients(url: str) -> tuple[AsyncPortkey, openai.AsyncOpenAI, aiohttp.ClientSession]:
    return (
        AsyncPortkey(config=config(url)),
        openai.AsyncOpenAI(base_url=url, api_key="sk-0", max_retries=0),
        aiohttp.ClientSession(base_url=url + "/", headers=HEADERS),
    )


async def _close(
    ours: AsyncPortkey, bare: openai.AsyncOpenAI, floor: aiohttp.ClientSession
) -> None:
    await ours.close()
    await bare.close()
    await floor.close()
