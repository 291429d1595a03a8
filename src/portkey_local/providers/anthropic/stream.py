"""Anthropic's stream of events as chunks of OpenAI's.

Ground rules: nothing is said before there is something to say, so that an error that comes first
can still fall back. Each block is followed by its number until it stops; those of tools that run at
Anthropic's say nothing. Where the answer is the input of a hidden tool, texts beside it are held
back until the end, and let go if the tool has been called. Only `message_stop` completes a stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portkey_local.providers.anthropic.answer import (
    counted,
    finish_of,
    hidden_tool,
    redacted_detail,
    refusal_of,
    thinking_detail,
    word,
)
from portkey_local.providers.anthropic.errors import event_status, told_error
from portkey_local.providers.completion import Chunks
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
    error_event,
)

__all__ = ["MessageStream"]


@dataclass(slots=True)
class _Block:
    """A block that has begun: its kind, its place among its like, and what it began with."""

    kind: str
    place: int = -1
    begun: bool = False
    input: Any = field(default=None)


class MessageStream:
    """Translates one stream of a message."""

    def __init__(self, ask: Ask) -> None:
        """Take what was asked."""
        self.complete = False
        self.ended = False
        self.failed = False
        self._ask = ask
        self._hidden = hidden_tool(ask)
        self._chunks = Chunks(ask.made_id, int(ask.wall), ask.model)
        self._blocks: dict[int, _Block] = {}
        self._counts: dict[str, Any] = {}
        self._held: list[str] = []
        self._answered = False
        self._said = False
        self._spoken = False  # whether content, or a tool call, has been said
        self._details = 0
        self._calls = 0
        self._end: dict[str, Any] = {}

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The token counts so far."""
        return counted(self._counts) if self._counts else None

    def take(self, name: str | None, data: Any) -> list[dict[str, Any]]:
        """Return the chunks that an event comes to; raise Unreadable for one that is wrong."""
        kind = data.get("type") if isinstance(data, Mapping) else None
        match kind:
            case "content_block_delta":
                return self._delta(self._block(data), data["delta"])
            case "content_block_start":
                return self._start(data)
            case "content_block_stop":
                return self._stop(self._block(data))
            case "message_start" | "message_delta" | "message_stop":
                self._message(kind, data)
            case "error":
                self.failed = self.ended = True
                return [error_event(told_error(data), event_status(data), data)]
        return []

    def finish(self) -> list[dict[str, Any]]:
        """Return the last chunks: what was held back, the finish reason, the token counts."""
        last = []
        if self._held and not self._answered:
            last.append(self._say({"content": "".join(self._held)}))
        if (refusal := refusal_of(self._end)) is not None:
            last.append(self._say({"refusal": refusal}))
        if not self._said:
            last.append(self._say({"content": ""}))
        reason = finish_of(
            self._end.get("stop_reason"), self._ask, called=self._calls > 0, said=self._spoken
        )
        last.append(self._chunks.delta({}, finish=reason))
        if self._ask.usage_wanted and self._counts:
            last.append(self._chunks.usage(counted(self._counts) or {}))
        return last

    # --- the message

    def _message(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "message_start":
            message = data["message"]
            self._chunks.id = word(message.get("id") or self._chunks.id)
            self._chunks.model = word(message.get("model") or self._chunks.model)
            self._count(message)
        elif kind == "message_delta":
            self._end.update(data["delta"])
            self._count(data)
        else:
            self.complete = self.ended = True

    def _count(self, told: Mapping[str, Any]) -> None:
        if isinstance(usage := told.get("usage"), Mapping):
            self._counts.update({key: value for key, value in usage.items() if value is not None})

    def _say(self, delta: dict[str, Any]) -> dict[str, Any]:
        if not self._said:
            self._said = True
            delta = {"role": "assistant", **delta}
        if not self._spoken:
            self._spoken = bool(delta.get("content") or delta.get("tool_calls"))
        return self._chunks.delta(delta)

    # --- its blocks

    def _block(self, data: Mapping[str, Any]) -> _Block:
        block = self._blocks.get(data["index"])
        if block is None:
            raise Unreadable("an event of a block that has not begun")
        return block

    def _start(self, data: Mapping[str, Any]) -> list[dict[str, Any]]:
        told = data["content_block"]
        kind = word(told["type"])
        block = self._blocks[data["index"]] = _Block(kind)
        match kind:
            case "text":
                return self._text(word(told.get("text") or ""))
            case "thinking":
                text, signature = told.get("thinking") or "", told.get("signature") or ""
                return self._think(block, word(text)) + self._sign(block, word(signature))
            case "redacted_thinking":
                self._details += 1
                detail = redacted_detail(self._details - 1, word(told["data"]))
                return [self._say({"reasoning_details": [detail]})]
            case "tool_use":
                return self._call(block, told)
        return []

    def _delta(self, block: _Block, delta: Mapping[str, Any]) -> list[dict[str, Any]]:
        match delta["type"]:
            case "text_delta":
                return self._text(word(delta["text"]))
            case "input_json_delta":
                return self._argue(block, word(delta["partial_json"]))
            case "thinking_delta":
                return self._think(block, word(delta["thinking"]))
            case "signature_delta":
                return self._sign(block, word(delta["signature"]))
        return []

    def _stop(self, block: _Block) -> list[dict[str, Any]]:
        if block.begun or block.kind not in ("tool_use", "answer"):
            return []
        return self._argue(block, _json(block.input))  # a call whose input did not come in pieces

    def _text(self, text: str) -> list[dict[str, Any]]:
        if self._hidden is not None:
            self._held.append(text)
            return []
        return [self._say({"content": text})] if text else []

    # --- tools

    def _call(self, block: _Block, told: Mapping[str, Any]) -> list[dict[str, Any]]:
        name = word(told["name"])
        block.input = told.get("input")
        if name == self._hidden:
            block.kind = "passed over" if self._answered else "answer"
            self._answered = True
            return []
        block.place = self._calls
        self._calls += 1
        function = {"name": name, "arguments": ""}
        named = word(told.get("id") or f"call_{block.place}")
        call = {"index": block.place, "id": named, "type": "function", "function": function}
        return [self._say({"tool_calls": [call]})]

    def _argue(self, block: _Block, text: str) -> list[dict[str, Any]]:
        if not text:
            return []
        block.begun = True
        if block.kind == "answer":
            return [self._say({"content": text})]
        if block.kind != "tool_use":
            return []
        call = {"index": block.place, "function": {"arguments": text}}
        return [self._say({"tool_calls": [call]})]

    # --- thinking

    def _think(self, block: _Block, text: str) -> list[dict[str, Any]]:
        if not text:
            return []
        detail = self._detail(block, text)
        return [self._say({"reasoning_content": text, "reasoning_details": [detail]})]

    def _sign(self, block: _Block, signature: str) -> list[dict[str, Any]]:
        if not signature:
            return []
        detail = self._detail(block, "")
        return [self._say({"reasoning_details": [{**detail, "signature": signature}]})]

    def _detail(self, block: _Block, text: str) -> dict[str, Any]:
        """Return the next words of a thought; only the first name their format."""
        if block.begun:
            return {"type": "reasoning.text", "index": block.place, "text": text}
        block.begun, block.place = True, self._details
        self._details += 1
        return thinking_detail(block.place, text)


def _json(input: Any) -> str:
    return json.dumps(input if isinstance(input, Mapping) else {}, ensure_ascii=False)
