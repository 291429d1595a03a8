"""Reading a vendor's stream as a stream of OpenAI's chunks: the bookkeeping that all share.

Ground rules: sans-I/O. The framing is one parser's business, the meaning of what is framed a
translator's. A stream is complete when the translator says so; whatever trips over an event's shape
makes it malformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.model import DONE, EventReader, ServerEvent
from portkey_local.providers.completion import comes_to_nothing, says_something
from portkey_local.providers.vendor import ODD, Translator, Unreadable

__all__ = ["Translated"]

PING: Final = "ping"  # an event by which Anthropic keeps a connection alive


class Translated:
    """Reads a vendor's stream as a stream of OpenAI's chunks."""

    def __init__(self, frames: EventReader, translator: Translator) -> None:
        """Take the parser of the framing, and the translator of what is framed."""
        self._frames = frames
        self._translator = translator
        self._said = False
        self._fruitless = False
        self.ended = False
        self.malformed: str | None = None
        self.seen = 0

    @property
    def complete(self) -> bool:
        """Whether the terminal event has come."""
        return self._translator.complete and self.malformed is None

    @property
    def failed(self) -> bool:
        """Whether an error event has come."""
        return self._translator.failed

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The token counts the stream has told."""
        return self._translator.usage

    @property
    def blocked(self) -> bool:
        """Whether the vendor's safety filter, or its mistake, has left nothing to be said."""
        return self._fruitless and not self._said

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that a chunk completes."""
        if self.ended or self.malformed:
            return []
        events: list[ServerEvent] = []
        for framed in self._frames.feed(chunk):
            self.seen += framed.name != PING
            try:
                told = self._translator.take(framed.name, framed.data)
            except Unreadable as error:
                self.malformed = str(error)
                return events
            except ODD:
                self.malformed = "an event of another shape"
                return events
            events += self._events(told)
            if self._translator.ended:
                return events + self._last()
        self.malformed = self._frames.malformed
        return events

    def finish(self) -> list[ServerEvent]:
        """Say that no more bytes come; return what was held back until then."""
        self._frames.finish()
        return self._last() if self.complete and not self.ended else []

    def _last(self) -> list[ServerEvent]:
        self.ended = True
        if self.failed:
            return []
        return [*self._events(self._translator.finish()), ServerEvent(None, DONE, b"")]

    def _events(self, chunks: list[dict[str, Any]]) -> list[ServerEvent]:
        for chunk in chunks:
            for choice in chunk.get("choices", ()):
                self._said = self._said or says_something(choice["delta"])
                self._fruitless = self._fruitless or comes_to_nothing(choice)
        return [ServerEvent(None, chunk, b"") for chunk in chunks]
