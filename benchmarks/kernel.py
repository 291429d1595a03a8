"""3. The kernel alone: one call through a fallback of two retried targets, the first answering.

No socket is touched. Two cuts are made through the same compiled router and the synchronous driver:

- *with codec*: a wire in memory hands out a canned answer. Included are the routing, the HTTP
  message made of the request, the reading and decoding of the answer, and the notes on the attempt.
- *routing only*: the driver answers each `Send` with a reply made beforehand. Included are the
  routing and the driver's loop, nothing else.
- *conditions, sessions, circuits*: the same through a conditional strategy of two conditions, a
  balanced group with sticky sessions, and a circuit breaker, to a retried target.

Neither holds the making of the `Call`, or the client above. For scale the HTTP library's own
client posts into a mock transport, and the routing is seen failing: three attempts at each
target, no waiting.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks.measure import Comparison, Round, per_call
from benchmarks.plain import sdk_http_library
from benchmarks.run import Run
from benchmarks.server import COMPLETION
from benchmarks.workload import CALL, METADATA, config, parity_config
from portkey_local.compile import Compiled, compile_config
from portkey_local.drivers.sync import SyncDriver
from portkey_local.model import (
    Answer,
    Call,
    Failure,
    Fault,
    Outcome,
    Packet,
    Reply,
    Request,
    Target,
)
from portkey_local.providers.openai import encode_json

CODEC = "SyncDriver, with codec"
ROUTING = "SyncDriver, routing only"
FAILING = "SyncDriver, routing only, 6 failed attempts"
POST = "Client.post into MockTransport"
PARITY = "SyncDriver, routing only, conditions, sessions, circuits"
NAMES = (
    "kernel alone, with codec",
    "kernel alone, routing only",
    "kernel alone, conditions, sessions, circuits",
)
URL = "http://127.0.0.1/v1"
BODY = json.dumps(COMPLETION).encode()
HEADERS = {"content-type": "application/json", "x-request-id": "req_0123456789"}


class CannedResponse:
    """An answer that has come whole."""

    def __init__(self) -> None:
        self.head = Answer(200, HEADERS)
        self._body: bytes | None = BODY

    def chunk(self, deadline: float) -> bytes | None:  # noqa: ARG002 - a wire's signature
        """Return the body, then None."""
        body, self._body = self._body, None
        return body

    def close(self) -> None:
        """Do nothing."""


class CannedWire:
    """A wire that sends nothing and always has the answer."""

    def open(self, packet: Packet, deadline: float) -> CannedResponse:  # noqa: ARG002
        """Return the canned answer."""
        return CannedResponse()

    def close(self) -> None:
        """Do nothing."""


class CannedDriver(SyncDriver):
    """A driver that answers each `Send` with the outcome it was given."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(CannedWire(), sleep=lambda _seconds: None)
        self._outcome = outcome

    def _send(self, call: Call, target: Target) -> Outcome:  # noqa: ARG002 - a driver's signature
        return self._outcome


def measure(run: Run) -> None:
    """Measure the kernel."""
    calls = _calls(compile_config(config(URL)), compile_config(parity_config(URL)))
    count = run.samples(4000)
    contenders = {name: _round(call, count) for name, call in calls.items()}
    note = (
        "driver.run(router.route(call)) in memory: routing, message, answer; no client, no socket"
    )
    bare = (
        "driver.run(router.route(call)), each Send answered at once: routing and the driver's loop"
    )
    comparisons = [
        Comparison(NAMES[0], CODEC, POST, goal=10e-6, absolute=True, note=note),
        Comparison(NAMES[1], ROUTING, POST, goal=10e-6, absolute=True, note=bare),
        Comparison(NAMES[2], PARITY, POST, goal=15e-6, absolute=True, note=bare),
    ]
    run.compare("kernel", comparisons, contenders, run.rounds(20))
    shown = ({CODEC, POST}, {ROUTING, FAILING, POST}, {PARITY, POST})
    for comparison, names in zip(comparisons, shown, strict=True):
        for name in contenders.keys() - names:
            comparison.series.pop(name, None)


def _round(call: Callable[[], object], count: int) -> Round:
    def turn() -> dict[str, list[float]]:
        taken = per_call(call, count)
        return {name: [taken] for name in NAMES}

    return turn


def _calls(router: Compiled, parity: Compiled) -> dict[str, Callable[[], object]]:
    request = Request(  # as the client makes it: the body is encoded once, before the router
        "POST",
        "/chat/completions",
        CALL,
        encode_json(CALL),
        headers={"accept": "application/json"},
    )
    forever = float("inf")
    call = Call(request=request, deadline=forever, clock=time.monotonic, rng=random.Random(7))
    known = replace(call, metadata=METADATA)
    target = router.targets[0]
    wired = SyncDriver(CannedWire())
    direct = CannedDriver(Reply(target, Answer(200, HEADERS, BODY), COMPLETION))
    failing = CannedDriver(Failure(target, Fault.STATUS, 503, "HTTP 503"))
    library = sdk_http_library()
    response = library.Response(200, headers=HEADERS, content=BODY)
    client = library.Client(transport=library.MockTransport(lambda _request: response))
    return {
        CODEC: lambda: wired.run(router.route(call)),
        ROUTING: lambda: direct.run(router.route(call)),
        PARITY: lambda: direct.run(parity.route(known)),
        FAILING: lambda: failing.run(router.route(call)),
        POST: lambda: client.post("http://127.0.0.1/v1/chat/completions", json=CALL),
    }
