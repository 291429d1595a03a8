"""The synchronous wire: httpcore's connection pools, with deadlines kept at the socket.

An HTTP library's timeouts hold for one read each, so a provider that sends a byte now and then is
never stopped by them. Here every read and write of a socket gets the seconds that are left of the
deadline of the thread's current operation. The pool is used directly, without the client above it:
that layer's cookies, redirects and request building are not needed, and cost as much as the rest
of the call.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from portkey_local.model import Packet
from portkey_local.wire.contract import WireError, WireTimeout
from portkey_local.wire.decoding import Coded
from portkey_local.wire.heads import Heads
from portkey_local.wire.settings import Connections, core_library, http_library, prepare

MUCH = 2**16  # bytes of a request that are held back at most
_limit = threading.local()


class _DeadlineStream:
    """A network stream whose every wait is cut at the current operation's deadline.

    What is written goes out at the next read, or when it is much: a request's head and its short
    body leave in one packet, which saves a system call here and a wake-up there.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._unsent = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._flush(timeout)
        data: bytes = self._inner.read(max_bytes, _left(timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._unsent += buffer
        if len(self._unsent) >= MUCH:
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        if self._unsent:
            buffer, self._unsent = self._unsent, b""
            self._inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _DeadlineStream:
        self._flush(timeout)
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _DeadlineBackend:
    """Makes connections whose streams keep the deadline."""

    def __init__(self) -> None:
        self._inner = core_library().SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **rest: Any
    ) -> _DeadlineStream:
        return _DeadlineStream(self._inner.connect_tcp(host, port, _left(timeout), **rest))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, **rest: Any
    ) -> _DeadlineStream:
        return _DeadlineStream(self._inner.connect_unix_socket(path, _left(timeout), **rest))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


def _left(timeout: float | None) -> float | None:
    """Return the seconds this socket operation may take."""
    deadline = getattr(_limit, "deadline", None)
    if deadline is None or deadline == float("inf"):
        return timeout
    left: float = deadline - time.monotonic()
    if left <= 0:
        msg = "the deadline has passed"
        raise core_library().ReadTimeout(msg)
    return left if timeout is None else min(left, timeout)


class CoreResponse(Coded):
    """An answer of httpcore's, read and closed by one thread at a time."""

    def __init__(self, response: Any) -> None:
        """Take a response whose body is unread."""
        super().__init__(response.status, response.headers)
        self._response = response
        self._chunks: Iterator[bytes] = iter(response.stream)

    def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end."""
        _limit.deadline = deadline
        try:
            data = next(self._chunks, None)
        except Exception as error:
            raise translated(error) from error
        return self.plain(data)

    def close(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""
        connection = spoilt(self._response)
        if connection is not None:  # the socket first, so that no other thread is given it
            self._response.extensions["network_stream"].close()
        self._response.close()
        if connection is not None:
            connection.close()


class CoreWire:
    """Connection pools for every way out: direct, and one for each proxy."""

    def __init__(self, settings: Connections | None = None) -> None:
        """Make no connection yet, and no TLS context: that costs tens of milliseconds."""
        self._settings = settings or Connections()
        prepare(self._settings)
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._owner = os.getpid()
        self._pools: dict[tuple[bool, str | None], Any] = {}
        self._routes: dict[str, Any] = {}
        self._heads = Heads()

    def open(self, packet: Packet, deadline: float) -> CoreResponse:
        """Send a request; return when the head of the answer is in."""
        self._after_fork()
        url, host, origin = target_of(packet.url)
        pool = self._routes.get(origin) or self._route(packet.url, origin)
        _limit.deadline = deadline
        request = core_library().Request(
            packet.method,
            url,
            content=packet.content or b"",
            extensions={
                "timeout": {"connect": self._settings.connect_timeout, "pool": _pool_wait(deadline)}
            },
        )
        request.headers = self._heads.of(packet, host)
        try:
            response = pool.handle_request(request)
        except Exception as error:
            raise translated(error) from error
        try:
            return CoreResponse(response)
        except BaseException:
            response.close()
            raise

    def _route(self, url: str, origin: str) -> Any:
        secure = url.startswith("https:")
        proxy = self._settings.proxy_for(url)
        with self._lock:
            pool = self._pools.get((secure, proxy))
            if pool is None:
                options = pool_options(self._settings, secure=secure, backend=_DeadlineBackend())
                pool = make_pool(proxy, options, "")
                self._pools[secure, proxy] = pool
            self._routes[origin] = pool
        return pool

    def _after_fork(self) -> None:
        """Begin anew in a child process: sockets and locks are the parent's."""
        if self._owner != os.getpid():
            self._inherited = self._pools  # kept, so that nothing closes them here
            self._lock = threading.Lock()
            self._begin()

    def close(self) -> None:
        """Close every connection."""
        self._after_fork()
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
            self._routes.clear()
        for pool in pools:
            pool.close()

    def __del__(self) -> None:
        """Close the connections of a client that was dropped, as the SDK's own client does."""
        if "_pools" in self.__dict__:
            self.close()


