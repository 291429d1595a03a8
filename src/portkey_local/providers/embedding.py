"""Vendors of embeddings alone, whose language is nearly OpenAI's: Voyage, Jina.

Ground rules: a vendor says what is its own, `EmbeddingVendor` does the rest. The caller gets the
form that it asked for (numbers, or base64 of float32 values), whichever the vendor sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from portkey_local.model import EventReader, Request
from portkey_local.providers.completion import embedding_list
from portkey_local.providers.sse import SseReader
from portkey_local.providers.vendor import (
    Ask,
    Asked,
    Inexpressible,
    Translator,
    Unspoken,
    VendorError,
)

__all__ = ["EmbeddingVendor", "asked_texts"]

SAID = frozenset({"dimensions", "encoding_format", "input", "model"})


def asked_texts(body: Mapping[str, Any]) -> list[str]:
    """Return the texts of an embeddings request. Raises Inexpressible for tokens."""
    told = body.get("input")
    if isinstance(told, str):
        return [told]
    if isinstance(told, list | tuple) and all(isinstance(each, str) for each in told):
        return list(told)
    raise Inexpressible("input must be a text or a list of texts; OpenAI's tokens mean nothing")


@dataclass(frozen=True, slots=True)
class EmbeddingVendor:
    """A vendor of embeddings: `own` are the parameters that it alone knows.

    `dimensions` is its name for the vectors' length, `form` that of their encoding. `numbers` is
    what it calls numbers there; None where it is not to be told.
    """

    own: frozenset[str]
    dimensions: str
    form: str
    numbers: str | None
    parts: bool = False  # whether an input may be an object, such as an image

    def embed(self, body: Mapping[str, Any]) -> Asked:
        """Return an embeddings request in the vendor's words. Raises Inexpressible."""
        objects = self.parts and _objects(body.get("input"))
        given = body["input"] if objects else asked_texts(body)
        said: dict[str, Any] = {"model": body["model"], "input": given}
        form = "base64" if body.get("encoding_format") == "base64" else self.numbers
        if form is not None:
            said[self.form] = form
        if (dimensions := body.get("dimensions")) is not None:
            said[self.dimensions] = dimensions
        said |= {name: body[name] for name in self.own if body.get(name) is not None}
        known = SAID | self.own
        return Asked(
            "/embeddings", said, tuple(name for name in body if name not in known and body[name])
        )

    def embeddings(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return OpenAI's list of embeddings; all tokens of such a request are its prompt's."""
        counts = data.get("usage") or {}
        entries = sorted(data["data"], key=lambda entry: entry.get("index", 0))
        return embedding_list(
            [_vector(entry["embedding"]) for entry in entries],
            model=data.get("model") or ask.model,
            tokens=int(counts.get("total_tokens") or counts.get("prompt_tokens") or 0),
            encoding=ask.body.get("encoding_format"),
        )

    def error(self, status: int, data: Any) -> VendorError:
        """Return what an error body says: a `detail`, as text or as a list of complaints."""
        told = data if isinstance(data, Mapping) else {}
        detail = told.get("detail") or told.get("message") or told.get("error") or ""
        if isinstance(detail, list):
            detail = "; ".join(str(each.get("msg")) for each in detail if isinstance(each, Mapping))
        if isinstance(detail, Mapping):
            detail = detail.get("message") or ""
        return VendorError(detail if isinstance(detail, str) else "")

    def limits(self, headers: Mapping[str, str], wall: float) -> Mapping[str, str]:
        """Return nothing: these vendors' headers have OpenAI's names, or none."""
        return {}

    def native_reader(self, request: Request) -> EventReader:
        """Return a fresh parser for a stream of a native endpoint."""
        return SseReader(terminal_needed=False)

    def frames(self) -> EventReader:
        """Return a fresh parser; no chat is ever read with it."""
        return SseReader()

    def chat(self, body: Mapping[str, Any]) -> NoReturn:
        """Refuse a chat."""
        raise Unspoken

    def completion(self, data: Mapping[str, Any], ask: Ask) -> NoReturn:
        """Refuse an answer to a chat, which nobody has asked for."""
        raise Unspoken

    def translator(self, ask: Ask) -> Translator:
        """Refuse a stream of a chat, which nobody has asked for."""
        raise Unspoken


def _objects(given: Any) -> bool:
    return isinstance(given, list) and any(isinstance(each, Mapping) for each in given)


def _vector(told: Any) -> Any:
    if not isinstance(told, list | str):
        raise TypeError("no embedding")
    return told
