"""Anthropic's recorded exchanges, and what each must come out as, read off the vendor's own body."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from portkey_local.testing import Step

FINISHES = {
    "end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "tool_use": "tool_calls",
    "max_tokens": "length", "refusal": "content_filter",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One recorded exchange."""

    place: str
    request: dict[str, Any]
    status: int
    content_type: str
    encoding: str
    body: Any

    @property
    def streams(self) -> bool:
        return self.request.get("stream") is True

    @property
    def step(self) -> Step:
        text = json.dumps(self.body) if self.encoding == "json" else self.body
        return Step(status=self.status, content_type=self.content_type, body=text.encode())

    @property
    def call(self) -> dict[str, Any]:
        """The call that this row answers; its answer is the same whatever the prompt."""
        options = {"stream_options": {"include_usage": True}} if self.streams else {}
        return {
            "model": self.request["model"],
            "messages": [{"role": "user", "content": "Say what you said."}],
            "stream": self.streams,
            **options,
        }

    @property
    def message(self) -> dict[str, Any]:
        """The message of the answer, put together from its events where it was streamed."""
        return self.body if self.encoding == "json" else assembled(self.body)


@cache
def rows_of(shared: Path) -> tuple[Row, ...]:
    lines = (shared / "recordings" / "anthropic.jsonl").read_text(encoding="utf-8").splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        told = json.loads(line)
        if told["path"].partition("#")[0].endswith("/messages"):
            facts = (told[key] for key in ("request", "status", "content_type", "body_encoding"))
            rows.append(Row(f"line {number}", *facts, told["body"]))
    return tuple(rows)


def assembled(stream: str) -> dict[str, Any]:
    """Put a message together as Anthropic's documentation says."""
    events = [json.loads(line[5:]) for line in stream.splitlines() if line.startswith("data:")]
    message: dict[str, Any] = {}
    written: dict[int, str] = {}
    for event in events:
        match event:
            case {"type": "message_start", "message": begun}:
                message = {**begun, "content": []}
            case {"type": "content_block_start", "content_block": block}:
                message["content"].append(dict(block))
            case {"type": "content_block_delta", "index": index, "delta": delta}:
                add(delta, message["content"][index], index, written)
            case {"type": "message_delta", "delta": delta, "usage": usage}:
                message |= {**delta, "usage": {**message["usage"], **usage}}
    for index, pieces in written.items():
        message["content"][index]["input"] = json.loads(pieces or "{}")
    return message


def add(delta: dict[str, Any], block: dict[str, Any], index: int, written: dict[int, str]) -> None:
    if "partial_json" in delta:
        written[index] = written.get(index, "") + delta["partial_json"]
    for field in delta.keys() & {"text", "thinking", "signature"}:
        block[field] += delta[field]


def expected(message: dict[str, Any]) -> dict[str, Any]:
    """Return what a caller must get of a message."""
    blocks = message["content"]
    usage = message["usage"]
    written, read = (usage.get(f"cache_{each}_input_tokens") or 0 for each in ("creation", "read"))
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    return {
        "id": message["id"],
        "model": message["model"],
        "text": "".join(block["text"] for block in blocks if block["type"] == "text"),
        "calls": [
            (block["id"], block["name"], block["input"])
            for block in blocks
            if block["type"] == "tool_use"
        ],
        "finish": FINISHES[message["stop_reason"]],
        "prompt": usage["input_tokens"] + written + read,
        "cached": read,
        "completion": usage["output_tokens"],
        "reasoning": thinking,
        "thoughts": "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        "kept": [
            block.get("signature") or block.get("data")
            for block in blocks
            if block["type"] in ("thinking", "redacted_thinking")
        ],
    }


def seen(completion: Any) -> dict[str, Any]:
    """Return the same of what a caller got."""
    choice = completion.choices[0]
    message, usage = choice.message, completion.usage
    details = usage.completion_tokens_details
    kept = getattr(message, "reasoning_details", None) or []
    return {
        "id": completion.id,
        "model": completion.model,
        "text": message.content or "",
        "calls": [
            (call.id, call.function.name, json.loads(call.function.arguments))
            for call in message.tool_calls or ()
        ],
        "finish": choice.finish_reason,
        "prompt": usage.prompt_tokens,
        "cached": usage.prompt_tokens_details.cached_tokens,
        "completion": usage.completion_tokens,
        "reasoning": details.reasoning_tokens if details else None,
        "thoughts": getattr(message, "reasoning_content", None) or "",
        "kept": [detail.get("signature") or detail.get("data") for detail in kept],
    }
