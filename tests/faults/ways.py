"""The four ways to make a call, behind one asynchronous face.

A test is written once, as a coroutine that takes a `Client`; `run` drives it with the synchronous client
(whose face never waits), with both wires of asyncio, and on trio. Around it `run` looks for what a call
must not leave behind: tasks, complaints of the event loop, and warnings of unclosed things.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import trio

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Loopback

WAYS = ("sync", "aiohttp", "httpx", "trio")
ASYNC_WAYS = WAYS[1:]
MESSAGES = [{"role": "user", "content": "hello"}]
KEY = "sk-not-for-anybodys-eyes-0123456789"

# httpx and httpcore 1 leave inner generators to the collector, whoever closes the outer one.
NOT_OURS = ("Async generator 'httpx.", "Async generator 'httpcore.")


@dataclass
class Outcome:
    """What a call came to: what was read, and the exception that ended it."""

    texts: list[str] = field(default_factory=list)
    error: Exception | None = None
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.texts)


class Client:
    """A `Portkey` or an `AsyncPortkey`, whichever the way asks for, with one asynchronous face."""

    def __init__(self, way: str, **options: Any) -> None:
        self.way = way
        if way == "sync":
            self.inner: Any = Portkey(**options)
        else:
            if "http_client" not in options:
                options = {**options, "wire": "httpx" if way == "httpx" else "aiohttp"}
            self.inner = AsyncPortkey(**options)

    async def _awaited(self, result: Any) -> Any:
        return result if self.way == "sync" else await result

    async def create(self, **arguments: Any) -> Any:
        arguments = {"model": "m", "messages": MESSAGES, **arguments}
        return await self._awaited(self.inner.chat.completions.create(**arguments))

    async def next(self, stream: Any) -> Any:
        """Return the next chunk, or None at the end."""
        return next(stream, None) if self.way == "sync" else await anext(stream, None)

    async def close(self, what: Any = None) -> None:
        await self._awaited((what or self.inner).close())

    async def sleep(self, seconds: float) -> None:
        match self.way:
            case "sync":
                time.sleep(seconds)  # noqa: ASYNC251 - no event loop is running
            case "trio":
                await trio.sleep(seconds)
            case _:
                await asyncio.sleep(seconds)

    async def until(self, holds: Callable[[], bool], limit: float = 5.0) -> bool:
        """Wait for a condition; False if it never holds."""
        end = time.monotonic() + limit
        while not holds():
            if time.monotonic() > end:
                return False
            await self.sleep(0.004)
        return True

    async def call(self, *, stream: bool = False, **arguments: Any) -> Outcome:
        """Make a call and read its answer to the end."""
        outcome = Outcome()
        begin = time.monotonic()
        try:
            result = await self.create(**arguments, **({"stream": True} if stream else {}))
            outcome.headers = result.get_headers()
            if stream:
                await self.read(result, outcome)
            else:
                outcome.texts.append(result.choices[0].message.content)
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            outcome.error = error
        outcome.seconds = time.monotonic() - begin
        return outcome

    async def read(self, stream: Any, outcome: Outcome) -> None:
        while (chunk := await self.next(stream)) is not None:
            outcome.texts += [choice.delta.content or "" for choice in chunk.choices]


Scenario = Callable[[Client], Awaitable[None]]


def run(way: str, scenario: Scenario, *, tidy: bool = True, **options: Any) -> None:
    """Run a scenario with a new client; fail if it leaves something behind, unless it may."""
    _warm_up()
    with nothing_unclosed(tidy=tidy):
        _run(way, scenario, options, tidy=tidy)


def _run(way: str, scenario: Scenario, options: dict[str, Any], *, tidy: bool) -> None:
    match way:
        case "sync":
            _drive(_whole(way, scenario, options))
        case "trio":
            trio.run(_whole, way, scenario, options)
        case _:
            asyncio.run(_on_asyncio(way, scenario, options, tidy))


@cache
def _warm_up() -> None:
    """Make one call in each way, so that no test counts the loading of libraries as waiting."""

    async def scenario(client: Client) -> None:
        for stream in (False, True):
            assert (await client.call(stream=stream)).error is None

    with Loopback() as provider:
        for way in WAYS:
            _run(way, scenario, {"config": target(provider.target("t"))}, tidy=False)


def run_together(check: Callable[..., None], *ways: Sequence[str], tidy: bool = True) -> None:
    """Check all combinations side by side, as most of their time is waiting; one failure fails all."""
    _warm_up()
    rows = list(itertools.product(*ways))
    with nothing_unclosed(tidy=tidy), ThreadPoolExecutor(len(rows)) as pool:
        for row, result in zip(rows, [pool.submit(check, *row) for row in rows], strict=True):
            try:
                result.result()
            except BaseException as error:
                error.add_note(f"with: {', '.join(row)}")
                raise


_watched = threading.Lock()


@contextmanager
def nothing_unclosed(*, tidy: bool = True) -> Iterator[None]:
    """Fail if something made inside is thrown away unclosed; a watch inside of a watch is the same one."""
    if not _watched.acquire(blocking=False):
        yield
        return
    gc.freeze()  # only what is made from here on is looked at, which is quick, and blames nobody else
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            yield
            gc.collect()
    finally:
        gc.unfreeze()
        _watched.release()
    told = [str(warning.message) for warning in seen if warning.category is ResourceWarning]
    unclosed = [text for text in told if not text.startswith(NOT_OURS)]
    assert not (unclosed and tidy), unclosed


async def _whole(way: str, scenario: Scenario, options: dict[str, Any]) -> None:
    client = Client(way, **options)
    try:
        await scenario(client)
    finally:
        await client.close()


async def _on_asyncio(way: str, scenario: Scenario, options: dict[str, Any], tidy: bool) -> None:
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    await _whole(way, scenario, options)
    gc.collect()
    for _ in range(10):  # whatever was told to end, ends
        await asyncio.sleep(0)
    stray = asyncio.all_tasks() - {asyncio.current_task()}
    assert not stray
    assert not (complaints and tidy), complaints


def _drive(coroutine: Any) -> None:
    with suppress(StopIteration):
        coroutine.send(None)
        raise AssertionError("a synchronous scenario waited")


def target(url: str, **fields: Any) -> dict[str, Any]:
    """Return a target of a config: an OpenAI-compatible host with a key."""
    return {"provider": "openai", "api_key": KEY, "custom_host": url, **fields}


def fallback(*targets: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a config that falls back from each target to the next."""
    return {"strategy": {"mode": "fallback"}, "targets": list(targets), **fields}
