"""Cohere's embeddings.

Ground rules: OpenAI's `encoding_format` chooses what Cohere sends, so that nothing is encoded twice
where it need not be; an `embedding_types` of the caller's own goes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.completion import embedding_list
from portkey_local.providers.embedding import asked_texts
from portkey_local.providers.vendor import (
    Ask,
    Asked,
)

__all__ = ["embed", "embeddings"]

OWN: Final = frozenset({
    "embedding_types", "images", "input_type", "inputs", "max_tokens", "output_dimension",
    "priority", "truncate",
})  # fmt: skip
READ: Final = frozenset({"dimensions", "encoding_format", "input", "model"})
DOCUMENT: Final = "search_document"  # what most embeddings are made of; a query must say that it is
FIRST: Final = ("float", "base64")


def embed(body: Mapping[str, Any]) -> Asked:
    """Return an embeddings request in Cohere's words. Raises Inexpressible."""
    encoding = body.get("encoding_format")
    said: dict[str, Any] = {
        "model": body["model"],
        "input_type": DOCUMENT,
        "embedding_types": ["base64" if encoding == "base64" else "float"],
    }
    if "inputs" not in body and "images" not in body:
        said["texts"] = asked_texts(body)
    if (dimensions := body.get("dimensions")) is not None:
        said["output_dimension"] = dimensions
    said |= {name: body[name] for name in OWN if body.get(name) is not None}
    known = OWN | READ
    dropped = [name for name, value in body.items() if name not in known and value]
    return Asked("/embed", said, tuple(dropped))


def embeddings(data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Return OpenAI's list of embeddings for Cohere's answer."""
    return embedding_list(
        _vectors(data["embeddings"]),
        model=ask.model,
        tokens=_tokens(data.get("meta")),
        encoding=ask.body.get("encoding_format"),
    )


def _vectors(told: Any) -> list[Any]:
    """Return one kind of the embeddings that came; OpenAI's own kinds first."""
    if isinstance(told, list):  # as they were before there were several kinds
        return told
    kinds = (kind for kind in (*FIRST, *told) if told.get(kind) is not None)
    vectors = told[next(kinds)]
    if not isinstance(vectors, list):
        raise TypeError("no list of embeddings")
    return vectors


def _tokens(meta: Any) -> int:
    """Return what was read, or else what is billed: texts, and images in tokens."""
    if not isinstance(meta, Mapping):
        return 0
    read = meta.get("tokens") or {}
    if (tokens := read.get("input_tokens")) is not None:
        return int(tokens)
    billed = meta.get("billed_units") or {}
    return int(billed.get("input_tokens") or 0) + int(billed.get("image_tokens") or 0)
