"""Requests as the scripted provider saw them, and how they are read off a connection.

Ground rules:
- A request is read whole, by content-length or chunked, before it is answered: only then does a
  close end cleanly instead of resetting the client's unread answer away.
- The first path segment is the target's name; a script tells targets apart by it.
"""

from __future__ import annotations

import json as json_module
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from portkey_local.testing.connection import Connection

__all__ = ["Received", "UnreadableRequestError", "read_request"]


class UnreadableRequestError(ValueError):
    """What the client sent is not an HTTP/1.1 request."""


@dataclass(frozen=True)
class Received:
    """One request as it arrived.

    >>> Received("openai", "POST", "/v1/x", "", {}, b'{"stream": true}', 0.0).json
    {'stream': True}
    """

    target: str
    method: str
    path: str
    """What follows the target's name, with its leading slash, without the query."""
    query: str
    headers: dict[str, str]
    """Names in lower case; repeated headers joined by a comma."""
    body: bytes
    at: float
    """`time.monotonic()` when the last byte was in."""

    @cached_property
    def json(self) -> Any:
        """The parsed body, or None if it is not JSON."""
        try:
            return json_module.loads(self.body)
        except ValueError:
            return None

    @property
    def wants_stream(self) -> bool:
        """Whether the JSON body says `"stream": true`."""
        return isinstance(self.json, dict) and self.json.get("stream") is True

    @property
    def is_last(self) -> bool:
        """Whether the client wants the connection closed after the answer."""
        return "close" in self.headers.get("connection", "").lower()


def read_request(connection: Connection) -> Received:
    """Read the next request of a connection, whole."""
    first_line, *header_lines = connection.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    method, target, path, query = _parse_first_line(first_line)
    headers = _parse_headers(header_lines)
    if headers.get("expect", "").lower() == "100-continue":
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = _read_body(connection, headers)
    return Received(target, method, path, query, headers, body, time.monotonic())


def _parse_first_line(line: str) -> tuple[str, str, str, str]:
    match line.split(" "):
        case [method, location, version] if location.startswith("/") and version[:5] == "HTTP/":
            whole_path, _, query = location.partition("?")
            target, _, rest = whole_path[1:].partition("/")
            return method, target, f"/{rest}", query
    raise UnreadableRequestError(f"not a request line: {line!r}")


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise UnreadableRequestError(f"not a header: {line!r}")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _read_body(connection: Connection, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _read_chunks(connection)
    return connection.read_exactly(_size(headers.get("content-length", "0"), base=10))


def _read_chunks(connection: Connection) -> bytes:
    body = bytearray()
    while size := _size(connection.read_until(b"\r\n").partition(b";")[0].decode("latin-1"), 16):
        body += connection.read_exactly(size)
        if connection.read_exactly(2) != b"\r\n":
            raise UnreadableRequestError("a chunk is not followed by a line end")
    while connection.read_until(b"\r\n"):
        pass  # trailers, up to the empty line
    return bytes(body)


def _size(text: str, base: int) -> int:
    try:
        size = int(text, base)
    except ValueError:
        size = -1
    if size < 0:
        raise UnreadableRequestError(f"not a length: {text!r}")
    return size
