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
        "message_stop",  # Anthropic's messages
        "message-end",  # Cohere's chat
    }
)
LAST_LINES = (b"data: [DONE]", b"data:[DONE]")
BOM = b"\xef\xbb\xbf"
FIELDS = (b"data", b"event", b"id", b"retry")


class SseReader:
    """Parses one stream. `choices` is how many answers were asked for (`n` of a chat request)."""

    seen = 0  # every event is handed on

    def __init__(self, *, choices: int = 1, terminal_needed: bool = True) -> None:
        """Start at the beginning of a stream; without a terminal event a clean end will do."""
        self.complete = not terminal_needed
        self.ended = False
        self.malformed: str | None = None
        self.failed = False
        self.blocked = False
        self.usage: Mapping[str, Any] | None = None
        self._choices = choices
        self._finished: set[str] = set()
        self._buffer = b""
        self._begun = False
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that `chunk` completes; bytes after `[DONE]` are dropped."""
        if not chunk or self.ended or self.malformed:
            return []
        buffer = self._buffer + self._with_lf(chunk) if self._buffer else self._with_lf(chunk)
        if not self._begun and not (buffer := self._beginning(buffer)):
            return []
        *blocks, self._buffer = buffer.split(b"\n\n")
        events: list[ServerEvent] = []
        try:
            self._parse_all(blocks, events)
        except ValueError as error:
            self.malformed = str(error)
            self.complete = False
        return events

    def _with_lf(self, chunk: bytes) -> bytes:
        """Return a chunk with every line end as LF; a CRLF may be cut between two chunks."""
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk

    def _beginning(self, buffer: bytes) -> bytes:
        """Return the first bytes without their byte order mark, once they look like a stream."""
        if BOM.startswith(buffer[:3]) and len(buffer) < 3:
            self._buffer = buffer
            return b""
        buffer = buffer.removeprefix(BOM)
        start = buffer.lstrip(b"\n")
        line = start.split(b"\n", 1)[0]
        if len(line) == len(start) and b":" not in line:
            if any(field.startswith(line) for field in FIELDS):
                self._buffer = start  # may still become a field
                return b""
        elif line.startswith(b":") or line.split(b":", 1)[0] in FIELDS:
            self._begun = True
            return start
        self.malformed = "the answer is not an event stream"
        self.complete = False
        return b""

    def _parse_all(self, blocks: list[bytes], events: list[ServerEvent]) -> None:
        for block in blocks:
            event = self._parse(block)
            if event is not None:
                events.append(event)
                if self.ended:
                    return

    def finish(self) -> list[ServerEvent]:
        """Say that the bytes have ended: a final `[DONE]` counts without its blank line."""
        if not self.ended and self._buffer.strip() in LAST_LINES:
            self.ended = self.complete = True
        return []

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
        """Note usage, an error, and whether this event completes the stream."""
        if type(data) is not dict:
            return
        if data.get("error"):
            self.failed = True
        choices = data.get("choices")
        if choices and type(choices) is list:
            self._note_choices(choices)
        elif type(kind := data.get("type")) is str and kind in TERMINAL_TYPES:
            self.complete = True
        response = data.get("response")
        usage = data.get("usage") or (response.get("usage") if type(response) is dict else None)
        if usage:
            self.usage = usage

    def _note_choices(self, choices: list[Any]) -> None:
        for choice in choices:
            if type(choice) is dict and choice.get("finish_reason"):
                self._finished.add(str(choice.get("index", 0)))
                if len(self._finished) >= self._choices:
                    self.complete = True


def decode_json(payload: bytes) -> Any:
    """Decode JSON; the fast parser first, the standard library's for what only that one accepts.

    Raises ValueError for anything else; its message does not hold the payload.
    """
    try:
        return from_json(payload)
    except ValueError:
        try:
            return json.loads(payload)
        except (RecursionError, ValueError):  # brackets without end are no JSON either
            msg = "data that is not JSON"
            raise ValueError(msg) from None


def sse_bytes(data: Any, name: str | None = None) -> bytes:
    """Return an event that has `data`, and maybe a name, as the bytes of a stream."""
    text = data if data is DONE else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + text.encode() + b"\n\n"


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
