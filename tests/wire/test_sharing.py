"""One client, many users: threads, processes, event loops, and its own end."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trio
from tests.faults.ways import WAYS, Client, nothing_unclosed, run, target

from portkey_local import AsyncPortkey, Connections, Portkey
from portkey_local.testing import Loopback, Received, Step, chat, chat_stream

each_way = pytest.mark.parametrize("way", WAYS)
each_wire = pytest.mark.parametrize("wire", ["aiohttp", "httpx"])


def echo(received: Received) -> Step:
    """Answer with what was asked, as a stream if one was asked for."""
    text = received.json["messages"][0]["content"]
    return chat_stream([text[:3], text[3:]]) if received.wants_stream else chat(text)


def ask(client: Portkey, text: str, *, stream: bool = False) -> str:
    messages: Any = [{"role": "user", "content": text}]
    if not stream:
        answer = client.chat.completions.create(model="m", messages=messages)
        return answer.choices[0].message.content or ""
    chunks = client.chat.completions.create(model="m", messages=messages, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


async def ask_async(client: AsyncPortkey, text: str) -> str:
    messages: Any = [{"role": "user", "content": text}]
    answer = await client.chat.completions.create(model="m", messages=messages)
    return answer.choices[0].message.content or ""


@pytest.fixture
def echoing(provider: Loopback) -> Loopback:
    provider.reset(echo)
    return provider


# --------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize("limit", [1000, 4])
def test_threads(limit: int, echoing: Loopback) -> None:
    """Sixteen threads of one client each get the answers to their own questions, streams too."""
    config = target(echoing.target("t"))
    connections = Connections(max_connections=limit)

    def work(client: Portkey, thread: int) -> list[tuple[str, str]]:
        texts = [f"thread {thread} call {number}" for number in range(20)]
        return [(text, ask(client, text, stream=text.endswith(("3", "7")))) for text in texts]

    client = Portkey(config=config, connections=connections, timeout=5)
    with client, ThreadPoolExecutor(16) as pool:
        for pairs in pool.map(lambda thread: work(client, thread), range(16)):
            assert len(pairs) == 20
            assert all(text == answer for text, answer in pairs)
    assert echoing.wait_closed()


def test_threads_with_options(echoing: Loopback) -> None:
    """Copies made by `with_options` in many threads send each call to its own target."""
    echoing.reset()

    def work(client: Portkey, thread: int) -> None:
        name = f"t{thread}"
        for _ in range(10):
            copy = client.with_options(config=target(echoing.target(name)))
            assert ask(copy, "hello") == f"from {name}"

    with Portkey(config=target(echoing.target("t"))) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda thread: work(client, thread), range(8)))


@pytest.mark.parametrize("wire", ["aiohttp", "httpx"])
def test_event_loops_in_threads(wire: str, echoing: Loopback) -> None:
    """Event loops of several threads can share one AsyncPortkey."""

    async def work(client: AsyncPortkey, thread: int) -> None:
        texts = [f"loop {thread} call {number}" for number in range(10)]
        assert await asyncio.gather(*(ask_async(client, text) for text in texts)) == texts

    with nothing_unclosed(tidy=False):  # a loop may end under open connections
        client = AsyncPortkey(config=target(echoing.target("t")), wire=wire)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda thread: asyncio.run(work(client, thread)), range(4)))
        asyncio.run(client.close())


# ------------------------------------------------------------------------------------- processes


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def in_child(work: Callable[[], Any]) -> Any:
    """Run work in a forked process; fail if it does not end in time."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def child() -> None:
        try:
            theirs.send((True, work()))
        except BaseException:  # noqa: BLE001 - told to the parent
            theirs.send((False, traceback.format_exc()))
        theirs.close()
        os._exit(0)

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # forking with threads is what is tested
        process = context.Process(target=child)
        process.start()
    theirs.close()
    try:
        assert ours.poll(3), "the child process hangs"
        succeeded, result = ours.recv()
        assert succeeded, result
        return result
    finally:
        ours.close()
        process.kill()
        process.join(5)
        process.close()


