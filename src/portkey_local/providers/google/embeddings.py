"""Embeddings of Google's models: all the texts of a request in one message."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from portkey_local.providers.completion import embedding_list
from portkey_local.providers.vendor import (
    Ask,
    Inexpressible,
    Unreadable,
)

__all__ = ["embeddings", "options_of", "texts_of"]

OPTIONS: Final = {  # of each text, in either spelling
    "dimensions": "outputDimensionality",
    "output_dimensionality": "outputDimensionality",
    "outputDimensionality": "outputDimensionality",
    "task_type": "taskType",
    "taskType": "taskType",
    "title": "title",
}
READ: Final = ("encoding_format", "input", "model")


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """Return the texts to embed. Raises Inexpressible for tokens, which are another vendor's."""
    told = body.get("input")
    texts = [told] if isinstance(told, str) else told
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str) for each in texts):
        raise Inexpressible("embeds texts alone: input must be a text or a list of texts")
    return texts


def options_of(body: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what holds for each text, and the parameters that have no words here."""
    given = {name: value for name, value in body.items() if value and name not in READ}
    options = {OPTIONS[name]: value for name, value in given.items() if name in OPTIONS}
    return options, tuple(name for name in given if name not in OPTIONS)


def embeddings(data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Return OpenAI's list for an answer of any of Google's methods."""
    tokens = (data.get("usageMetadata") or {}).get("promptTokenCount", 0)
    if "predictions" in data:
        told = [each["embeddings"] for each in data["predictions"]]
        tokens = sum(int(each.get("statistics", {}).get("token_count", 0)) for each in told)
    else:
        told = data["embeddings"] if "embeddings" in data else [data["embedding"]]
    if not told or not all(isfinite(sum(each["values"])) for each in told):
        raise Unreadable("no embedding in it")
    return embedding_list(
        [each["values"] for each in told],
        model=ask.model,
        tokens=tokens,
        encoding=ask.body.get("encoding_format"),
    )
