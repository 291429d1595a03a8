"""What the drivers ask of a wire, and how a wire says that it failed.

A wire opens a request and hands back a response whose head has come. Deadlines are absolute times
of `time.monotonic()`; a wire keeps them against a provider that sends one byte at a time too. A
response is closed by whoever opened it, whatever happens; closing twice is harmless.
"""

from __future__ import annotations

from typing import Protocol

from portkey_local.model import Answer, Packet

CONNECT_TIMEOUT = 5.0  # seconds; the openai SDK's own default


class WireTimeout(Exception):
    """The deadline passed, or no connection could be made in time."""


class WireError(Exception):
    """No whole answer came: refused, reset, cut, or not HTTP."""


class Response(Protocol):
    """An answer whose head has come and whose body can be read."""

    head: Answer

    def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end."""

    def close(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""


class Wire(Protocol):
    """Sends requests from any thread."""

    def open(self, packet: Packet, deadline: float) -> Response:
        """Send a request; return when the head of the answer is in."""

    def close(self) -> None:
        """Close every connection."""


class AsyncResponse(Protocol):
    """The same, for asynchronous code."""

    head: Answer

    async def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end."""

    async def close(self) -> None:
        """Give the connection back, or close it."""


class AsyncWire(Protocol):
    """The same, for asynchronous code."""

    async def open(self, packet: Packet, deadline: float) -> AsyncResponse:
        """Send a request; return when the head of the answer is in."""

    async def close(self) -> None:
        """Close every connection."""
