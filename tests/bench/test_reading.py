"""A stream read in virtual time is read as the synchronous client reads it, to its very end."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings, strategies as st

from portkey_local.drivers.simulated import Simulation
from portkey_local.drivers.streams import EventStream, StreamBroken
from portkey_local.drivers.virtual import Part, VirtualResponse, opened
from portkey_local.model import Answer, Call, Event, Request, Target
from portkey_local.providers.openai import OpenAICodec
from portkey_local.wire.contract import WireError, WireTimeout

CODEC = OpenAICodec()
HEAD = Answer(200, {"content-type": "text/event-stream"})
REQUEST = Request("POST", "/chat/completions", {"model": "m", "stream": True}, stream=True)
DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
PIECES: dict[str, bytes | WireError | None] = {
    "delta": DELTA,
    "half": DELTA[:20],
    "comment": b": still here\n\n",
    "stop": STOP,
    "done": STOP + b"data: [DONE]\n\n",
    "error": b'data: {"error": {"message": "overloaded"}}\n\n',
    "garbage": b"data: {oops\n\n",
    "cut": WireError("reset"),
    "end": None,
}
gaps = st.sampled_from([0.0, 0.25, 1.0, 1.5, 2.0, 5.0])
scripts = st.lists(st.tuples(gaps, st.sampled_from(sorted(PIECES))), max_size=7)
limits = st.sampled_from([1.0, 2.0, 60.0, math.inf])


class Clock:
    """Virtual time of the synchronous side."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class FakeResponse:
    """The parts of an answer for a synchronous reader."""

    head = HEAD

    def __init__(self, parts: list[Part], clock: Clock) -> None:
        self.parts = parts
        self.clock = clock

    def chunk(self, deadline: float) -> bytes | None:
        """Let time pass up to the next part, or up to the deadline."""
        part = self.parts[0]
        if part.at > deadline:
            self.clock.now = deadline
            raise WireTimeout
        self.clock.now = max(self.clock.now, part.at)
        if len(self.parts) > 1:
            self.parts.pop(0)
        if isinstance(part.content, WireError):
            raise part.content
        return part.content

    def close(self) -> None:
        """Do nothing."""


def parts_of(script: list[tuple[float, str]]) -> list[Part]:
    """Return a script's parts at their moments; the connection ends after the last."""
    at, parts = 0.0, []
    for gap, name in script:
        at += gap
        parts.append(Part(at, PIECES[name]))
    return [*parts, Part(at, None)]


def target(limit: float) -> Target:
    """Return a target whose streams may pause for so long."""
    return Target("config", "openai", "http://x", CODEC, idle_timeout=limit)


def read_live(script: list[tuple[float, str]], limit: float) -> tuple[Any, ...]:
    """Read by the synchronous stream."""
    clock, told = Clock(), []
    call = Call(REQUEST, math.inf, clock, None, emit=told.append)  # type: ignore[arg-type]
    reader = CODEC.reader(target(limit), REQUEST, 0.0)
    first = reader.feed(DELTA)
    response = FakeResponse(parts_of(script), clock)
    stream = EventStream(call, target(limit), response, reader, first)
    seen, ended = [], "clean"
    try:
        seen.extend(event.data for event in stream)
    except StreamBroken as error:
        ended = str(error)
    stream.close()
    return seen, ended, clock.now, names(told)


def read_simulated(script: list[tuple[float, str]], limit: float) -> tuple[Any, ...]:
    """Read in a simulation."""
    simulation, told, found = Simulation(None), [], []  # type: ignore[arg-type]
    call = Call(REQUEST, math.inf, simulation.clock, None, emit=told.append)  # type: ignore[arg-type]
    reader = CODEC.reader(target(limit), REQUEST, 0.0)
    first = reader.feed(DELTA)
    response = VirtualResponse(HEAD, parts_of(script), simulation.clock)
    stream = opened(call, target(limit), reader, first, response).stream

    async def read() -> tuple[list[Any], str]:
        seen: list[Any] = []
        try:
            async for event in stream:
                seen.append(event.data)  # noqa: PERF401 - what came before a break counts
        except StreamBroken as error:
            return seen, str(error)
        finally:
            await stream.close()
        return seen, "clean"

    simulation.read(read(), found.append)
    simulation.run()
    ((seen, ended),) = found
    return seen, ended, simulation.now, names(told)


def names(told: list[Event]) -> list[tuple[str, str | None]]:
    """Return what was reported of a stream."""
    return [(event.name, event.reason) for event in told]


@settings(max_examples=150)
@given(scripts, limits)
def test_streams_end_alike_live_and_in_virtual_time(script, limit):
    """The same events, the same end or break with the same words, at the same moment."""
    assert read_simulated(script, limit) == read_live(script, limit)
