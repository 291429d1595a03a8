"""Wires over an HTTP client or transport that the user made, of httpx or httpx2.

The client's own settings hold: certificates, proxies, event hooks. A synchronous client's timeouts
are per read: the deadline is checked between the chunks of a body, a head that drips is bounded by
those reads alone, and each read of a stream may take the target's idle limit.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from portkey_local.model import Answer, Packet
from portkey_local.wire.contract import CONNECT_TIMEOUT, WireError, WireTimeout
from portkey_local.wire.pooled import within

LIBRARIES = ("httpx2", "httpx")


def library_of(given: object) -> Any:
    """Return the HTTP library whose client or transport `given` is.

    Raises TypeError for anything else. A module that is not loaded cannot have made the object.
    """
    for name in LIBRARIES:
        module = sys.modules.get(name)
        if module is not None and isinstance(
            given,
            (module.Client, module.AsyncClient, module.BaseTransport, module.AsyncBaseTransport),
        ):
            return module
    msg = (
        f"http_client must be a client or transport of httpx or httpx2, not {type(given).__name__}"
    )
    raise TypeError(msg)


def left_of(deadline: float) -> float:
    """Return the seconds until a deadline; raise `WireTimeout` when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        msg = "the deadline has passed"
        raise WireTimeout(msg)
    return left


def finite(seconds: float) -> float | None:
    """Return a limit as the HTTP libraries write it: None for infinity."""
    return None if seconds == float("inf") else seconds


class _Given:
    """What the synchronous and the asynchronous form share."""

    def __init__(self, given: Any, kind: str) -> None:
        self._library = library_of(given)
        client_class = getattr(self._library, kind)
        if not isinstance(given, (client_class, *self._transports(kind))):
            msg = f"http_client must be a {kind} here, not {type(given).__name__}"
            raise TypeError(msg)
        owned = not isinstance(given, client_class)
        self._client: Any = client_class(transport=given, trust_env=False) if owned else given

    def _transports(self, kind: str) -> tuple[type, ...]:
        name = "AsyncBaseTransport" if kind == "AsyncClient" else "BaseTransport"
        return (getattr(self._library, name),)

    def _request(self, packet: Packet, timeout: float | None) -> Any:
        return self._client.build_request(
            packet.method,
            packet.url,
            headers=dict(packet.headers),
            content=packet.content,
            timeout=self._library.Timeout(timeout, connect=CONNECT_TIMEOUT),
        )

    def translated(self, error: Exception) -> Exception:
        if isinstance(error, (WireError, WireTimeout)):
            return error
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, self._library.TimeoutException):
            return WireTimeout(text)
        if isinstance(error, (self._library.RequestError, self._library.StreamError, OSError)):
            return WireError(text)
        return error


class _Body:
    """An answer of the given client's; `translate` turns its errors into a wire's."""

    def __init__(self, response: Any, wire: _Given, chunks: Any) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        self.head = Answer(response.status_code, headers)
        self._response = response
        self._wire = wire
        self._chunks = chunks


class GivenResponse(_Body):
    """An answer of a synchronous client's."""

    def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end."""
        left_of(deadline)
        try:
            data: bytes | None = next(self._chunks, None)
        except Exception as error:
            raise self._wire.translated(error) from error
        return data

    def close(self) -> None:
        """Close the answer."""
        self._response.close()


class GivenWire(_Given):
    """A synchronous client or transport as a wire."""

    def __init__(self, given: Any) -> None:
        """Take the client; it stays the user's to close."""
        super().__init__(given, "Client")

    def open(self, packet: Packet, deadline: float) -> GivenResponse:
        """Send a request; return when the head of the answer is in."""
        request = self._request(packet, finite(left_of(deadline)))
        try:
            response = self._client.send(request, stream=True)
        except Exception as error:
            raise self.translated(error) from error
        if packet.idle is not None:  # each read of the body that begins now may take so long
            request.extensions["timeout"]["read"] = finite(packet.idle)
        return GivenResponse(response, self, response.iter_bytes())

    def close(self) -> None:
        """Leave the client open: it belongs to the user."""


class GivenAsyncResponse(_Body):
    """An answer of an asynchronous client's."""

    async def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end."""
        try:
            data: bytes | None = await within(deadline, anext(self._chunks, None))
        except Exception as error:
            raise self._wire.translated(error) from error
        return data

    async def close(self) -> None:
        """Close the answer."""
        await self._chunks.aclose()
        await self._response.aclose()


class GivenAsyncWire(_Given):
    """An asynchronous client or transport as a wire."""

    def __init__(self, given: Any) -> None:
        """Take the client; it stays the user's to close."""
        super().__init__(given, "AsyncClient")

    async def open(self, packet: Packet, deadline: float) -> GivenAsyncResponse:
        """Send a request; return when the head of the answer is in."""
        request = self._request(packet, None)
        try:
            response = await within(deadline, self._client.send(request, stream=True))
        except Exception as error:
            raise self.translated(error) from error
        return GivenAsyncResponse(response, self, response.aiter_bytes())

    async def close(self) -> None:
        """Leave the client open: it belongs to the user."""
