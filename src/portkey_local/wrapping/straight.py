"""The short way of a routed call through an SDK's own HTTP client.

httpx prepares each call for sign-ins, redirects and hooks, which an SDK's own client has none of,
or seldom needs; with a call at a time that costs as much as the routing. What can be seen of it is
kept: the log, cookies, the time elapsed, redirects. Anything but a plain call goes the long way.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from functools import cache
from typing import Any

from portkey_local.wrapping.inner import is_native

__all__ = ["straight"]

KEPT = 64  # addresses, and sets of headers


@cache
def straight(kind: Any, library: Any) -> type:
    """Return the class of a synchronous HTTP client whose transport is a door."""

    class Straight(Remembering, kind):  # type: ignore[misc]
        """Hands a routed call to the transport at once."""

        def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
            """Send a request; a plain one that is routed, the short way."""
            instrumented = not is_native(kind.send, library)  # who did it must see every call
            if stream or options or instrumented or not _is_plain(self, request):
                return super().send(request, stream=stream, **options)
            begun = time.perf_counter()
            try:
                response = self._transport.handle_request(request)
            except library.RequestError as error:
                error.request = request
                raise
            response.request = request
            response.default_encoding = self._default_encoding
            _read(response, library)
            response.elapsed = dt.timedelta(seconds=time.perf_counter() - begun)
            if "set-cookie" in response.headers:
                self.cookies.extract_cookies(response)
            _tell(logging.getLogger(library.__name__), response)
            if self.follow_redirects and response.has_redirect_location:
                return super().send(self._build_redirect_request(request, response))
            return response

        def __reduce_ex__(self, protocol: Any) -> Any:
            raise TypeError(f"cannot pickle {kind.__name__!r} object")  # as for its own transports

    Straight.__name__, Straight.__qualname__ = kind.__name__, kind.__qualname__
    return Straight


def _read(response: Any, library: Any) -> None:
    """Read a response; one that came whole has nothing to be decoded or waited for."""
    if type(response.stream) is library.ByteStream:
        response._content = b"".join(response.stream)
        response._num_bytes_downloaded = len(response._content)
        response.is_closed = response.is_stream_consumed = True
    else:
        response.read()


def _is_plain(client: Any, request: Any) -> bool:
    hooks = client._event_hooks
    return (
        not (hooks["request"] or hooks["response"] or client.is_closed)
        and client._auth is None
        and not request.url.userinfo
        and client._transport.is_routed(request)
    )


class Remembering:
    """Keeps what an HTTP client makes of an SDK's address and headers: the same, call by call."""

    headers: Any
    _kept: dict[Any, Any]

    def _merge_headers(self, headers: Any = None) -> Any:
        if type(headers) is not list:
            return super()._merge_headers(headers)  # type: ignore[misc]
        key = (tuple(self.headers.raw), tuple(headers))
        found = self._kept.get(key)
        if found is None:
            found = self._keep(key, super()._merge_headers(headers))  # type: ignore[misc]
        return type(found)(found)  # a copy, which the request may change

    def _merge_url(self, url: Any) -> Any:
        if type(url) is not str or "://" not in url:  # it depends on the client's own
            return super()._merge_url(url)  # type: ignore[misc]
        found = self._kept.get(url)
        return found or self._keep(url, super()._merge_url(url))  # type: ignore[misc]

    def _keep(self, key: Any, value: Any) -> Any:
        if len(self._kept) >= KEPT:
            self._kept = {}  # threads that add to the old one meanwhile lose nothing but time
        self._kept[key] = value
        return value


def _tell(log: logging.Logger, response: Any) -> None:
    """Log a call in the words of the library."""
    if log.isEnabledFor(logging.INFO):
        log.info(
            'HTTP Request: %s %s "%s %d %s"',
            response.request.method,
            response.request.url,
            response.http_version,
            response.status_code,
            response.reason_phrase,
        )
