"""The headers of requests, checked once: a client sends nearly the same with every call.

httpcore lets h11 check each header of each request by two regular expressions, which costs a tenth
of a call. What has been checked is remembered here, less the Content-Length, and given to h11 as
its own kind of headers, which it takes as they are. That kind is private: where a release has
changed it, the headers go as they always did, and a test fails.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import h11

from portkey_local.model import Packet
from portkey_local.wire.decoding import ACCEPTED

__all__ = ["Heads", "wire_headers"]

Plain = list[tuple[bytes, bytes]]
KEPT = 128  # sets of headers


class Heads:
    """Makes the headers of one wire's requests; what it remembers goes with the wire."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._checked = lru_cache(maxsize=KEPT)(_checked)

    def of(self, packet: Packet, host: bytes) -> Any:
        """Return a request's headers as httpcore takes them, checked where that is possible."""
        checked = self._checked(host, tuple(packet.headers.items()))
        if checked is None:
            return wire_headers(packet, host)
        length = _length(packet)
        if length is None:
            return checked
        items = checked._full_items  # noqa: SLF001 - see above
        full = [*items, (b"Content-Length", b"content-length", length)]
        return type(checked)(full)


def _checked(host: bytes, headers: tuple[tuple[str, str], ...]) -> Any:
    """Return headers in h11's own kind; None for those it refuses, or if its kind is another."""
    plain = _plain(host, headers)
    try:
        checked = h11.Request(method=b"POST", target=b"/", headers=plain).headers
    except h11.LocalProtocolError:
        return None  # the wire says so, in its own way
    return checked if isinstance(getattr(checked, "_full_items", None), list) else None


def _plain(host: bytes, headers: tuple[tuple[str, str], ...]) -> Plain:
    made = [(b"Accept-Encoding", ACCEPTED.encode())]
    if not any(name == "host" for name, _ in headers):  # a caller's own client may name another
        made.insert(0, (b"Host", host))
    return made + [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _length(packet: Packet) -> bytes | None:
    """Return the framing that httpcore leaves to its caller."""
    if packet.content is None and packet.method not in ("POST", "PUT", "PATCH"):
        return None
    return b"%d" % len(packet.content or b"")


def wire_headers(packet: Packet, host: bytes) -> Plain:
    """Return the headers as they go out."""
    headers = _plain(host, tuple(packet.headers.items()))
    length = _length(packet)
    return headers if length is None else [*headers, (b"Content-Length", length)]
