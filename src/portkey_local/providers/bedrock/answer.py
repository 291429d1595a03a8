"""A whole answer of Converse's as a chat completion, and what streams read in the same way.

Ground rules: pure functions. Texts are joined with nothing between them that the model did not
say. The tool by which a form was asked for is never seen: its arguments are the content, and the
texts around it are left out. Calls that Bedrock answers itself (its own tools) are not the
caller's to answer, and are left out too. An answer that Bedrock calls malformed is what there is
of it; a fallback moves on from one of which there is nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.completion import (
    BEDROCK,
    NATIVE_FINISH,
    completion,
    message,
    tool_call,
    usage,
)
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
)

__all__ = ["SERVER_TOOL", "broken_off", "completed", "counts", "detail", "finish_reason"]

FINISHES: Final[Mapping[str, str]] = {
    "content_filtered": "content_filter",
    "end_turn": "stop",
    "guardrail_intervened": "content_filter",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}
MALFORMED: Final = frozenset({"malformed_model_output", "malformed_tool_use"})
SERVER_TOOL: Final = "server_tool_use"
KNOWN: Final = frozenset({"citationsContent", "reasoningContent", "text", "toolUse"})
EXTRA: Final[Mapping[str, str]] = {  # what goes along beside OpenAI's fields
    "additionalModelResponseFields": "additional_model_response_fields",
    "performanceConfig": "performance_config",
    "trace": "trace",
}


def completed(data: Mapping[str, Any], ask: Ask, answer_tool: str | None) -> dict[str, Any]:
    """Return the chat completion of an answer."""
    reason = data["stopReason"]
    read = _Blocks(answer_tool)
    blocks = data["output"]["message"]["content"]
    if not isinstance(blocks, list):
        raise Unreadable("a content that is no list of blocks")
    for block in blocks:
        read.take(block)
    content = read.answer if read.answer is not None else "".join(read.texts)
    said = message(
        content or None,
        read.calls,
        reasoning="".join(read.thoughts),
        details=read.details,
    )
    extra = {theirs: data[ours] for ours, theirs in EXTRA.items() if data.get(ours) is not None}
    if isinstance(tier := data.get("serviceTier"), Mapping):
        extra["service_tier"] = tier.get("type")
    told = completion(
        id=ask.made_id,
        created=int(ask.wall),
        model=ask.model,
        choices=[(said, finish_reason(reason, strict=ask.strict, calls=bool(read.calls)))],
        usage=counts(data["usage"]) if data.get("usage") is not None else None,
        extra=extra,
    )
    told["choices"][0] |= broken_off(reason)
    return told


class _Blocks:
    """Sorts an answer's blocks."""

    def __init__(self, answer_tool: str | None) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.details: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.answer: str | None = None
        self._answer_tool = answer_tool

    def take(self, block: Mapping[str, Any]) -> None:
        match block:
            case {"text": str(text)}:
                self.texts.append(text)
            case {"toolUse": {"type": kind}} if kind == SERVER_TOOL:
                pass
            case {"toolUse": {"toolUseId": str(called), "name": str(name), **told}}:
                self._call(called, name, told.get("input") or {})
            case {"reasoningContent": Mapping() as reasoning}:
                self._think(reasoning)
            case {"citationsContent": {"content": list(parts)}}:
                self.texts += [part["text"] for part in parts if "text" in part]
            case Mapping() if not block.keys() & KNOWN:
                pass
            case _:
                raise Unreadable("a block of another shape")

    def _call(self, called: str, name: str, arguments: Any) -> None:
        if name != self._answer_tool:
            self.calls.append(tool_call(called, name, arguments))
        elif self.answer is None:
            self.answer = json.dumps(arguments, ensure_ascii=False)

    def _think(self, reasoning: Mapping[str, Any]) -> None:
        index = len(self.details)
        if "redactedContent" in reasoning:
            self.details.append(detail(index, data=reasoning["redactedContent"]))
            return
        told = reasoning["reasoningText"]
        self.thoughts.append(told["text"])
        signature = told.get("signature")
        signed = {} if signature is None else {"signature": signature}
        self.details.append(detail(index, text=told["text"], **signed))


def detail(index: int, *, first: bool = True, **told: str) -> dict[str, Any]:
    """Return an entry of `reasoning_details`; in a stream only the first of an index names it."""
    kind = "reasoning.encrypted" if "data" in told else "reasoning.text"
    named = {"format": BEDROCK} if first else {}
    return {"type": kind, **told, **named, "index": index}


def finish_reason(reason: Any, *, strict: bool, calls: bool) -> str:
    """Return why an answer ended, in OpenAI's words unless Bedrock's are wanted.

    A filter's work is told in OpenAI's word always: a fallback moves on by it.
    """
    if not isinstance(reason, str):
        raise Unreadable("a stop reason that is none")
    if not strict and FINISHES.get(reason) != "content_filter":
        return reason
    told = "tool_calls" if reason in MALFORMED else FINISHES.get(reason, "stop")
    return "stop" if told == "tool_calls" and not calls else told


def broken_off(reason: str | None) -> dict[str, Any]:
    """Return Bedrock's word for an end that OpenAI has none for, if it is one."""
    return {NATIVE_FINISH: reason} if reason in MALFORMED else {}


def counts(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return token counts of OpenAI's meaning: a cache's tokens are in the prompt's."""
    cached, written = told.get("cacheReadInputTokens"), told.get("cacheWriteInputTokens")
    prompt = told["inputTokens"] + (cached or 0) + (written or 0)
    return usage(prompt, told["outputTokens"], cached=cached, written=written)
