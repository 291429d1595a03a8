"""Google's Gemini API: generateContent for chat, batchEmbedContents for embeddings.

Ground rules: pure. `Gemini` is one vendor for `NativeCodec`; Vertex AI speaks the same language at
other places, and says where (`google/request.py` makes the message, `answer.py` and `stream.py`
read what comes back).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portkey_local.model import EMPTY, EventReader, Request
from portkey_local.providers.google.answer import completion
from portkey_local.providers.google.embeddings import embeddings, options_of, texts_of
from portkey_local.providers.google.errors import error_of
from portkey_local.providers.google.request import chat, model_path
from portkey_local.providers.google.stream import GeminiTranslator, NativeReader
from portkey_local.providers.languages import Settings, Spoken, WrongSetting
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

__all__ = ["Gemini", "speak"]


class Gemini:
    """Gemini's language, as Google's own API speaks it."""

    def chat(self, body: Mapping[str, Any]) -> Asked:
        """Return a chat request in Gemini's words."""
        return chat(body)

    def completion(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return a chat completion for an answer."""
        return completion(data, ask)

    def translator(self, ask: Ask) -> Translator:
        """Return a fresh translator for one stream."""
        return GeminiTranslator(ask)

    def frames(self) -> EventReader:
        """Return a fresh parser for server-sent events."""
        return SseReader(terminal_needed=False)

    def embed(self, body: Mapping[str, Any]) -> Asked:
        """Return an embeddings request in Gemini's words."""
        options, dropped = options_of(body)
        path = model_path(str(body.get("model")))
        requests = [
            {"model": path[1:], "content": {"parts": [{"text": text}]}, **options}
            for text in texts_of(body)
        ]
        return Asked(f"{path}:batchEmbedContents", {"requests": requests}, dropped)

    def embeddings(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return OpenAI's list of embeddings for an answer."""
        return embeddings(data, ask)

    def error(self, status: int, data: Any) -> VendorError:
        """Return what an error body says."""
        del status
        return error_of(data)[1]

    def limits(self, headers: Mapping[str, str], wall: float) -> Mapping[str, str]:
        """Return nothing: Google tells no limits in headers."""
        del headers, wall
        return EMPTY

    def native_reader(self, request: Request) -> EventReader:
        """Return a fresh parser for a stream of a native endpoint."""
        streams = request.path.endswith(":streamGenerateContent")
        return NativeReader() if streams else SseReader(terminal_needed=False)


def speak(settings: Settings) -> Spoken:
    """Return how the Gemini API is spoken to."""
    if settings.url is None:
        raise WrongSetting("custom_host", f"{settings.provider!r} has no host of its own")
    return Spoken(NativeCodec(Gemini()), settings.url)
