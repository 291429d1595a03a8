"""The modelled providers of the offline bench on 127.0.0.1: the same fates, in real time.

`python -m benchmarks.modelled` reads one JSON object from its standard input (config, workload,
weather, seed), prints its port, and plays each attempt as the model says, with the luck of the call
that the body's `user` names. `GET /begin` sets the clock to 0. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
PLACE = re.compile(rb" /t/(\d+)/")
HANG_UP = object()


@dataclass
class Providers:
    """What the server plays: the sites of the config, and who has asked how often."""

    sites: list[Any]
    targets: list[Any]
    workload: Any
    begun: float = field(default_factory=time.monotonic)
    asked: Counter[tuple[int, str]] = field(default_factory=Counter)

    def fate(self, place: int, call: int) -> Any:
        """Return what becomes of an attempt that has just come."""
        from portkey_local.bench.weather.fates import Ask

        site = self.sites[place]
        attempt = self.asked[call, site.identity]
        self.asked[call, site.identity] += 1
        sizes = self.workload.prompt_tokens[call], self.workload.completion_tokens[call]
        now = time.monotonic() - self.begun
        return site.source.fate(Ask(call, attempt, now, *map(int, sizes), float("inf")))


def providers_of(told: dict[str, Any]) -> Providers:
    """Return the providers of a config in a weather, as the simulation has them."""
    from portkey_local.bench.sites import sites_of
    from portkey_local.bench.weather import weather_of
    from portkey_local.bench.workloads import workload_of
    from portkey_local.compile import compile_config

    workload = workload_of(told["workload"], seed=told["seed"])
    compiled = compile_config(told["config"])
    weather = weather_of(told["weather"])
    sites = sites_of(
        compiled.targets, weather, model=workload.model, load=workload.load, seed=told["seed"]
    )
    return Providers(list(sites.values()), list(compiled.targets), workload)


class Connection(asyncio.Protocol):
    """One client's connection, one request at a time."""

    def __init__(self, providers: Providers) -> None:
        """Wait for a request."""
        self._providers = providers
        self._buffer = b""
        self._transport: Any = None
        self._playing: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Take the connection."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - of the protocol
        """Stop playing: nobody listens."""
        if self._playing is not None:
            self._playing.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not found or (length is not None and len(body) < int(length[1])):
            return
        self._buffer = b""
        if head.startswith(b"GET /begin"):
            self._providers.begun = time.monotonic()
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            return
        place = PLACE.search(head)
        assert place is not None, head
        self._playing = asyncio.ensure_future(self._play(int(place[1]), json.loads(body)))

    async def _play(self, place: int, request: dict[str, Any]) -> None:
        from portkey_local.bench.weather.fates import End

        begin = time.monotonic()
        fate = self._providers.fate(place, int(request["user"]))
        await _until(begin + fate.first)
        if fate.end is End.NETWORK:
            self._transport.abort()
        elif fate.end is End.STATUS:
            self._answer(fate.status, b'{"error":{"message":"modelled"}}', fate.retry_after)
        elif request.get("stream"):
            await self._stream(place, fate, begin + fate.first)
        else:
            await _until(begin + fate.first + fate.rest + fate.stall)
            if fate.end is End.TRUNCATED:
                self._transport.abort()
            else:
                self._answer(200, _completion(fate.tokens), None)

    def _answer(self, status: int, body: bytes, retry_after: float | None) -> None:
        head = f"HTTP/1.1 {status} Modelled\r\ncontent-type: application/json\r\n"
        if retry_after is not None:
            head += f"retry-after: {retry_after:g}\r\n"
        self._transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def _stream(self, place: int, fate: Any, begin: float) -> None:
        from portkey_local.bench.events import first_event
        from portkey_local.bench.world import following

        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        head += b"transfer-encoding: chunked\r\n\r\n"
        self._transport.write(head + _chunk(first_event("answer")))
        for part in following(fate, self._providers.targets[place], begin):
            await _until(part.at)
            if isinstance(part.content, Exception):
                self._transport.abort()
                return
            self._transport.write(_chunk(part.content or b""))


async def _until(moment: float) -> None:
    left = moment - time.monotonic()
    while left > 0:
        await asyncio.sleep(min(left, 3600.0))
        left = moment - time.monotonic()


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _completion(tokens: int) -> bytes:
    message = {"role": "assistant", "content": "answer"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
    facts = {"id": "modelled", "object": "chat.completion", "created": 0, "model": "modelled"}
    return json.dumps({**facts, "choices": [choice], "usage": usage}).encode()


async def serve(told: dict[str, Any]) -> None:
    """Play the providers until the standard input ends."""
    providers = providers_of(told)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(providers), HOST, 0, backlog=1024)
    ended = asyncio.Event()
    wait = threading.Thread(
        target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True
    )
    wait.start()
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()


@contextmanager
def running(told: dict[str, Any]) -> Iterator[str]:
    """Run the server in a process of its own; yield its address."""
    command = [sys.executable, "-m", "benchmarks.modelled"]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        yield f"http://{HOST}:{int(process.stdout.readline())}"
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait(timeout=10)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    asyncio.run(serve(json.loads(sys.stdin.readline())))
