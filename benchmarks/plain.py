"""1. A plain call, one at a time: how long `chat.completions.create` takes, p50.

Ours routes through a fallback of two targets with retries, the first of which answers; its peer
is the bare SDK without retries. The floors do less: they post the same bytes to the same server
and read the answer as bytes; the bare socket shows what the server and the system take. All keep
their connection.
"""

from __future__ import annotations

import http.client
import importlib
import json
import socket
import urllib.parse
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import openai

from benchmarks.measure import Comparison, Round, each_call
from benchmarks.run import Run
from benchmarks.workload import CALL, config
from portkey_local import Portkey

OURS = "Portkey, fallback of 2 × retry"
PEER = "openai.OpenAI"
TIME, CPU = "plain call, sync, p50", "plain call, sync, CPU"


def measure(run: Run) -> None:
    """Compare plain calls."""
    count = run.samples(200)
    with ExitStack() as stack:
        contenders = {
            name: _round(call, count) for name, call in _calls(run.server + "/v1", stack).items()
        }
        comparisons = [
            Comparison(
                TIME, OURS, PEER, goal=0.55, note="wall time of create(); floors post bytes"
            ),
            Comparison(CPU, OURS, PEER, note="CPU time of the client's process"),
        ]
        run.compare("plain calls, sync", comparisons, contenders, run.rounds(20))


def _round(call: Callable[[], object], count: int) -> Round:
    def turn() -> dict[str, list[float]]:
        samples, cpu = each_call(call, count)
        return {TIME: samples, CPU: [cpu]}

    return turn


def _calls(url: str, stack: ExitStack) -> dict[str, Callable[[], object]]:
    ours = stack.enter_context(Portkey(config=config(url)))
    bare = stack.enter_context(openai.OpenAI(base_url=url, api_key="sk-0", max_retries=0))
    library = sdk_http_library()
    floor = stack.enter_context(library.Client())
    parts = urllib.parse.urlsplit(url)
    raw = http.client.HTTPConnection(parts.hostname or "", parts.port)
    stack.callback(raw.close)
    body = json.dumps(CALL).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer sk-0"}

    def post() -> bytes:
        raw.request("POST", parts.path + "/chat/completions", body, headers)
        return raw.getresponse().read()

    request = (
        f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    line = stack.enter_context(socket.create_connection((parts.hostname or "", parts.port or 80)))

    def exchange() -> bytes:
        line.sendall(request)
        return line.recv(65536)

    return {
        OURS: lambda: ours.chat.completions.create(**CALL),
        PEER: lambda: bare.chat.completions.create(**CALL),
        f"floor: {library.__name__}.Client.post": lambda: floor.post(
            url + "/chat/completions", content=body, headers=headers
        ),
        "floor: http.client": post,
        "floor: a bare socket": exchange,
    }


def sdk_http_library() -> Any:
    """Return the HTTP library of the installed SDK: httpx2, or httpx under openai 2."""
    return importlib.import_module(openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0])
