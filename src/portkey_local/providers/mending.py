"""Mending answers that are nearly OpenAI's: the codec of hosts with quirks of their own.

Ground rules: an answer without a quirk comes back byte for byte as it came. What is mended is a
known fault of a host, one that the OpenAI SDK trips over: its types would not hold, or a tool call
could not be answered. A finish reason is put in OpenAI's words only where those are wanted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portkey_local.model import Answer, EventReader, Outcome, Reply, Request, ServerEvent, Target
from portkey_local.providers.openai import OpenAICodec
from portkey_local.providers.vendor import (
    ODD,
)

__all__ = ["MendingCodec", "Quirks"]

CHAT: Final = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a host does differently.

    `reasoning` are its names for what is `reasoning_content` elsewhere, `finishes` its finish
    reasons and OpenAI's, `finish_field` where it may tell one instead.
    """

    reasoning: tuple[str, ...] = ()
    finishes: Mapping[str, str] = field(default_factory=dict)
    finish_field: str | None = None


class MendingCodec(OpenAICodec):
    """OpenAI's wire format, with answers mended."""

    def __init__(self, quirks: Quirks) -> None:
        """Take what the host does differently."""
        super().__init__()
        self.quirks = quirks

    def decode(self, target: Target, request: Request, answer: Answer, wall: float) -> Outcome:
        """Judge a whole answer, and mend it."""
        outcome = super().decode(target, request, answer, wall)
        if not isinstance(outcome, Reply) or request.path != CHAT:
            return outcome
        mender = Mender(self.quirks, strict=target.strict)
        try:
            mended = mender.completion(outcome.data)
        except ODD:
            return outcome
        if mended is outcome.data:
            return outcome
        headers = {**answer.headers, "content-type": "application/json"}
        return Reply(target, Answer(answer.status, headers), mended)

    def reader(self, target: Target, request: Request, wall: float) -> EventReader:  # type: ignore[override]
        """Return a fresh parser for one stream, which mends it."""
        reader = super().reader(target, request, wall)
        if request.path != CHAT:
            return reader
        return MendingReader(reader, Mender(self.quirks, strict=target.strict))


class MendingReader:
    """Reads a stream, and mends its chunks."""

    seen = 0  # every event is handed on

    def __init__(self, reader: EventReader, mender: Mender) -> None:
        """Take who parses the stream, and who mends it."""
        self._reader = reader
        self._mender = mender

    @property
    def complete(self) -> bool:
        """Whether the terminal event has come."""
        return self._reader.complete

    @property
    def ended(self) -> bool:
        """Whether no event can follow."""
        return self._reader.ended

    @property
    def malformed(self) -> str | None:
        """Why the bytes are no event stream, or None."""
        return self._reader.malformed

    @property
    def failed(self) -> bool:
        """Whether an error event has come."""
        return self._reader.failed

    @property
    def blocked(self) -> bool:
        """Whether a safety filter has withheld all that was to be said so far."""
        return self._reader.blocked

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The token counts the stream has told."""
        return self._reader.usage

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that a chunk completes."""
        return [self._mended(event) for event in self._reader.feed(chunk)]

    def finish(self) -> list[ServerEvent]:
        """Say that no more bytes come."""
        return [self._mended(event) for event in self._reader.finish()]

    def _mended(self, event: ServerEvent) -> ServerEvent:
        try:
            data = self._mender.chunk(event.data)
        except ODD:
            return event
        return event if data is event.data else ServerEvent(event.name, data, b"")


