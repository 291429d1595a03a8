"""The way a request goes that is not routed: as it would have gone without us.

An HTTP client chooses a transport by the URL: a proxy's, or its own. `ways` makes those into one
transport again. A client that is given stays its owner's to close.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, Final

__all__ = ["async_ways", "is_native", "is_plain", "ways"]

MADE_BY_SDK: Final = frozenset({"AsyncHttpxClientWrapper", "SyncHttpxClientWrapper"})


@cache
def ways(library: Any) -> Callable[..., Any]:
    """Return the class of a synchronous transport over a client's, for httpx or httpx2."""

    class Ways(library.BaseTransport):  # type: ignore[misc]
        """Sends by the transports of a client: one that is given, or its own, when first needed."""

        def __init__(self, client: Any = None) -> None:
            self._client = client
            self._is_own = client is None

        def handle_request(self, request: Any) -> Any:
            if self._client is None:
                self._client = library.Client()
            return self._client._transport_for_url(request.url).handle_request(request)

        def close(self) -> None:
            """Close the client, unless it was given."""
            if self._is_own and self._client is not None:
                self._client.close()

    return Ways


@cache
def async_ways(library: Any) -> Callable[..., Any]:
    """Return the class of an asynchronous transport over a client's, for httpx or httpx2."""

    class AsyncWays(library.AsyncBaseTransport):  # type: ignore[misc]
        """Sends by the transports of a client: one that is given, or its own, when first needed."""

        def __init__(self, client: Any = None) -> None:
            self._client = client
            self._is_own = client is None

        async def handle_async_request(self, request: Any) -> Any:
            if self._client is None:
                self._client = library.AsyncClient()
            transport = self._client._transport_for_url(request.url)
            return await transport.handle_async_request(request)

        async def aclose(self) -> None:
            """Close the client, unless it was given."""
            if self._is_own and self._client is not None:
                await self._client.aclose()

    return AsyncWays


def is_plain(client: Any, library: Any) -> bool:
    """Whether an SDK made its HTTP client itself, and nobody has put anything in its way since.

    Then our own wires may carry its calls. Otherwise they go by its transports: a proxy, a
    certificate, or an instrumentation is there for a reason.
    """
    if type(client).__name__ not in MADE_BY_SDK or vars(client).keys() & {"send", "request"}:
        return False
    transports = [client._transport, *filter(None, client._mounts.values())]
    return all(_is_bare(transport, library) for transport in transports)


def _is_bare(transport: Any, library: Any) -> bool:
    kinds = (library.HTTPTransport, library.AsyncHTTPTransport)
    names = ("handle_request", "handle_async_request")
    if type(transport) not in kinds or vars(transport).keys() & set(names):
        return False
    methods = [getattr(type(transport), name, None) for name in names]
    return all(is_native(method, library) for method in methods if method is not None)


def is_native(method: Any, library: Any) -> bool:
    """Whether a method is the library's own, and not what somebody has put in its place.

    A function that was dressed up by `functools.wraps` cannot hide where it was written.
    """
    if type(method) is not FunctionType:
        return False
    written_in: str = method.__globals__.get("__name__", "")
    name: str = library.__name__
    return written_in.partition(".")[0] == name
