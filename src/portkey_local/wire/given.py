"""Wires over an HTTP client or transport that the user made, of httpx or httpx2.

The client's own settings hold: certificates, proxies, event hooks. Its timeouts are per read, so
the deadline is checked between the chunks of a body; a head that drips is only bounded by those
reads.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from portkey_local.model import Answer, Packet
from portkey_local.wire.contract import WireError, WireTimeout

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

    def _request(self, packet: Packet, deadline: float) -> Any:
        left = deadline - time.monotonic()
        if left <= 0:
            msg = "the deadline has passed"
            raise WireTimeout(msg)
        timeout = self._library.Timeout(None if left == float("inf") else left)
        return self._client.build_request(
            packet.method,
            packet.url,
            headers=dict(packet.headers),
            content=packet.content,
            timeout=timeout,
        )

    def translated(self, error: Exception) -> Exception:
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

    def _check(self, deadline: float) -> None:
        if time.monotonic() >= deadline:
            msg = "the deadline has passed"
            raise WireTimeout(msg)


class GivenResponse(_Body):
    """An answer of a synchronous client's."""

    def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end."""
        self._check(deadline)
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
        request = self._request(packet, deadline)
        try:
            response = self._client.send(request, stream=True)
        except Exception as error:
            raise self.translated(error) from error
        return GivenResponse(response, self, response.iter_bytes())

    def close(self) -> None:
        """Leave the client open: it belongs to the user."""


class GivenAsyncResponse(_Body):
    """An answer of an asynchronous client's."""

    async def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end."""
        self._check(deadline)
        try:
            data: bytes | None = await anext(self._chunks, None)
        except Exception as error:
            raise self._wire.translated(error) from error
        return data

    async def close(self) -> None:
        """Close the answer."""
        await self._response.aclose()


class GivenAsyncWire(_Given):
    """An asynchronous client or transport as a wire."""

    def __init__(self, given: Any) -> None:
        """Take the client; it stays the user's to close."""
        super().__init__(given, "AsyncClient")

    async def open(self, packet: Packet, deadline: float) -> GivenAsyncResponse:
        """Send a request; return when the head of the answer is in."""
        request = self._request(packet, deadline)
        try:
            response = await self._client.send(request, stream=True)
        except Exception as error:
            raise self.translated(error) from error
        return GivenAsyncResponse(response, self, response.aiter_bytes())

    async def close(self) -> None:
        """Leave the client open: it belongs to the user."""
