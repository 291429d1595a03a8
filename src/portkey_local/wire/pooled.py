"""The asynchronous wire for trio, and for asyncio where it is asked for: httpcore's pools over
anyio.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

import anyio

from portkey_local.model import Packet
from portkey_local.wire.contract import WireTimeout
from portkey_local.wire.decoding import Coded
from portkey_local.wire.heads import wire_headers
from portkey_local.wire.settings import Connections, core_library
from portkey_local.wire.sync import (
    make_pool,
    pool_options,
    spoilt,
    target_of,
    translated,
)

T = TypeVar("T")


class _Stream:
    """A network stream that closes itself when its TLS handshake is cancelled.

    httpcore's own closes only on errors, and our deadline arrives as a cancellation.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = await self._inner.read(max_bytes, timeout)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(self, *arguments: Any, **options: Any) -> _Stream:
        try:
            return _Stream(await self._inner.start_tls(*arguments, **options))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend:
    """Makes connections by anyio, on asyncio and trio."""

    def __init__(self) -> None:
        self._inner = core_library().AnyIOBackend()

    async def connect_tcp(self, *arguments: Any, **options: Any) -> _Stream:
        return _Stream(await self._inner.connect_tcp(*arguments, **options))

    async def connect_unix_socket(self, *arguments: Any, **options: Any) -> _Stream:
        return _Stream(await self._inner.connect_unix_socket(*arguments, **options))

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class PooledResponse(Coded):
    """An answer of httpcore's."""

    def __init__(self, response: Any) -> None:
        """Take a response whose body is unread."""
        super().__init__(response.status, response.headers)
        self._response = response
        self._chunks = response.stream.__aiter__()

    async def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end."""
        data: bytes | None = await within(deadline, anext(self._chunks, None))
        return self.plain(data)

    async def close(self) -> None:
        """Give the connection back, or close it; shielded, so that a cancelled task leaves no
        socket.
        """
        with anyio.CancelScope(shield=True):
            await self._chunks.aclose()
            connection = spoilt(self._response)
            await self._response.aclose()
            if connection is not None:
                await connection.aclose()


class PooledWire:
    """Connection pools for every way out, of one event loop."""

    def __init__(self, settings: Connections | None = None) -> None:
        """Make no connection yet."""
        self._settings = settings or Connections()
        self._pools: dict[tuple[bool, str | None], Any] = {}
        self._routes: dict[str, Any] = {}

    async def open(self, packet: Packet, deadline: float) -> PooledResponse:
        """Send a request; return when the head of the answer is in."""
        url, host, origin = target_of(packet.url)
        pool = self._routes.get(origin) or self._route(packet.url, origin)
        request = core_library().Request(
            packet.method,
            url,
            headers=wire_headers(packet, host),
            content=packet.content or b"",
            extensions={"timeout": {"connect": self._settings.connect_timeout}},
        )
        response = await within(deadline, pool.handle_async_request(request))
        try:
            return PooledResponse(response)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await response.aclose()
            raise

    def _route(self, url: str, origin: str) -> Any:
        secure = url.startswith("https:")
        proxy = self._settings.proxy_for(url)
        pool = self._pools.get((secure, proxy))
        if pool is None:
            options = pool_options(self._settings, secure=secure, backend=_Backend())
            pool = self._pools[secure, proxy] = make_pool(proxy, options, "Async")
        self._routes[origin] = pool
        return pool

    async def close(self) -> None:
        """Close every connection."""
        pools = list(self._pools.values())
        self._pools.clear()
        self._routes.clear()
        for pool in pools:
            await pool.aclose()


def load_loops(names: Iterable[str]) -> None:
    """Import anyio's half for an event loop, which it would do in the middle of the first call."""
    for name in names:
        with contextlib.suppress(ImportError):  # a module of another name costs that call some time
            importlib.import_module(f"anyio._backends._{name}")


async def within(deadline: float, waiting: Awaitable[T]) -> T:
    """Await under a deadline of `time.monotonic()`; raise a wire's own errors."""
    left = deadline - time.monotonic()
    try:
        with anyio.fail_after(None if left == float("inf") else max(0.0, left)):
            return await waiting
    except TimeoutError as error:
        msg = "the deadline has passed"
        raise WireTimeout(msg) from error
    except Exception as error:
        raise translated(error) from error
