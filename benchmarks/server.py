"""A provider on 127.0.0.1 that answers as fast as Python can, in a process of its own.

It must not be the bottleneck, so it reads of a request only where it ends and whether it asks for a
stream, and its answers are made beforehand. The path says how a stream comes:

- `/v1/stream/<n>/chat/completions`: n events in one go, each an HTTP chunk;
- `/v1/paced/<n>/chat/completions`: n events, each sent by itself, `PACE` seconds apart;
- `/v1/chat/completions`: 200 events in one go, when the body holds `"stream":true`.

Every other request gets one fixed JSON answer of about 600 bytes. Only the standard library is
used: `python -m benchmarks.server` prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
PACE = 0.0005  # seconds between the events of a paced stream
DEFAULT_EVENTS = 200

TEXT = (
    "The capital of France is Paris. It lies on the Seine, in the north of the country. About two "
    "million people live within its limits; with its suburbs it counts more than eleven million."
)
COMPLETION = {
    "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
    "object": "chat.completion",
    "created": 1750000000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 14, "completion_tokens": 40, "total_tokens": 54},
    "system_fingerprint": "fp_0123456789",
}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"x-request-id: req_0123456789\r\ntransfer-encoding: chunked\r\n\r\n"
)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ASKED = re.compile(rb"/(stream|paced)/(\d+)/")


def plain_answer() -> bytes:
    """Return the one answer to every plain call."""
    body = json.dumps(COMPLETION).encode()
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_0123456789\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@lru_cache
def stream_chunks(count: int) -> tuple[bytes, ...]:
    """Return a stream of `count` events as HTTP chunks; the last one ends the body."""
    words = ["", *(f" word{number % 100}" for number in range(count - 2)), ""]
    chunks = []
    for number, word in enumerate(words):
        delta = {"role": "assistant", "content": ""} if number == 0 else {"content": word}
        last = number == count - 1
        event = {
            "id": COMPLETION["id"],
            "object": "chat.completion.chunk",
            "created": COMPLETION["created"],
            "model": COMPLETION["model"],
            "system_fingerprint": COMPLETION["system_fingerprint"],
            "choices": [
                {
                    "index": 0,
                    "delta": {} if last else delta,
                    "logprobs": None,
                    "finish_reason": "stop" if last else None,
                }
            ],
        }
        chunks.append(
            http_chunk(b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n")
        )
    return (*chunks, http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def http_chunk(data: bytes) -> bytes:
    """Return `data` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Provider(asyncio.Protocol):
    """One connection, kept alive; requests come one after the other."""

    plain = plain_answer()

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer the request when all of it is in."""
        buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n")
        if head >= 0:
            found = LENGTH.search(buffer, 0, head)
            if len(buffer) >= head + 4 + (int(found[1]) if found else 0):
                self._buffer = b""
                self._answer(buffer, head)
                return
        self._buffer = buffer

    def _answer(self, request: bytes, head: int) -> None:
        assert self._transport is not None
        asked = ASKED.search(request, 0, request.find(b"\r\n"))
        if asked and asked[1] == b"paced":
            self._transport.write(STREAM_HEAD)
            self._pace(iter(stream_chunks(int(asked[2]))))
        elif asked or b'"stream":true' in request[head:] or b'"stream": true' in request[head:]:
            count = int(asked[2]) if asked else DEFAULT_EVENTS
            self._transport.write(STREAM_HEAD + b"".join(stream_chunks(count)))
        else:
            self._transport.write(self.plain)

    def _pace(self, chunks: Iterator[bytes]) -> None:
        assert self._transport is not None
        chunk = next(chunks, None)
        if chunk is not None and not self._transport.is_closing():
            self._transport.write(chunk)
            asyncio.get_running_loop().call_later(PACE, self._pace, chunks)


async def serve() -> None:
    """Serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, HOST, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # whoever started us is gone, or wants us gone


@contextmanager
def running(core: int | None = None) -> Iterator[str]:
    """Run a server in a process of its own, on `core` when one is given; give its address."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.server",
        *([str(core)] if core is not None else []),
    ]
    with subprocess.Popen(  # noqa: S603 - the command is ours
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://{HOST}:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    if len(sys.argv) > 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(sys.argv[1])})
    asyncio.run(serve())
