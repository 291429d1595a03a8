"""The asynchronous wire for asyncio: aiohttp.

aiohttp parses HTTP in C; with a few hundred calls in flight it moves several times what the httpx
family does. A session belongs to one event loop, so the wire keeps one for each loop it meets.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import re
import ssl
import time
import weakref
from typing import Any

import aiohttp
from yarl import URL

from portkey_local.model import Packet
from portkey_local.wire.contract import WireError, WireTimeout
from portkey_local.wire.decoding import ACCEPTED, Coded
from portkey_local.wire.settings import Connections

READ_BUFFER = 2**17
WRITTEN_OUT = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
TRANSLATIONS: tuple[tuple[Any, type[Exception], str | None], ...] = (  # the first that fits
    (aiohttp.ConnectionTimeoutError, WireTimeout, "ConnectTimeout"),
    (TimeoutError, WireTimeout, "the deadline has passed"),
    (aiohttp.ServerDisconnectedError, WireError, "the server closed the connection unasked"),
    (aiohttp.ClientPayloadError, WireError, "the body was cut short, or not what its headers say"),
    (aiohttp.ClientResponseError, WireError, "the answer is not HTTP, or a proxy refused"),
    (aiohttp.http.HttpProcessingError, WireError, "the answer is not HTTP"),
    (OSError, WireError, None),
    (aiohttp.ClientError, WireError, None),
)


class AioResponse(Coded):
    """An answer of aiohttp's."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        """Take a response whose body is unread."""
        super().__init__(response.status, response.raw_headers)
        self._response = response
        self._loop = asyncio.get_running_loop()

    def __del__(self) -> None:
        """Give up the connection of an answer that was dropped unread."""
        if not self._response.closed and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._response.close)

    async def chunk(self, deadline: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end."""
        content = self._response.content
        try:
            if content.at_eof():
                return self.plain(None)
            if data := content.read_nowait():
                return self.plain(
                    data
                )  # what has come needs no timer, and that is most of a call's chunks
            async with _limit(deadline):
                return self.plain(await content.readany() or None)
        except Exception as error:  # noqa: BLE001 - raised again below, what is unknown as it is
            failure = _translated(error)
        raise failure

    async def close(self) -> None:
        """Give the connection back when the body was read to its end, else close it."""
        self._response.close()


class AioWire:
    """One aiohttp session for each event loop."""

    def __init__(self, settings: Connections | None = None) -> None:
        """Make no connection yet."""
        self._settings = settings or Connections()
        self._begin()
        _alive.add(self)

    def _begin(self) -> None:
        self._owner = os.getpid()
        # Loops are held strongly: a session that is left to the collector complains.
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}
        self._urls: dict[str, tuple[URL, str | None]] = {}
        self._tls: ssl.SSLContext | None = None

    async def open(self, packet: Packet, deadline: float) -> AioResponse:
        """Send a request; return when the head of the answer is in."""
        session = self._session()
        url, proxy = self._urls.get(packet.url) or self._route(packet.url)
        try:
            async with _limit(deadline):
                return AioResponse(
                    await session.request(
                        packet.method,
                        url,
                        data=packet.content,
                        headers=packet.headers,
                        allow_redirects=False,
                        proxy=proxy,
                        ssl=self._context() if url.scheme == "https" else True,
                    )
                )
        except Exception as error:  # noqa: BLE001 - raised again below, what is unknown as it is
            failure = _translated(error)
        raise failure

    def _session(self) -> aiohttp.ClientSession:
        if self._owner != os.getpid():
            self._inherited = self._sessions  # the parent's sockets: kept, never used or closed
            self._begin()
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            self._forget_dead_loops()
            connector = aiohttp.TCPConnector(
                limit=self._settings.max_connections,
                keepalive_timeout=self._settings.keepalive_expiry,
            )
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout)
            session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=READ_BUFFER,
                headers={"Accept-Encoding": ACCEPTED},
                auto_decompress=False,  # aiohttp's own would hide the status behind a coding
                max_line_size=READ_BUFFER,
                max_field_size=READ_BUFFER,
            )
            self._sessions[loop] = session
        return session

    def _route(self, url: str) -> tuple[URL, str | None]:
        """Return the parsed URL and its proxy, remembered: reading the environment is slow."""
        if len(self._urls) >= 1024:  # paths with ids in them would grow it without end
            self._urls.clear()
        # An escape stays as it is written: a signature may be over it.
        parsed = URL(url, encoded="%" in url and WRITTEN_OUT.fullmatch(url) is not None)
        self._urls[url] = found = (parsed, self._settings.proxy_for(url))
        return found

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = self._settings.ssl_context()
        return self._tls

    def _forget_dead_loops(self) -> None:
        for loop, session in list(self._sessions.items()):
            if loop.is_closed():
                del self._sessions[loop]
                _drop(session)

    def drop(self) -> None:
        """Close every session at once, awaiting nothing: for a client that nobody closed."""
        if self._owner == os.getpid():
            for loop, session in self._sessions.items():
                if session.closed:
                    continue
                if loop.is_running():  # perhaps in another thread, whose sockets these are
                    loop.call_soon_threadsafe(_drop, session)
                else:
                    _drop(session)
            self._sessions.clear()

    def __del__(self) -> None:
        """Leave no session to complain, as the SDK's own client leaves none."""
        if "_sessions" in self.__dict__:
            self.drop()

    async def close(self) -> None:
        """Close the sessions; those of other event loops too, as far as they are alive."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()
        self.drop()


_alive: weakref.WeakSet[AioWire] = weakref.WeakSet()


@atexit.register
def _drop_all() -> None:
    """At the end of the program, drop what clients in reference cycles still hold."""
    for wire in list(_alive):
        wire.drop()


def _drop(session: aiohttp.ClientSession) -> None:
    """Close a session's sockets at once, awaiting nothing.

    aiohttp has no public way to; where its private one is missing, it complains of an unclosed
    connector, as it would without this.
    """
    connector = session.connector
    session.detach()
    close = getattr(connector, "_close_immediately", None) or getattr(connector, "_close", None)
    if close is not None and not inspect.iscoroutinefunction(close):
        close()


def _limit(deadline: float) -> asyncio.Timeout:
    left = deadline - time.monotonic()
    return asyncio.timeout(None if left == float("inf") else max(0.0, left))


def _translated(error: Exception) -> Exception:
    """Return aiohttp's exception as a wire's own; anything unknown comes back as it is.

    The wire's own is raised outside the `except`, with a text of ours: aiohttp's exceptions carry
    the request's headers, the key among them, and bytes of the answer.
    """
    for kind, made, text in TRANSLATIONS:
        if isinstance(error, kind):
            return made(text or f"{type(error).__name__}: {getattr(error, 'strerror', None)}")
    if isinstance(error, RuntimeError) and "closed" in str(error).lower():
        return WireError("the session was closed")
    return error
