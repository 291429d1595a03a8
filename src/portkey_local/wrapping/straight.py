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

__all__ = ["straight"]


@cache
def straight(kind: Any, library: Any) -> type:
    """Return the class of a synchronous HTTP client whose transport is a door."""
    log = logging.getLogger(library.__name__)

    class Straight(kind):  # type: ignore[misc]
        """Hands a routed call to the transport at once."""

        def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
            """Send a request; a plain one that is routed, the short way."""
            if stream or options or not self._is_plain(request):
                return super().send(request, stream=stream, **options)
            begun = time.perf_counter()
            try:
                response = self._transport.handle_request(request)
            except library.RequestError as error:
                error.request = request
                raise
            response.request = request
            response.default_encoding = self._default_encoding
            response.read()
            response.elapsed = dt.timedelta(seconds=time.perf_counter() - begun)
            if "set-cookie" in response.headers:
                self.cookies.extract_cookies(response)
            if log.isEnabledFor(logging.INFO):
                _tell(log, request, response)
            if self.follow_redirects and response.has_redirect_location:
                return super().send(self._build_redirect_request(request, response))
            return response

        def __reduce_ex__(self, protocol: Any) -> Any:
            raise TypeError(f"cannot pickle {kind.__name__!r} object")  # as for its own transports

        def _is_plain(self, request: Any) -> bool:
            hooks = self._event_hooks
            return (
                not (hooks["request"] or hooks["response"] or self.is_closed)
                and self._auth is None
                and not request.url.userinfo
                and self._transport.is_routed(request)
            )

    Straight.__name__, Straight.__qualname__ = kind.__name__, kind.__qualname__
    return Straight


def _tell(log: logging.Logger, request: Any, response: Any) -> None:
    """Log a call in the words of the library."""
    log.info(
        'HTTP Request: %s %s "%s %d %s"',
        request.method,
        request.url,
        response.http_version,
        response.status_code,
        response.reason_phrase,
    )
