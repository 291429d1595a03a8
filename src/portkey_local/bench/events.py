"""What simulated streams are made of: their bytes, and a reader that knows them by heart.

Ground rule: a stream that says nothing is read as live ones are, but for the parsing: its bytes are
the same for every call, and so is what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from portkey_local.model import EventReader, ServerEvent
from portkey_local.providers.sse import SseReader

__all__ = ["LAST", "MORE", "first_event", "reader_of"]

DELTA: Final = 'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n'
MORE: Final = (DELTA % " ...").encode()
LAST: Final = (
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


@lru_cache(maxsize=1024)
def first_event(answer: str) -> bytes:
    """Return a stream's first event, with the text that tells one answer from others."""
    return (DELTA % answer).encode()


def reader_of(answer: str) -> EventReader:
    """Return who reads a stream that gives an answer; the empty one is any, which nobody reads."""
    return SseReader(choices=1, terminal_needed=True) if answer else _KnowingReader()


KNOWN: Final[Mapping[bytes, list[ServerEvent]]] = {
    chunk: SseReader().feed(chunk) for chunk in (first_event(""), MORE, LAST)
}


class _KnowingReader:
    """Reads a stream that says nothing: its events are those of `SseReader`, parsed once."""

    seen: Final = 0
    malformed: Final = None
    failed: Final = False
    blocked: Final = False
    usage: Final[Mapping[str, Any] | None] = None

    __slots__ = ("complete", "ended")

    def __init__(self) -> None:
        """Start at the beginning."""
        self.complete = self.ended = False

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events of a chunk; none after the last."""
        if self.ended:
            return []
        if chunk is LAST:
            self.complete = self.ended = True
        return KNOWN[chunk]

    def finish(self) -> list[ServerEvent]:
        """Hold nothing back."""
        return []
