"""Bedrock's streams as events: binary messages in, named events with decoded JSON out.

An exception becomes an event named EXCEPTION, whose data tells its `type` and has its `body`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.model import ServerEvent
from portkey_local.providers.bedrock.errors import stream_error
from portkey_local.providers.bedrock.framing import Framing, Message
from portkey_local.providers.sse import decode_json

__all__ = ["EVENT_STREAM", "EXCEPTION", "BinaryEvents", "NativeEvents"]

EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
EXCEPTION: Final = "exception"
LAST: Final = "amazon-bedrock-invocationMetrics"  # is in the last chunk of an invocation
LATER: Final = "metadata"  # follows Converse's terminal event


class BinaryEvents:
    """Reads a stream's events; when it is complete is for a translator to say."""

    seen = 0  # every event is handed on

    def __init__(self) -> None:
        """Start at the beginning of a stream."""
        self.complete = False
        self.ended = False
        self.malformed: str | None = None
        self.failed = False
        self.blocked = False
        self.usage: Mapping[str, Any] | None = None
        self._framing = Framing()

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that a chunk completes."""
        if self.malformed is not None or self.ended:
            return []
        events: list[ServerEvent] = []
        messages = self._framing.feed(chunk)
        self.malformed = self._framing.malformed
        for message in messages:
            try:
                event = event_of(message)
            except (RecursionError, ValueError) as error:
                self.malformed = str(error)
                break
            events.append(self._judged(event))
        return events

    def finish(self) -> list[ServerEvent]:
        """Say that no more bytes come."""
        return []

    def _judged(self, event: ServerEvent) -> ServerEvent:
        return event


class NativeEvents(BinaryEvents):
    """Reads the stream of a native endpoint: each event's data under its name, as in AWS's SDKs."""

    def _judged(self, event: ServerEvent) -> ServerEvent:
        name, data = event.name, event.data
        if name == EXCEPTION:
            self.failed = self.ended = True
            return ServerEvent(name, stream_error(data["type"], data["body"]), event.raw)
        if name == "messageStop" or (name == "chunk" and _is_last(data)):
            self.complete = True
        if name == LATER and isinstance(data, Mapping):
            self.ended = self.complete
            usage = data.get("usage")
            if isinstance(usage, Mapping):
                self.usage = {
                    "prompt_tokens": usage.get("inputTokens"),
                    "completion_tokens": usage.get("outputTokens"),
                }
        return ServerEvent(name, {name or "event": data}, event.raw)


def event_of(message: Message) -> ServerEvent:
    """Return a message as an event. Raises ValueError for one that is not of AWS's kinds."""
    headers = message.headers
    kind = headers.get(":message-type")
    if kind == "error":
        body = {"message": headers.get(":error-message", "")}
        told = {"type": headers.get(":error-code", "internalServerException"), "body": body}
        return ServerEvent(EXCEPTION, told, message.raw)
    data = decode_json(message.payload) if message.payload else {}
    if kind == "exception":
        told = {"type": headers.get(":exception-type", "internalServerException"), "body": data}
        return ServerEvent(EXCEPTION, told, message.raw)
    if kind != "event" or ":event-type" not in headers:
        raise ValueError("a message that is no event")
    return ServerEvent(headers[":event-type"], data, message.raw)


def _is_last(data: Any) -> bool:
    """Whether a chunk of an invocation is the one with its metrics."""
    from base64 import b64decode

    held = data.get("bytes") if isinstance(data, Mapping) else None
    try:
        return isinstance(held, str) and LAST.encode() in b64decode(held)
    except ValueError:
        return False
