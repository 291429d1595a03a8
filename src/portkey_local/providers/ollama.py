"""Ollama: OpenAI's language, nearly.

Ground rules: reasoning is `reasoning_content` too; tool calls get the ids, indexes and finish
reasons that OpenAI's have. The options of Ollama's own API do nothing at this one, so they are
dropped and named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from portkey_local.model import Failure, Fault, Packet, Request, Target
from portkey_local.providers.languages import Settings, Spoken
from portkey_local.providers.mending import MendingCodec, Quirks

__all__ = ["OllamaCodec", "speak"]

OPTIONS: Final = (  # which only Ollama's own API reads: a model's file sets them otherwise
    "keep_alive", "mirostat", "num_batch", "num_ctx", "num_gpu", "num_keep", "num_predict",
    "num_thread", "options", "repeat_last_n", "repeat_penalty",
)  # fmt: skip
QUIRKS: Final = Quirks(
    reasoning=("reasoning", "thinking"),
    finishes={"load": "stop", "unload": "stop"},
    finish_field="done_reason",
)


class OllamaCodec(MendingCodec):
    """OpenAI's wire format, as Ollama speaks it."""

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request`; Ollama's own API stands beside OpenAI's."""
        if request.path.startswith("/api/"):
            own = replace(target, url=target.url.removesuffix("/v1"))
            return super().encode(own, request)
        body = request.body or {}
        lost = tuple(
            name
            for name in OPTIONS
            if body.get(name) is not None or target.override.get(name) is not None
        )
        if not lost:
            return super().encode(target, request)
        if target.strict_params:
            message = (
                f"{target.provider} does nothing with {', '.join(lost)}, and strict_params is set"
            )
            return Failure(target, Fault.ROUTING, 400, message)
        override: Mapping[str, object] = {**target.override, **dict.fromkeys(lost)}
        packet = super().encode(replace(target, override=override), request)
        if isinstance(packet, Packet):
            packet.dropped = lost
        return packet


CODEC: Final = OllamaCodec(QUIRKS)


def speak(settings: Settings) -> Spoken:
    """Return how a target of Ollama's is spoken to."""
    return Spoken(CODEC, settings.host())
