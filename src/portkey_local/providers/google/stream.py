"""Streams of Gemini: server-sent events, each a piece of an answer, and no event that ends them.

Ground rules: sans-I/O. A stream is complete once every candidate has told why it ended; reasons and
token counts are held back until the stream ends, for a later event may tell them better.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portkey_local.model import ServerEvent
from portkey_local.providers.completion import Chunks
from portkey_local.providers.google.answer import (
    Voice,
    broken_off,
    counted,
    finish_of,
    logprobs_of,
    refused,
    voice_id,
    withheld,
)
from portkey_local.providers.google.citations import citations_of
from portkey_local.providers.google.errors import error_of
from portkey_local.providers.google.tools import form_of, renamed
from portkey_local.providers.sse import SseReader
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
    error_event,
)

__all__ = ["GeminiTranslator", "NativeReader"]


class GeminiTranslator:
    """Turns one stream of generateContent's answers into chunks."""

    def __init__(self, ask: Ask) -> None:
        """Start at the beginning of a stream."""
        self.complete = False
        self.ended = False
        self.failed = False
        self.usage: Mapping[str, Any] | None = None
        self._ask = ask
        self._form = form_of(ask.body)
        self._names = renamed(ask.body)
        self._chunks = Chunks(ask.made_id, int(ask.wall), ask.model)
        self._voices: dict[int, Voice] = {}
        self._reasons: dict[int, Any] = {}
        self._blocked: tuple[Any, str] | None = None
        self._begun: set[int] = set()
        self._texts: dict[int, str] = {}
        self._cited: dict[int, list[Any]] = {}

    def take(self, name: str | None, data: Any) -> list[dict[str, Any]]:
        """Return the chunks that an event comes to."""
        del name
        if not isinstance(data, Mapping):
            raise Unreadable("an event that is no object")
        if "error" in data:
            self.failed = self.ended = True
            status, error = error_of(data)
            return [error_event(error, status or 500, data["error"])]
        self._note(data)
        chunks = []
        for place, candidate in enumerate(data.get("candidates") or ()):
            index = candidate.get("index")
            chunks += self._hear(place if index is None else index, candidate)
        self.complete = self._blocked is not None or self._all_ended()
        return chunks

    def _all_ended(self) -> bool:
        """Whether every candidate that was asked for has told why it ended."""
        return len(self._reasons) >= self._wanted()

    def _wanted(self) -> int:
        asked = self._ask.body.get("n")
        return max(len(self._voices), asked if isinstance(asked, int) else 1, 1)

    def _note(self, data: Mapping[str, Any]) -> None:
        """Keep what an event says of the whole answer."""
        if not self._voices and data.get("responseId"):
            self._chunks.id = str(data["responseId"])
        if data.get("modelVersion"):
            self._chunks.model = str(data["modelVersion"])
        self.usage = counted(data.get("usageMetadata")) or self.usage
        if not self._voices and refused(data):
            self._blocked = withheld(data)

    def _hear(self, index: int, candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
        voice = self._voices.get(index)
        if voice is None:
            if type(index) is not int:
                raise Unreadable("a candidate whose place is no number")
            voice = Voice(voice_id(self._chunks.id, index), self._form, self._names)
            self._voices[index] = voice
        delta = voice.read((candidate.get("content") or {}).get("parts"))
        text = self._texts[index] = self._texts.get(index, "") + delta.get("content", "")
        self._cited[index] = citations_of(candidate, text) or self._cited.get(index, [])
        if candidate.get("finishReason"):
            self._reasons[index] = candidate["finishReason"]
            finish_of(self._reasons[index], voice, strict=self._ask.strict)  # or it is unreadable
        logprobs = logprobs_of(candidate)
        if not delta and not logprobs:
            return []
        before = self._before(index)
        chunk = self._chunks.delta(self._first(index, delta), index=index)
        chunk["choices"][0]["logprobs"] = logprobs
        return [*before, chunk]

    def _before(self, index: int) -> list[dict[str, Any]]:
        """Begin the choices before one: OpenAI's own client stumbles over any other order."""
        silent = [each for each in range(min(index, self._wanted())) if each not in self._begun]
        return [self._chunks.delta(self._first(each, {}), index=each) for each in silent]

    def _first(self, index: int, delta: dict[str, Any]) -> dict[str, Any]:
        """Return a delta, with the role if it is the first of a choice."""
        if index in self._begun:
            return delta
        self._begun.add(index)
        return {"role": "assistant", **delta}

    def finish(self) -> list[dict[str, Any]]:
        """Return what was held back: why each choice ended, and the token counts."""
        ends = {
            index: finish_of(reason, self._voices[index], strict=self._ask.strict)
            for index, reason in sorted(self._reasons.items())
        }
        if not ends and self._blocked is not None:
            ends = {0: self._blocked[1]}
        last = [self._end(index, finish) for index, finish in ends.items()]
        if self.usage is not None and self._ask.usage_wanted:
            last.append(self._chunks.usage(self.usage))
        return last

    def _end(self, index: int, finish: str) -> dict[str, Any]:
        """Return the last chunk of a choice."""
        chunk = self._chunks.delta(self._last(index, finish), finish=finish, index=index)
        if index in self._voices:
            chunk["choices"][0] |= broken_off(self._reasons[index], self._voices[index])
        return chunk

    def _last(self, index: int, finish: str) -> dict[str, Any]:
        """Return the last delta of a choice: what it cites; the role, if it has said nothing."""
        last: dict[str, Any] = {"annotations": cited} if (cited := self._cited.get(index)) else {}
        if index in self._begun:
            return last
        silent = {"content": ""} if finish in ("stop", "length") else {}
        return self._first(index, silent | last)


class NativeReader(SseReader):
    """Reads a native stream: it is complete once every candidate in it has told why it ended."""

    def __init__(self) -> None:
        """Start at the beginning of a stream."""
        super().__init__()
        self._open: dict[Any, bool] = {}

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that `chunk` completes."""
        events = super().feed(chunk)
        for event in events:
            if isinstance(event.data, Mapping):
                self._look(event.data)
        return events

    def _look(self, data: Mapping[str, Any]) -> None:
        if data.get("error") or data.get("promptFeedback"):
            self.complete = True
        candidates = data.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, Mapping):
                index = str(candidate.get("index", 0))
                self._open[index] = not candidate.get("finishReason") and self._open.get(
                    index, True
                )
        if self._open:
            self.complete = not any(self._open.values())
        usage = data.get("usageMetadata")
        if isinstance(usage, Mapping):
            self.usage = counted(usage)
