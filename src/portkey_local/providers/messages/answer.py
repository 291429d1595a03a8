"""A chat completion as Anthropic's message.

Ground rules: thinking is shown where it was asked for; where tools are called, what the model's
vendor wants back goes along in a block of ours (`carried`), at the end. A stream of the same
completion gives the same (`stream`): what both need is here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic_core import from_json

from portkey_local.providers.chat import arguments_of
from portkey_local.providers.messages.carried import MARK, carried
from portkey_local.providers.vendor import Unreadable

__all__ = ["counted", "head", "made_id", "message", "said_of", "stop_of", "thought_of"]

STOPS: Final[Mapping[str, str]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
CALL: Final = "toolu_"
THOUGHT_FIELDS: Final = ("reasoning_content", "reasoning")


def message(data: Any, *, provider: str, model: str, thoughts: bool) -> dict[str, Any]:
    """Return the message that a completion comes to; `thoughts` tells whether they are shown.

    Raises Unreadable, or any of `ODD`, for what is no completion.
    """
    choices = data.get("choices") if isinstance(data, Mapping) else None
    if not choices:
        raise Unreadable("a completion without choices")
    said = choices[0]["message"]
    blocks = list(_thinking(said)) if thoughts else []
    text = said_of(said)
    if text:
        blocks.append({"type": "text", "text": text})
    calls = said.get("tool_calls") or ()
    finish = choices[0].get("finish_reason")
    cut = finish == "length"
    blocks += (_call(call, number, cut=cut) for number, call in enumerate(calls))
    if calls and (kept := carried(provider, reasoned(said))) is not None:
        blocks.append(kept)
    stop = stop_of(finish, said, called=bool(calls))
    told = head(data, model)
    return {**told, "content": blocks, "stop_reason": stop, "usage": counted(data.get("usage"))}


def head(data: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return a message that has nothing in it yet, for a completion or a chunk."""
    told, named = data.get("id"), data.get("model")
    return {
        "id": told if isinstance(told, str) and told else f"msg_{data.get('created', 0)}",
        "type": "message",
        "role": "assistant",
        "model": named if isinstance(named, str) and named else model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": counted(None),
    }


def _thinking(said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if text := thought_of(said):
        yield {"type": "thinking", "thinking": text, "signature": MARK}


def _call(call: Mapping[str, Any], number: int, *, cut: bool) -> dict[str, Any]:
    """Return a call as a block; one that the limit of tokens cut short has what came of it."""
    function = call["function"]
    text = function.get("arguments")
    return {
        "type": "tool_use",
        "id": made_id(call, number),
        "name": _word(function["name"]),
        "input": _partial(text) if cut and isinstance(text, str) else arguments_of(text),
    }


def _partial(text: str) -> dict[str, Any]:
    try:
        told = from_json(text, allow_inf_nan=False, allow_partial="trailing-strings")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def made_id(call: Mapping[str, Any], number: int) -> str:
    """Return a call's id; one of ours where it has none."""
    told = call.get("id")
    return told if isinstance(told, str) and told else f"{CALL}{number}"


def said_of(said: Mapping[str, Any]) -> str:
    """Return the text of a message, or of a delta of one: its content, or its refusal."""
    content = said.get("content")
    if isinstance(content, list):  # Mistral's, where thoughts stand beside texts
        texts = (part.get("text") for part in content if part.get("type") == "text")
        content = "".join(text for text in texts if isinstance(text, str))
    return _word(content or "") + _word(said.get("refusal") or "")


def thought_of(said: Mapping[str, Any]) -> str:
    """Return what a message, or a delta of one, tells of the model's thoughts."""
    content = said.get("content")
    if isinstance(content, list):
        inner = (part.get("thinking") for part in content if part.get("type") == "thinking")
        return "".join(each["text"] for told in inner for each in told or () if "text" in each)
    return next((_word(said[name]) for name in THOUGHT_FIELDS if said.get(name)), "")


def reasoned(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message's vendor wants back of its reasoning."""
    details = said.get("reasoning_details")
    text = said.get("reasoning_content")
    told: dict[str, Any] = {}
    if isinstance(text, str) and text:
        told["reasoning_content"] = text
    if isinstance(details, list) and details:
        told["reasoning_details"] = details
    return told


def stop_of(finish: Any, said: Mapping[str, Any], *, called: bool) -> str:
    """Return why a message ended, for a completion's finish reason."""
    if said.get("refusal"):
        return "refusal"
    told = STOPS.get(finish, "end_turn") if isinstance(finish, str) else "end_turn"
    if called and told == "end_turn":
        return "tool_use"  # some hosts say that they stopped, whatever they call
    return "end_turn" if told == "tool_use" and not called else told


def counted(usage: Any) -> dict[str, Any]:
    """Return token counts under Anthropic's meaning: those of the cache are not in the input's."""
    usage = usage if isinstance(usage, Mapping) else {}
    details = usage.get("prompt_tokens_details")
    read, written = _count(details, "cached_tokens"), _count(details, "cache_write_tokens")
    told: dict[str, Any] = {
        "input_tokens": max(0, _count(usage, "prompt_tokens") - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": _count(usage, "completion_tokens"),
    }
    if reasoning := _count(usage.get("completion_tokens_details"), "reasoning_tokens"):
        told["output_tokens_details"] = {"thinking_tokens": reasoning}
    return told


def _count(counts: Any, name: str) -> int:
    count = counts.get(name) if isinstance(counts, Mapping) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise Unreadable("a text that is none")
    return value
