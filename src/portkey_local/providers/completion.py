"""Building answers of OpenAI's shape: completions, chunks of a stream, embeddings, token counts.

Ground rules: pure functions. `usage` has OpenAI's meaning whatever a vendor counts: `prompt_tokens`
holds those read from a cache and those written to it, `completion_tokens` those of reasoning.
Reasoning is told in two fields that OpenAI's types let pass: `reasoning_content`, its text (the
field of DeepSeek and others), and `reasoning_details`, a list in OpenRouter's form, which holds
what a vendor wants back in the next turn. The `format` of each detail names whose it is, so that
no vendor is sent another's signature. A choice that went wrong at the vendor, for which OpenAI has
no word, tells the vendor's: `native_finish_reason`, as at OpenRouter.
"""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "ANTHROPIC",
    "BEDROCK",
    "COHERE",
    "GOOGLE",
    "NATIVE_FINISH",
    "OWN_FIELDS",
    "Chunks",
    "comes_to_nothing",
    "completion",
    "details_of",
    "embedding_list",
    "message",
    "says_something",
    "tool_call",
    "usage",
]

# The `format`s of reasoning details: whose they are.
ANTHROPIC: Final = "anthropic-claude-v1"
BEDROCK: Final = "bedrock-converse-v1"
COHERE: Final = "cohere-chat-v2"
GOOGLE: Final = "google-gemini-v1"

NATIVE_FINISH: Final = "native_finish_reason"  # of a choice that went wrong
COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
OWN_FIELDS: Final = (  # of messages, beyond OpenAI's
    "citations",
    "reasoning_content",
    "reasoning_details",
)


def completion(
    *,
    id: str,
    created: int,
    model: str,
    choices: Sequence[tuple[Mapping[str, Any], str]],
    usage: Mapping[str, Any] | None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a chat completion; `choices` are pairs of a message and its finish reason."""
    told = {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
            for index, (message, finish) in enumerate(choices)
        ],
        **(extra or {}),
    }
    if usage is not None:
        told["usage"] = usage
    return told


def message(
    text: str | None,
    calls: Sequence[Mapping[str, Any]] = (),
    *,
    reasoning: str = "",
    details: Sequence[Mapping[str, Any]] = (),
    refusal: str | None = None,
) -> dict[str, Any]:
    """Return an assistant's message; `details` are the `reasoning_details` to be sent back."""
    told: dict[str, Any] = {"role": "assistant", "content": text, "refusal": refusal}
    if calls:
        told["tool_calls"] = list(calls)
    if reasoning:
        told["reasoning_content"] = reasoning
    if details:
        told["reasoning_details"] = list(details)
    return told


def tool_call(id: str, name: str, arguments: Any) -> dict[str, Any]:
    """Return a tool call; `arguments` may be an object, or its JSON text."""
    text = arguments if isinstance(arguments, str) else COMPACT.encode(arguments)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": text}}


def usage(
    prompt: int,
    completion: int,
    *,
    cached: int | None = None,
    written: int | None = None,
    reasoning: int | None = None,
    audio_in: int | None = None,
    audio_out: int | None = None,
) -> dict[str, Any]:
    """Return token counts: `prompt` and `completion` are whole, the others say what is in them.

    `cached` were read from a prompt cache, `written` to one.
    """
    told: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    for name, counts in (
        ("prompt_tokens_details", (("cached_tokens", cached), ("cache_write_tokens", written),
                                   ("audio_tokens", audio_in))),
        ("completion_tokens_details", (("reasoning_tokens", reasoning),
                                       ("audio_tokens", audio_out))),
    ):  # fmt: skip
        if known := {key: count for key, count in counts if count is not None}:
            told[name] = known
    return told


def says_something(message: Mapping[str, Any]) -> bool:
    """Whether a message, or a delta of one, has anything that was asked for."""
    return any(message.get(name) for name in ("content", "tool_calls", "images", "audio"))


def comes_to_nothing(choice: Mapping[str, Any]) -> bool:
    """Whether a choice ended in a way that leaves an empty message of no use to anybody."""
    return choice["finish_reason"] == "content_filter" or NATIVE_FINISH in choice


def details_of(message: Mapping[str, Any], format: str) -> list[Mapping[str, Any]]:
    """Return the reasoning details of a message that are of one vendor's form, in their order."""
    details = message.get("reasoning_details")
    if not isinstance(details, list):
        return []
    return [each for each in details if isinstance(each, Mapping) and each.get("format") == format]


@dataclass(slots=True)
class Chunks:
    """Makes the chunks of one stream."""

    id: str
    created: int
    model: str

    def delta(
        self, delta: Mapping[str, Any], *, finish: str | None = None, index: int = 0
    ) -> dict[str, Any]:
        """Return a chunk with what one choice says next."""
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._chunk([choice])

    def usage(self, counts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the last chunk, which has the token counts and no choice."""
        return {**self._chunk([]), "usage": counts}

    def _chunk(self, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def embedding_list(
    vectors: Iterable[Sequence[float] | str],
    *,
    model: str,
    tokens: int,
    encoding: Any = None,
) -> dict[str, Any]:
    """Return a list of embeddings; with `encoding` "base64" each is its float32 values' bytes.

    A vector may be given in either form.
    """
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, encoding)}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _encoded(vector: Sequence[float] | str, encoding: Any) -> Any:
    if isinstance(vector, str):
        if encoding == "base64":
            return vector
        data = b64decode(vector, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    if encoding != "base64":
        return list(vector)
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
