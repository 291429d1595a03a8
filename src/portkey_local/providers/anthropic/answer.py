"""Anthropic's message as a chat completion.

Ground rules: texts are joined as they come, and so is thinking; the blocks of tools that run at
Anthropic's are passed over. A stream of the same blocks gives the same (`stream`): what both need
is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portkey_local.providers import completion as openai
from portkey_local.providers.anthropic.models import model_of
from portkey_local.providers.anthropic.tools import ANSWER, form_of
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
)

__all__ = ["completion", "counted", "finish_of", "hidden_tool", "refusal_of", "word"]

FINISHES: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


@dataclass(slots=True)
class _Read:
    """What the blocks of one message hold; `answer` is the input of the tool that nobody sees."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    answer: dict[str, Any] | None = None


def completion(data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Return the chat completion that a message comes to."""
    blocks = data.get("content")
    if not isinstance(blocks, list):
        raise Unreadable("a message without content")
    read = _Read()
    hidden = hidden_tool(ask)
    for block in blocks:
        _read(block, read, hidden)
    text = "".join(read.texts)
    if read.answer is not None:
        text = read.answer["function"]["arguments"]
    message = openai.message(
        text if text or not read.calls else None,
        read.calls,
        reasoning="".join(read.thoughts),
        details=read.details,
        refusal=refusal_of(data),
    )
    called = bool(read.calls)
    finish = finish_of(data.get("stop_reason"), ask, called=called, said=called or bool(text))
    return openai.completion(
        id=word(data.get("id") or ask.made_id),
        created=int(ask.wall),
        model=word(data.get("model") or ask.model),
        choices=[(message, finish)],
        usage=counted(data.get("usage")),
    )


def _read(block: Mapping[str, Any], read: _Read, hidden: str | None) -> None:
    match block["type"]:
        case "text":
            read.texts.append(word(block["text"]))
        case "tool_use":
            name = word(block["name"])
            named = word(block.get("id") or f"call_{len(read.calls)}")
            call = openai.tool_call(named, name, block.get("input") or {})
            if name != hidden:
                read.calls.append(call)
            elif read.answer is None:
                read.answer = call
        case "thinking":
            text, signature = word(block["thinking"]), word(block.get("signature") or "")
            if text or signature:
                read.thoughts.append(text)
                detail = thinking_detail(len(read.details), text)
                read.details.append({**detail, "signature": signature} if signature else detail)
        case "redacted_thinking":
            read.details.append(redacted_detail(len(read.details), word(block["data"])))


def thinking_detail(index: int, text: str) -> dict[str, Any]:
    """Return the first words of a thought, as an entry of `reasoning_details`."""
    return {"type": "reasoning.text", "index": index, "format": openai.ANTHROPIC, "text": text}


def redacted_detail(index: int, data: str) -> dict[str, Any]:
    """Return a thought that only Anthropic can read, as an entry of `reasoning_details`."""
    return {
        "type": "reasoning.encrypted", "index": index, "format": openai.ANTHROPIC, "data": data
    }  # fmt: skip


def hidden_tool(ask: Ask) -> str | None:
    """Return the name of the tool whose input is the answer, where one was added."""
    if ask.body.get("response_format") is None:
        return None
    form = form_of(ask.body, model_of(ask.model))
    return ANSWER if form is not None and form.hidden else None


def finish_of(reason: Any, ask: Ask, *, called: bool, said: bool) -> str:
    """Return why an answer ended.

    `called` tells whether it has calls that the caller sees, `said` whether it has anything. Of a
    refusal that says nothing OpenAI's word is told always: a fallback goes by it.
    """
    reason = reason if isinstance(reason, str) else "end_turn"
    if reason == "tool_use" and not called:
        reason = "end_turn"  # it was the hidden tool
    told = FINISHES.get(reason, "stop")
    return told if ask.strict or (told == "content_filter" and not said) else reason


def refusal_of(data: Mapping[str, Any]) -> str | None:
    """Return how the vendor explains that the model refuses, if it does."""
    match data:
        case {"stop_reason": "refusal", "stop_details": {"explanation": str() as words}}:
            return words
    return None


def counted(usage: Any) -> dict[str, Any] | None:
    """Return token counts under OpenAI's meaning."""
    if not isinstance(usage, Mapping):
        return None
    read, written = (
        _count(usage, "cache_read_input_tokens"),
        _count(usage, "cache_creation_input_tokens"),
    )
    details = usage.get("output_tokens_details")
    reasoning = details.get("thinking_tokens") if isinstance(details, Mapping) else None
    return openai.usage(
        _count(usage, "input_tokens") + read + written,
        _count(usage, "output_tokens"),
        cached=None if usage.get("cache_read_input_tokens") is None else read,
        written=None if usage.get("cache_creation_input_tokens") is None else written,
        reasoning=reasoning if isinstance(reasoning, int) else None,
    )


def _count(usage: Mapping[str, Any], name: str) -> int:
    count = usage.get(name)
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def word(value: Any) -> str:
    """Return a text; raise Unreadable for anything else."""
    if not isinstance(value, str):
        raise Unreadable("a text that is none")
    return value
