"""Streams in virtual time: the asynchronous streams of the live driver, over an answer that waits
for nobody.

Ground rules: what is awaited here is a moment of virtual time, or the end of a route; the simulated
driver alone resumes it. Everything else about a stream (its idle limit, its false ends, its tape)
is the live driver's own.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from portkey_local.drivers.streams import AsyncEventStream
from portkey_local.effects import Route
from portkey_local.model import Answer, Call, EventReader, Reply, ServerEvent, Target
from portkey_local.wire.contract import WireError, WireTimeout

__all__ = ["Awaited", "Part", "Performed", "Until", "VirtualResponse", "opened", "performed"]


@dataclass(slots=True)  # not frozen, which would take longer to make
class Until:
    """Wait for a moment of virtual time."""

    moment: float


@dataclass(frozen=True, slots=True)
class Performed:
    """Wait for the end of a route."""

    route: Route[Any]


Awaited: TypeAlias = Until | Performed


@types.coroutine
def _awaited(what: Awaited) -> Generator[Awaited, Any, Any]:
    return (yield what)


async def performed(route: Route[Any]) -> Any:
    """Return what a route returns, once the simulation has performed it."""
    return await _awaited(Performed(route))


@dataclass(slots=True)
class Part:
    """What comes of an answer at a moment: bytes, or how the connection ends (None: as it must)."""

    at: float
    content: bytes | WireError | None


class VirtualResponse:
    """An answer whose head has come; each part of its body comes at its moment, the last for ever.

    `closed` hears once when the answer is closed, early or at its end.
    """

    def __init__(
        self,
        head: Answer,
        parts: Iterable[Part],
        clock: Callable[[], float],
        closed: Callable[[], object] | None = None,
    ) -> None:
        """Take the head, and at least one part."""
        self.head = head
        self._parts = deque(parts)
        self._clock = clock
        self._closed = closed

    async def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes, or None at the end; raise as a wire does."""
        part = self._parts[0]
        at, content = part.at, part.content
        if at > deadline:
            await _awaited(Until(deadline))
            raise WireTimeout("nothing came in time")
        if at > self._clock():
            await _awaited(Until(at))
        if len(self._parts) > 1:
            self._parts.popleft()
        if isinstance(content, WireError):
            raise content
        return content

    async def close(self) -> None:
        """Tell whoever wants to know, once."""
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()


def opened(
    call: Call,
    target: Target,
    reader: EventReader,
    events: list[ServerEvent],
    response: VirtualResponse,
) -> Reply:
    """Return the reply of an answer whose first events have come."""
    stream = AsyncEventStream(call, target, response, reader, events)
    return Reply(target, response.head, stream=stream, blocked=reader.blocked)
