"""Reading a stream of chunks as a message's events: the bookkeeping.

Ground rules: sans-I/O. An error that comes before all else is handed on as it is, so that the call
can fall back; a later one is told as Anthropic's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from portkey_local.model import DONE, EventReader, ServerEvent
from portkey_local.providers.messages.errors import error_of
from portkey_local.providers.messages.stream import MessageEvents
from portkey_local.providers.vendor import ODD, Unreadable

__all__ = ["MessageReader"]


class MessageReader:
    """Reads a stream of chunks as a message's events."""

    def __init__(self, inner: EventReader, events: MessageEvents) -> None:
        """Take who parses the chunks, and who makes the events."""
        self._inner = inner
        self._events = events
        self._malformed: str | None = None
        self._over = False
        self._held = 0

    @property
    def complete(self) -> bool:
        """Whether the terminal event has come."""
        return self._inner.complete and self._malformed is None

    @property
    def ended(self) -> bool:
        """Whether no event can follow."""
        return self._over

    @property
    def malformed(self) -> str | None:
        """Why the bytes are no event stream, or None."""
        return self._malformed or self._inner.malformed

    @property
    def failed(self) -> bool:
        """Whether an error event has come."""
        return self._inner.failed

    @property
    def blocked(self) -> bool:
        """Whether the vendor has withheld, or spoilt, all that was to be said so far."""
        return self._inner.blocked

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The token counts the stream has told, as OpenAI counts."""
        return self._inner.usage

    @property
    def seen(self) -> int:
        """How many events have come that say nothing to the caller."""
        return self._inner.seen + self._held

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that a chunk completes."""
        if self._over or self._malformed:
            return []
        return self._read(self._inner.feed(chunk))

    def finish(self) -> list[ServerEvent]:
        """Say that no more bytes come; return the last events of a complete stream."""
        events = self._read(self._inner.finish())
        if self._inner.complete and not self._over and self._malformed is None:
            events += self._tried(self._last)
        return events

    def _read(self, events: list[ServerEvent]) -> list[ServerEvent]:
        read: list[ServerEvent] = []
        for event in events:
            if self._over or self._malformed:
                break
            read += self._tried(lambda event=event: self._one(event))  # type: ignore[misc]
        return read

    def _tried(self, work: Callable[[], list[ServerEvent]]) -> list[ServerEvent]:
        """Return the events of what may trip over a chunk's shape, which then is malformed."""
        try:
            return work()
        except Unreadable as error:
            self._malformed = str(error)
        except ODD:
            self._malformed = "a chunk of another shape"
        return []

    def _one(self, event: ServerEvent) -> list[ServerEvent]:
        data = event.data
        self._held += 1
        if data is DONE:
            return self._last() if self._events.begun else self._as_it_is(event)
        if isinstance(data, Mapping) and data.get("error"):
            if not self._events.begun:
                return self._as_it_is(event)
            self._over = True
            status = data["error"].get("status") if isinstance(data["error"], Mapping) else None
            told = error_of(status if isinstance(status, int) else 500, data)
            return [ServerEvent("error", told, b"")]
        return _named(self._events.take(data))

    def _as_it_is(self, event: ServerEvent) -> list[ServerEvent]:
        """Hand on what comes before a message has begun: a failure, which nobody sees."""
        self._over = True
        return [event]

    def _last(self) -> list[ServerEvent]:
        self._over = True
        return [] if self._inner.failed else _named(self._events.finish())


def _named(events: list[dict[str, Any]]) -> list[ServerEvent]:
    return [ServerEvent(event["type"], event, b"") for event in events]