@needs_fork
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_fork(stream: bool, echoing: Loopback) -> None:
    """A forked process and its parent use the same client without touching each other's sockets."""
    with Portkey(config=target(echoing.target("t"))) as client:
        assert ask(client, "parent one") == "parent one"

        def work() -> list[str]:
            return [ask(client, f"child {number}", stream=stream) for number in range(5)]

        assert in_child(work) == [f"child {number}" for number in range(5)]
        assert ask(client, "parent two") == "parent two"
        assert in_child(work) == [f"child {number}" for number in range(5)]
        assert ask(client, "parent three", stream=stream) == "parent three"


@needs_fork
@each_wire
def test_fork_between_event_loops(wire: str, echoing: Loopback) -> None:
    """An AsyncPortkey that was used before a fork works in the child's event loop and the parent's."""
    client = AsyncPortkey(config=target(echoing.target("t")), wire=wire)

    def work() -> str:
        return asyncio.run(ask_async(client, "child"))

    async def parent() -> None:
        assert await ask_async(client, "parent one") == "parent one"
        assert await asyncio.to_thread(in_child, work) == "child"
        assert await ask_async(client, "parent two") == "parent two"
        await client.close()

    asyncio.run(parent())
    assert echoing.wait_closed()


@needs_fork
@pytest.mark.parametrize("use", ["call", "copy", "close"])
def test_fork_while_a_lock_is_held(use: str, echoing: Loopback, tmp_path: Any) -> None:
    """Locks that other threads hold at the moment of a fork do not stop the child."""
    log = tmp_path / "events.jsonl"
    config = target(echoing.target("t"))
    with Portkey(config=config, event_log=log) as client:
        assert ask(client, "parent one") == "parent one"
        wire, engine = client._driver.wire, client._engine
        pools = [pool._optional_thread_lock for pool in wire._pools.values()]
        owners = [wire, engine, engine._log, *pools]
        held = [value for owner in owners for value in vars(owner).values()]
        locks = [value for value in held if hasattr(value, "acquire") and hasattr(value, "release")]
        assert len(locks) > 2
        ready, over = threading.Event(), threading.Event()

        def hold() -> None:
            for lock in locks:
                lock.acquire()
            ready.set()
            over.wait(10)
            for lock in locks:
                lock.release()

        holder = threading.Thread(target=hold)
        holder.start()
        assert ready.wait(5)

        def work() -> str:
            match use:
                case "call":
                    return ask(client, "child")
                case "copy":
                    return ask(client.with_options(config={**config, "weight": 2}), "child")
                case _:
                    client.close()
                    return "child"

        try:
            assert in_child(work) == "child"
        finally:
            over.set()
            holder.join(5)
        assert ask(client, "parent two") == "parent two"


@needs_fork
def test_fork_among_busy_threads(echoing: Loopback) -> None:
    """Forks at any moment of other threads' calls: every process gets its own answers."""
    over = threading.Event()
    wrong: list[str] = []

    def busy(thread: int) -> None:
        number = 0
        while not over.is_set():
            number += 1
            text = f"thread {thread} call {number}"
            if ask(client, text, stream=number % 2 == 0) != text:
                wrong.append(text)

    def work() -> list[str]:
        return [ask(client, f"child {number}") for number in range(3)]

    with Portkey(config=target(echoing.target("t"))) as client, ThreadPoolExecutor(4) as pool:
        results = [pool.submit(busy, thread) for thread in range(4)]
        try:
            for _ in range(5):
                assert in_child(work) == [f"child {number}" for number in range(3)]
        finally:
            over.set()
        for result in results:
            result.result()
    assert wrong == []


# ------------------------------------------------------------------------------------ event loops


