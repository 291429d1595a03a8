"""Cohere's API v2: chat and embeddings.

Ground rules: pure functions. `request` and `messages` say a chat in Cohere's words, `answer` and
`stream` read what comes back, and `embed` does both for embeddings; what all vendors share is in
`native`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.model import EventReader, Request
from portkey_local.providers.cohere import answer, embed, request
from portkey_local.providers.cohere.stream import ChatStream
from portkey_local.providers.languages import Settings, Spoken
from portkey_local.providers.native import (
    NativeCodec,
)
from portkey_local.providers.sse import SseReader
from portkey_local.providers.vendor import (
    Ask,
    Asked,
    Translator,
    VendorError,
)

__all__ = ["Cohere", "speak"]

# The limits of trial keys are told in headers of their own.
LIMITS: Final[Mapping[str, str]] = {
    "x-trial-endpoint-call-limit": "x-ratelimit-limit-requests",
    "x-trial-endpoint-call-remaining": "x-ratelimit-remaining-requests",
}


class Cohere:
    """Cohere's language."""

    def chat(self, body: Mapping[str, Any]) -> Asked:
        """Return a chat request in Cohere's words."""
        return request.chat(body)

    def completion(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return a chat completion for an answer."""
        return answer.completion(data, ask)

    def translator(self, ask: Ask) -> Translator:
        """Return a fresh translator for one stream of a chat."""
        return ChatStream(ask)

    def frames(self) -> EventReader:
        """Return a fresh parser of server-sent events."""
        return SseReader(terminal_needed=False)

    def embed(self, body: Mapping[str, Any]) -> Asked:
        """Return an embeddings request in Cohere's words."""
        return embed.embed(body)

    def embeddings(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return OpenAI's list of embeddings for an answer."""
        return embed.embeddings(data, ask)

    def error(self, status: int, data: Any) -> VendorError:
        """Return what an error body says."""
        return answer.error_of(data)

    def limits(self, headers: Mapping[str, str], wall: float) -> Mapping[str, str]:
        """Return the limits of a trial key under OpenAI's names."""
        return {LIMITS[name]: value for name, value in headers.items() if name in LIMITS}

    def native_reader(self, request: Request) -> EventReader:
        """Return a fresh parser for a stream of a native endpoint."""
        return SseReader(terminal_needed=request.path == "/chat")


CODEC: Final = NativeCodec(Cohere())


def speak(settings: Settings) -> Spoken:
    """Return how a target of Cohere's is spoken to."""
    return Spoken(CODEC, settings.host())
