"""Cohere's answers as chat completions.

Ground rules: an answer that broke off (an error, a time limit) is a failed attempt, never an
answer that stopped. Thoughts and plans are reasoning; what Cohere wants back of them is in the
reasoning details.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers import completion as shape
from portkey_local.providers.cohere.messages import PLAN, THINKING
from portkey_local.providers.cohere.request import hidden_tool
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
    VendorError,
)

__all__ = [
    "BROKEN",
    "NO_ARGUMENTS",
    "completion",
    "detail",
    "error_of",
    "finish_of",
    "logprobs_of",
    "made_call_id",
    "usage_of",
]

BROKEN: Final = frozenset({"ERROR", "TIMEOUT", "USER_CANCEL"})
FINISHES: Final[Mapping[str, str]] = {
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
    "MAX_TOKENS": "length",
}
NO_ARGUMENTS: Final = "{}"


def completion(data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Return a chat completion for Cohere's answer."""
    reason, message = data["finish_reason"], data["message"]
    if reason in BROKEN:
        raise Unreadable(f"an answer that broke off ({reason})")
    texts, details = _read_content(message)
    answer_id = data["id"] if isinstance(data.get("id"), str) else ask.made_id
    calls = [
        _call(each, answer_id, index) for index, each in enumerate(message.get("tool_calls") or ())
    ]
    calls, form = _without(hidden_tool(ask.body), calls)
    text = "".join(texts) if form is None else form
    told = shape.message(
        text if text or not calls else None,
        calls,
        reasoning="\n\n".join(each["text"] for each in details),
        details=details,
    )
    if citations := message.get("citations"):
        told["citations"] = citations
    counts = usage_of(data.get("usage"))
    made = shape.completion(
        id=answer_id,
        created=int(ask.wall),
        model=ask.model,
        choices=[(told, finish_of(reason, ask, called=bool(calls)))],
        usage=counts,
    )
    if items := data.get("logprobs"):
        made["choices"][0]["logprobs"] = logprobs_of(items)
    return made


def _read_content(message: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return a message's texts, and its thoughts and plan as reasoning details."""
    content = message.get("content") or ()
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    texts, thoughts = [], []
    for item in content:
        if item["type"] == "text":
            texts.append(_checked(item["text"]))
        elif item["type"] == "thinking":
            thoughts.append((THINKING, _checked(item["thinking"])))
    if plan := message.get("tool_plan"):
        thoughts.append((PLAN, _checked(plan)))
    said = [each for each in thoughts if each[1]]
    return texts, [detail(kind, index, text) for index, (kind, text) in enumerate(said)]


def detail(kind: str, index: int, text: str) -> dict[str, Any]:
    """Return a reasoning detail of Cohere's."""
    return {
        "type": "reasoning.text",
        "index": index,
        "format": shape.COHERE,
        "id": kind,
        "text": text,
    }


def _call(written: Mapping[str, Any], answer_id: str, index: int) -> dict[str, Any]:
    inner = written["function"]
    call_id = written.get("id") or made_call_id(answer_id, index)
    arguments = inner.get("arguments") or NO_ARGUMENTS
    return shape.tool_call(_checked(call_id), _checked(inner["name"]), arguments)


def made_call_id(answer_id: str, index: int) -> str:
    """Return the id of a tool call that has none."""
    return f"call_{answer_id}_{index}"


def _without(
    hidden: str | None, calls: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the calls without those of a hidden tool, and the arguments of its first."""
    if hidden is None:
        return calls, None
    kept = [each for each in calls if each["function"]["name"] != hidden]
    forms = (each["function"] for each in calls if each["function"]["name"] == hidden)
    return kept, next((each["arguments"] for each in forms), None)


def _checked(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def finish_of(reason: Any, ask: Ask, *, called: bool) -> str:
    """Return why an answer ended; `called`, whether the caller is to call a tool."""
    told = FINISHES.get(_checked(reason), "tool_calls" if called else "stop")
    if ask.strict or told == "content_filter":  # by this word a fallback knows to move on
        return told
    return "COMPLETE" if reason == "TOOL_CALL" and not called else str(reason)


def usage_of(told: Any) -> dict[str, Any] | None:
    """Return the token counts; what is billed, which is less, stands apart."""
    if not told:
        return None
    billed = told.get("billed_units")
    tokens = told.get("tokens") or billed or {}
    cached = told.get("cached_tokens")
    counts = shape.usage(
        int(tokens.get("input_tokens") or 0),
        int(tokens.get("output_tokens") or 0),
        cached=None if cached is None else int(cached),
    )
    return {**counts, "billed_units": billed} if billed else counts


def logprobs_of(items: Any) -> dict[str, Any]:
    """Return the log probabilities of an answer's tokens, which Cohere tells by pieces of text."""
    return {"content": [_logprob(item) for item in items], "refusal": None}


def _logprob(item: Mapping[str, Any]) -> dict[str, Any]:
    text = item.get("text") or ""
    return {
        "token": text,
        "logprob": float(sum(item.get("logprobs") or ())),
        "bytes": list(text.encode("utf-8", "replace")),
        "top_logprobs": [],
    }


def error_of(data: Any) -> VendorError:
    """Return what an error body says."""
    told = data if isinstance(data, Mapping) else {}
    message = told.get("message") or told.get("error") or ""
    kind = told.get("type") or told.get("error_type")
    code = told.get("code")
    return VendorError(
        message if isinstance(message, str) else "",
        kind if isinstance(kind, str) else None,
        code if isinstance(code, str) else None,
    )
