"""AWS's binary event stream: bytes in, messages out, every checksum checked.

Ground rules: sans-I/O, and nothing is believed before its checksum: the lengths not before the
prelude's, headers and payload not before the message's. The first wrong byte ends the parsing, and
`malformed` says why. At most one message is held, and none longer than AWS allows.

A message is, in network byte order:

    total length (4) | length of the headers (4) | CRC32 of these 8 bytes (4)
    headers | payload | CRC32 of all before (4)

and a header is: length of its name (1), the name, the type of its value (1), the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any, Final
from zlib import crc32

__all__ = ["MAX_HEADERS", "MAX_PAYLOAD", "Framing", "Message"]

MAX_HEADERS: Final = 128 * 1024
MAX_PAYLOAD: Final = 24 * 1024 * 1024
PRELUDE: Final = Struct("!III")
CHECKSUM: Final = Struct("!I")
LENGTH: Final = Struct("!H")
OVERHEAD: Final = PRELUDE.size + CHECKSUM.size
# Type of a header's value -> its size, where that is fixed; those of 6 and 7 tell it themselves.
SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
BYTES: Final = 6
TEXT: Final = 7


@dataclass(slots=True)
class Message:
    """One message; `headers` are those that are texts, `raw` all its bytes."""

    headers: dict[str, str]
    payload: bytes
    raw: bytes


class Framing:
    """Cuts one stream into its messages."""

    def __init__(self) -> None:
        """Start at the beginning of a stream."""
        self.malformed: str | None = None
        self._buffer = bytearray()
        self._wanted = 0  # the length of the message that has begun; 0 until it is known

    @property
    def begun(self) -> bool:
        """Whether a message has begun and is not whole yet."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> list[Message]:
        """Return the messages that a chunk completes."""
        if self.malformed is not None:
            return []
        self._buffer += chunk
        messages: list[Message] = []
        try:
            while (message := self._next()) is not None:
                messages.append(message)
        except ValueError as error:
            self.malformed = str(error)
            self._buffer.clear()
        return messages

    def _next(self) -> Message | None:
        buffer = self._buffer
        if not self._wanted:
            if len(buffer) < PRELUDE.size:
                return None
            self._wanted = _length(buffer)
        if len(buffer) < self._wanted:
            return None
        raw = bytes(memoryview(buffer)[: self._wanted])
        del buffer[: self._wanted]
        self._wanted = 0
        return _message(raw)


def _length(buffer: bytearray) -> int:
    """Return the length of the message that a prelude announces."""
    total, headers, checksum = PRELUDE.unpack_from(buffer)
    if crc32(memoryview(buffer)[:8]) != checksum:
        raise ValueError("the checksum of a message's beginning is wrong")
    if headers > MAX_HEADERS or not headers + OVERHEAD <= total <= (
        headers + OVERHEAD + MAX_PAYLOAD
    ):
        raise ValueError("a message of an impossible length")
    return int(total)


def _message(raw: bytes) -> Message:
    body = len(raw) - CHECKSUM.size
    if crc32(memoryview(raw)[:body]) != CHECKSUM.unpack_from(raw, body)[0]:
        raise ValueError("the checksum of a message is wrong")
    start = PRELUDE.size + PRELUDE.unpack_from(raw)[1]
    return Message(_headers(raw[PRELUDE.size : start]), raw[start:body], raw)


def _headers(data: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    place = 0
    try:
        while place < len(data):
            name_end = place + 1 + data[place]
            name = data[place + 1 : name_end].decode()
            kind = data[name_end]
            value, place = _value(data, kind, name_end + 1)
            if kind == TEXT:
                headers[name] = value.decode()
    except (LookupError, ValueError):
        raise ValueError("a message with headers that are none") from None
    return headers


def _value(data: bytes, kind: int, place: int) -> tuple[Any, int]:
    """Return the bytes of a header's value, and where they end."""
    if kind in (BYTES, TEXT):
        if place + LENGTH.size > len(data):
            raise ValueError
        size = LENGTH.unpack_from(data, place)[0]
        place += LENGTH.size
    else:
        size = SIZES[kind]
    end = place + size
    if end > len(data):
        raise ValueError
    return data[place:end], end