@each_wire
def test_several_runs_of_asyncio(wire: str, echoing: Loopback) -> None:
    """One AsyncPortkey serves one `asyncio.run` after the other, and the dead loops' sockets close."""

    async def work(number: int) -> None:
        texts = [f"run {number} call {call}" for call in range(3)]
        assert await asyncio.gather(*(ask_async(client, text) for text in texts)) == texts

    with nothing_unclosed(tidy=False):  # a loop may end under open connections
        client = AsyncPortkey(config=target(echoing.target("t")), wire=wire)
        for number in range(5):
            asyncio.run(work(number))
        gc.collect()
        for _ in range(200):  # of the last run, and perhaps the one before it
            if echoing.open_connections <= 6:
                break
            time.sleep(0.01)
        assert echoing.open_connections <= 6
        asyncio.run(client.close())
        gc.collect()
        assert echoing.wait_closed()


def test_asyncio_then_trio(echoing: Loopback) -> None:
    """One AsyncPortkey serves trio after asyncio, and asyncio again."""

    async def work() -> None:
        assert await ask_async(client, "hello") == "hello"

    with nothing_unclosed(tidy=False):  # a loop may end under open connections
        client = AsyncPortkey(config=target(echoing.target("t")))
        asyncio.run(work())
        trio.run(work)
        trio.run(work)
        asyncio.run(work())
        asyncio.run(client.close())
        gc.collect()


# --------------------------------------------------------------------------------------- the end


@each_way
def test_a_closed_client_says_so(way: str, provider: Loopback) -> None:
    """A call after `close` raises an error that says what happened, and no connection is made."""

    async def scenario(client: Client) -> None:
        await client.call()
        await client.close()
        assert client.inner.is_closed()
        asked = len(provider.received)
        for stream in (False, True):
            with pytest.raises(RuntimeError, match="closed"):
                await client.create(stream=stream)
        with pytest.raises(RuntimeError, match="closed"):
            await client._awaited(client.inner.models.list())
        assert len(provider.received) == asked
        assert provider.open_connections == 0 or provider.wait_closed()

    run(way, scenario, config=target(provider.target("t")))


@each_way
@pytest.mark.parametrize("used", [False, True])
def test_closing_twice(used: bool, way: str, provider: Loopback) -> None:
    """Closing again is harmless, and so is closing a client that was never used."""

    async def scenario(client: Client) -> None:
        if used:
            await client.call()
        await client.close()
        await client.close()
        assert client.inner.is_closed()

    run(way, scenario, config=target(provider.target("t")))


@each_way
def test_closing_a_copy_closes_all(way: str, provider: Loopback) -> None:
    """Copies share one set of connections, and its end."""

    async def scenario(client: Client) -> None:
        copy = client.inner.with_options(trace_id="x")
        await client.close(copy)
        with pytest.raises(RuntimeError, match="closed"):
            await client.create()

    run(way, scenario, config=target(provider.target("t")))


def test_with_blocks(provider: Loopback) -> None:
    """`with` and `async with` close the client at their end."""
    with Portkey(config=target(provider.target("t"))) as client:
        ask(client, "hello")
    assert client.is_closed()
    assert provider.wait_closed()

    async def work() -> None:
        async with AsyncPortkey(config=target(provider.target("t"))) as client:
            await ask_async(client, "hello")
        assert client.is_closed()

    asyncio.run(work())
    assert provider.wait_closed()


@each_way
def test_a_client_that_is_dropped_closes_its_connections(way: str, provider: Loopback) -> None:
    """A client that nobody closed gives its connections up when it is collected."""

    async def scenario(client: Client) -> None:
        other: Client | None = Client(way, config=target(provider.target("t")))
        assert (await other.call()).text == "from t"
        del other
        gc.collect()
        assert await client.until(lambda: provider.open_connections == 0)

    run(way, scenario, tidy=False, config=target(provider.target("t")))