class Mender:
    """Mends one answer, whole or by chunks; what has no quirk comes back as the same object."""

    def __init__(self, quirks: Quirks, *, strict: bool) -> None:
        """Take the quirks, and whether finish reasons are to be OpenAI's."""
        self._quirks = quirks
        self._strict = strict
        self._ids: dict[int, list[str]] = {}  # choice -> the ids of its tool calls
        self._moved: dict[tuple[int, int], int] = {}  # choice, given index -> ours

    def completion(self, data: Any) -> Any:
        """Return a completion, mended."""
        return self._whole(data, "message")

    def chunk(self, data: Any) -> Any:
        """Return a chunk, mended."""
        return self._whole(data, "delta")

    def _whole(self, data: Any, part: str) -> Any:
        if not isinstance(data, Mapping) or not data.get("choices"):
            return data
        answer_id = str(data.get("id") or "")
        given = data["choices"]
        choices = [self._choice(each, part, answer_id) for each in given]
        if all(ours is theirs for ours, theirs in zip(choices, given, strict=True)):
            return data
        return {**data, "choices": choices}

    def _choice(self, choice: Mapping[str, Any], part: str, answer_id: str) -> Mapping[str, Any]:
        said: dict[str, Any] = {}
        number = choice.get("index") or 0
        told = choice.get(part)
        if isinstance(told, Mapping):
            mended = self._reasoned(told)
            if told.get("tool_calls"):
                mended = self._called(mended, part, number, answer_id)
            if mended is not told:
                said[part] = mended
        finish = self._finish(choice, called=bool(self._ids.get(number)))
        if finish is not None:
            said["finish_reason"] = finish
        return {**choice, **said} if said else choice

    def _reasoned(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a message with its reasoning under the name that callers look for."""
        if told.get("reasoning_content") is not None:
            return told
        for name in self._quirks.reasoning:
            if isinstance(text := told.get(name), str) and text:
                return {**told, "reasoning_content": text}
        return told

    def _finish(self, choice: Mapping[str, Any], *, called: bool) -> str | None:
        """Return another finish reason than the one told, where that one is wrong."""
        told = choice.get("finish_reason")
        reason = told
        if not told and self._quirks.finish_field:
            reason = choice.get(self._quirks.finish_field)
        if not isinstance(reason, str) or not reason:
            return None
        if self._strict:
            reason = self._quirks.finishes.get(reason, reason)
            reason = "tool_calls" if reason == "stop" and called else reason
        return reason if reason != told else None

    def _called(
        self, told: Mapping[str, Any], part: str, number: int, answer_id: str
    ) -> Mapping[str, Any]:
        given = told["tool_calls"]
        listed = [given] if isinstance(given, Mapping) else given
        calls = [self._call(each, part, number, answer_id) for each in listed]
        same = all(ours is theirs for ours, theirs in zip(calls, listed, strict=True))
        return told if same and listed is given else {**told, "tool_calls": calls}

    def _call(
        self, call: Mapping[str, Any], part: str, number: int, answer_id: str
    ) -> Mapping[str, Any]:
        said: dict[str, Any] = {}
        function = call.get("function")
        arguments = function.get("arguments") if isinstance(function, Mapping) else None
        if isinstance(function, Mapping) and isinstance(arguments, Mapping | list):
            text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
            said["function"] = {**function, "arguments": text}
        elif isinstance(function, Mapping) and part == "message" and not arguments:
            said["function"] = {**function, "arguments": "{}"}
        index, begins = self._place(call, number)
        if part == "delta" and call.get("index") != index:
            said["index"] = index
        if begins:
            made = f"call_{answer_id}_{number}_{index}"
            if not call.get("id"):
                said["id"] = made
            if not call.get("type"):
                said["type"] = "function"
            self._ids.setdefault(number, []).append(str(call.get("id") or made))
        return {**call, **said} if said else call

    def _place(self, call: Mapping[str, Any], number: int) -> tuple[int, bool]:
        """Return the index of a tool call, and whether it begins here.

        A host may leave the index out, or give the same to several calls: their ids tell.
        """
        ids = self._ids.get(number, [])
        given = call.get("index")
        call_id = call.get("id")
        function = call.get("function")
        named = isinstance(function, Mapping) and bool(function.get("name"))
        if not isinstance(given, int):
            return (len(ids), True) if named or not ids else (len(ids) - 1, False)
        known = self._moved.get((number, given), -1)
        if known >= 0 and not (call_id and named and call_id != ids[known]):
            return known, False
        self._moved[number, given] = len(ids)
        return len(ids), True
