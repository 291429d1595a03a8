"""Answers that are neither JSON nor events, handed on as they arrive: speech, a file's content.

Ground rules: pure. An answer is handed on so only to a caller who reads it so. For one who waits
for the whole of it, a cut answer is a failed attempt, and the next target is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.model import Answer, Request, ServerEvent
from portkey_local.providers.openai import EVENT_STREAM, TEXT_ANSWERS

__all__ = ["Pieces", "is_piecemeal"]

READ_AS_WHOLE: Final = (EVENT_STREAM, "application/json")


def is_piecemeal(request: Request, answer: Answer) -> bool:
    """Whether a 2xx answer is handed on piece by piece, as it arrives."""
    if not request.piecemeal or request.stream:
        return False
    if answer.headers.get("content-type", "").startswith(READ_AS_WHOLE):
        return False
    return not request.json_expected or request.path.startswith(TEXT_ANSWERS)


class Pieces:
    """Reads an answer of any bytes; it is whole when HTTP says so."""

    seen = 0
    malformed: str | None = None
    failed = False
    blocked = False
    usage: Mapping[str, Any] | None = None

    def __init__(self) -> None:
        """Start at the beginning of an answer."""
        self.complete = self.ended = False
        self._empty = True

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the bytes as they are."""
        if not chunk:
            return []
        self._empty = False
        return [ServerEvent(None, None, chunk)]

    def finish(self) -> list[ServerEvent]:
        """Say that the bytes have ended; an answer without any is an answer, too."""
        self.complete = self.ended = True
        return [ServerEvent(None, None, b"")] if self._empty else []
