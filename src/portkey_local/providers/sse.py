"""Server-sent events: bytes in, parsed events out, and the judgement whether the stream is whole.

Ground rules: sans-I/O; time is the driver's business. A stream is complete only with its terminal
event: `[DONE]`, every choice's `finish_reason`, or the event types in `TERMINAL_TYPES`. Bytes that
are no event stream, or an event whose data is not JSON, end the parsing: `malformed` says why.
Framing follows the WHATWG specification of event streams (lines end in LF, CR or CRLF; a blank
line ends an event; comments are skipped; an unfinished last event is dropped).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from portkey_local.model import DONE, ServerEvent

TERMINAL_TYPES = frozenset(
    {
        "response.completed",
        "response.failed",
        "response.incomplete",
        "response.cancelled",
        "error",
        "transcript.text.done",
        "speech.audio.done",
        "image_generation.completed",
        "image_edit.completed",
    }
)
FIELDS = (b"data", b"event", b"id", b"retry")


class SseReader:
    """Parses one stream. `choices` is how many answers were asked for (`n` of a chat request)."""

    def __init__(self, *, choices: int = 1, terminal_needed: bool = True) -> None:
        """Start at the beginning of a stream; without a terminal event a clean end will do."""
        self.complete = not terminal_needed
        self.ended = False
        self.malformed: str | None = None
        self.usage: Mapping[str, Any] | None = None
        self._choices = choices
        self._finished: set[int] = set()
        self._buffer = b""
        self._begun = False

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that `chunk` completes; bytes after `[DONE]` are dropped."""
        if self.ended or self.malformed:
            return []
        buffer = self._buffer + chunk if self._buffer else chunk
        if b"\r" in buffer:
            if buffer.endswith(b"\r"):  # its LF may be in the next chunk
                self._buffer = buffer
                return []
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *blocks, self._buffer = buffer.split(b"\n\n")
        events: list[ServerEvent] = []
        try:
            if not self._begun:
                self._check_beginning(buffer)
            self._parse_all(blocks, events)
        except ValueError as error:
            self.malformed = str(error)
            self.complete = False
        return events

    def _parse_all(self, blocks: list[bytes], events: list[ServerEvent]) -> None:
        for block in blocks:
            event = self._parse(block)
            if event is not None:
                events.append(event)
                if self.ended:
                    return

    def finish(self) -> None:
        """Say that the bytes have ended: a final `[DONE]` counts without its blank line."""
        if not self.ended and self._buffer.strip() in (b"data: [DONE]", b"data:[DONE]"):
            self.ended = self.complete = True

    def _check_beginning(self, buffer: bytes) -> None:
        start = buffer.lstrip(b"\xef\xbb\xbf\n")
        if not start:
            return
        line = start.split(b"\n", 1)[0]
        name = line.split(b":", 1)[0]
        whole = len(line) < len(start) or b":" in line
        if not (name in FIELDS or line.startswith(b":") if whole else _may_become_field(line)):
            msg = "the answer is not an event stream"
            raise ValueError(msg)
        self._begun = whole

    def _parse(self, block: bytes) -> ServerEvent | None:
        name: str | None = None
        if block.startswith(b"data: ") and b"\n" not in block:
            payload = block[6:]
        else:
            name, payload = _fields(block)
            if not payload:
                return None
        if payload.startswith(b"[DONE]"):
            self.complete = self.ended = True
            return ServerEvent(name, DONE, block + b"\n\n")
        data = decode_json(payload)
        self._judge(data)
        return ServerEvent(name, data, block + b"\n\n")

    def _judge(self, data: Any) -> None:
        """Note usage and whether this event completes the stream."""
        if type(data) is not dict:
            return
        choices = data.get("choices")
        if choices:
            for choice in choices:
                if type(choice) is dict and choice.get("finish_reason"):
                    self._finished.add(choice.get("index", 0))
                    if len(self._finished) >= self._choices:
                        self.complete = True
        elif data.get("type") in TERMINAL_TYPES:
            self.complete = True
        if (usage := data.get("usage")) or (
            type(response := data.get("response")) is dict and (usage := response.get("usage"))
        ):
            self.usage = usage


def decode_json(payload: bytes) -> Any:
    """Decode JSON; the fast parser first, the standard library's for what only that one accepts.

    Raises ValueError for anything else; its message does not hold the payload.
    """
    try:
        return from_json(payload)
    except ValueError:
        try:
            return json.loads(payload)
        except ValueError:
            msg = "data that is not JSON"
            raise ValueError(msg) from None


def _fields(block: bytes) -> tuple[str | None, bytes]:
    name: str | None = None
    payload: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            payload.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace") or None
    return name, b"\n".join(payload)


def _may_become_field(line: bytes) -> bool:
    return any(field.startswith(line) for field in FIELDS)
