"""A chat completion as Anthropic's message.

Ground rules: thoughts come first (`thoughts`), then the text, the calls, and a block of ours where
one is needed. A stream of the same completion gives the same (`stream`): what both need is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from portkey_local.providers.chat import OBJECT, arguments_of
from portkey_local.providers.messages.carried import carried
from portkey_local.providers.messages.thoughts import Reasoned, blocks_of
from portkey_local.providers.vendor import Unreadable

__all__ = ["Voice", "counted", "head", "made_id", "message", "said_of", "stop_of"]

STOPS: Final[Mapping[str, str]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
CALL: Final = "toolu_"
NOTHING_COUNTED: Final[Mapping[str, int]] = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


@dataclass(frozen=True, slots=True)
class Voice:
    """Who answers: the provider, the model that was asked, whether that is a Claude.

    `thoughts` tells whether the caller wants to see what the model thinks.
    """

    provider: str = ""
    model: str = ""
    claude: bool = False
    thoughts: bool = False


def message(data: Any, voice: Voice) -> dict[str, Any]:
    """Return the message that a completion comes to.

    Raises Unreadable, or any of `ODD`, for what is no completion.
    """
    choices = data.get("choices") if isinstance(data, Mapping) else None
    if not choices:
        raise Unreadable("a completion without choices")
    said = choices[0]["message"]
    reasoned = Reasoned(voice.claude)
    ours = reasoned.add(said)
    blocks = list(blocks_of(said, ours, shown=voice.thoughts))
    text = said_of(said)
    if text:
        blocks.append({"type": "text", "text": text})
    calls = said.get("tool_calls") or ()
    finish = choices[0].get("finish_reason")
    cut = finish == "length"
    blocks += (_call(call, number, cut=cut) for number, call in enumerate(calls))
    if calls and (kept := carried(voice.provider, reasoned.told())) is not None:
        blocks.append(kept)
    stop = stop_of(finish, said, called=bool(calls))
    told = head(data, voice.model)
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
        "usage": dict(NOTHING_COUNTED),
    }


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
    usage = usage if isinstance(usage, OBJECT) else {}
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
    count = counts.get(name) if isinstance(counts, OBJECT) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise Unreadable("a text that is none")
    return value