def spoilt(response: Any) -> Any:
    """Return the connection of an answer behind whose end more bytes came, else None.

    The next call must not read them as its own. httpcore keeps them in the connection's parser and
    says nothing; its attributes are private, so a release that renames them makes a test fail.
    """
    stream = getattr(response.stream, "_stream", None)
    connection = getattr(stream, "_connection", None)
    parser = getattr(connection, "_h11_state", None)
    return connection if parser is not None and parser.trailing_data[0] else None


def _pool_wait(deadline: float) -> float | None:
    return None if deadline == float("inf") else max(0.0, deadline - time.monotonic())


@lru_cache(maxsize=256)
def target_of(url: str) -> tuple[Any, bytes, str]:
    """Return httpcore's URL, the Host header, and the origin of a URL."""
    parsed = http_url(url)
    host: bytes = parsed.host
    if b":" in host:
        host = b"[" + host + b"]"
    if parsed.port is not None:
        host += b":%d" % parsed.port
    return parsed, host, f"{parsed.scheme.decode()}://{host.decode()}"


def http_url(url: str) -> Any:
    """Return httpcore's URL, with the default port left out and the path quoted."""
    parsed = http_library().URL(url)
    return core_library().URL(
        scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path
    )


def pool_options(settings: Connections, *, secure: bool, backend: Any) -> dict[str, Any]:
    """Return what every pool of ours is made with."""
    return {
        "ssl_context": settings.ssl_context() if secure else None,
        "max_connections": settings.max_connections,
        "max_keepalive_connections": settings.max_keepalive_connections,
        "keepalive_expiry": settings.keepalive_expiry,
        "network_backend": backend,
    }


def make_pool(proxy: str | None, options: dict[str, Any], prefix: str) -> Any:
    """Return a pool that goes out directly or by a proxy; `prefix` is "" or "Async"."""
    core = core_library()
    if proxy is None:
        return getattr(core, f"{prefix}ConnectionPool")(**options)
    parsed = core.URL(proxy)
    given = http_library().Proxy(proxy)
    auth = tuple(part.encode() for part in given.auth) if given.auth else None
    bare = core.URL(scheme=parsed.scheme, host=parsed.host, port=parsed.port, target=b"/")
    kind = "SOCKSProxy" if parsed.scheme.startswith(b"socks5") else "HTTPProxy"
    return getattr(core, f"{prefix}{kind}")(proxy_url=bare, proxy_auth=auth, **options)


def _told(error: BaseException) -> str:
    """Return an exception's text, or that of the first one behind it that has any."""
    seen: BaseException | None = error
    while seen is not None:
        if str(seen):
            return str(seen)
        seen = seen.__cause__ or seen.__context__
    return "no reason given"


def translated(error: Exception) -> Exception:
    """Return httpcore's exception as a wire's own; anything unknown comes back as it is."""
    core = core_library()
    text = f"{type(error).__name__}: {_told(error)}"
    if isinstance(error, core.TimeoutException):
        return WireTimeout(text)
    if isinstance(
        error,
        (core.NetworkError, core.ProtocolError, core.ProxyError, core.UnsupportedProtocol, OSError),
    ):
        return WireError(text)
    if isinstance(error, RuntimeError) and "closed" in str(error):
        return WireError(text)
    return error
