"""Embeddings on Bedrock: each family of models has a request of its own, under one path.

Ground rules: pure functions. A family that takes one text a call is not asked for several: one
call of the caller's is one call here. No embedding is made of token ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from portkey_local.providers.bedrock.models import Model
from portkey_local.providers.bedrock.request import path_of
from portkey_local.providers.completion import embedding_list
from portkey_local.providers.vendor import (
    Ask,
    Asked,
    Inexpressible,
    Unreadable,
)

__all__ = ["embed", "embedded"]

READ: Final = frozenset({"encoding_format", "input", "model"})
Said = tuple[dict[str, Any], frozenset[str]]


def embed(body: Mapping[str, Any], id: str, model: Model) -> Asked:
    """Return an embeddings request in the model's words."""
    texts = _texts(body.get("input"))
    made, known = _family(model)(texts, body, model)
    dropped = [
        name
        for name, value in body.items()
        if value is not None and name not in READ and name not in known
    ]
    return Asked(path_of(id, "invoke"), made, tuple(dropped))


def _family(model: Model) -> Callable[[list[str], Mapping[str, Any], Model], Said]:
    if model.family == "cohere":
        return _cohere
    if model.family == "titan":
        return _titan
    if model.family == "nova":
        return _nova
    raise Inexpressible(f"no embeddings are known of the model {model.id!r}")


def _texts(told: Any) -> list[str]:
    texts = [told] if isinstance(told, str) else told
    if not isinstance(texts, list | tuple) or not texts:
        raise Inexpressible("the input must be a text or a list of texts")
    if not all(isinstance(text, str) for text in texts):
        raise Inexpressible("embeddings are made of texts here, not of token ids")
    return list(texts)


def _only(texts: list[str], model: Model) -> str:
    if len(texts) > 1:
        raise Inexpressible(f"{model.id} takes one text a call, not {len(texts)}")
    return texts[0]


def _taken(body: Mapping[str, Any], names: Mapping[str, str]) -> Said:
    """Return the parameters that a family knows, under its own names."""
    told = {theirs: body[ours] for ours, theirs in names.items() if body.get(ours) is not None}
    return told, frozenset(names)


def _cohere(texts: list[str], body: Mapping[str, Any], model: Model) -> Said:
    names = {each: each for each in ("embedding_types", "input_type", "max_tokens", "truncate")}
    names |= {"output_dimension": "output_dimension"}
    if "embed-v4" in model.id:
        names |= {"dimensions": "output_dimension"}
    told, known = _taken(body, names)
    return {"texts": texts, "input_type": "search_document", **told}, known


def _titan(texts: list[str], body: Mapping[str, Any], model: Model) -> Said:
    text = _only(texts, model)
    if "image" in model.id:
        told, known = _taken(body, {"dimensions": "outputEmbeddingLength"})
        return {"inputText": text, **({"embeddingConfig": told} if told else {})}, known
    names = {} if "embed-text-v1" in model.id or "g1" in model.id else {
        "dimensions": "dimensions", "normalize": "normalize", "embeddingTypes": "embeddingTypes",
    }  # fmt: skip
    told, known = _taken(body, names)
    return {"inputText": text, **told}, known


def _nova(texts: list[str], body: Mapping[str, Any], model: Model) -> Said:
    text = {"value": _only(texts, model), "truncationMode": body.get("truncate") or "END"}
    told, known = _taken(body, {"dimensions": "embeddingDimension"})
    purpose = body.get("embedding_purpose") or "GENERIC_INDEX"
    single = {"embeddingPurpose": purpose, "text": text, **told}
    made = {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": single}
    return made, known | {"embedding_purpose", "truncate"}


def embedded(data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Return OpenAI's list of embeddings for any family's answer."""
    match data:
        case {"embedding": [*_] as vector}:
            vectors = [vector]
        case {"embeddings": [*told]}:
            vectors = [each["embedding"] if isinstance(each, Mapping) else each for each in told]
        case {"embeddings": Mapping() as kinds} if kinds:
            vectors = kinds.get("float") or next(iter(kinds.values()))
        case {"embeddingsByType": Mapping() as kinds} if kinds:
            vectors = [kinds.get("float") or next(iter(kinds.values()))]
        case _:
            raise Unreadable("no embedding")
    if not all(_is_vector(each) for each in vectors):
        raise Unreadable("an embedding that is no list of numbers")
    return embedding_list(
        vectors,
        model=ask.model,
        tokens=int(data.get("inputTextTokenCount") or 0),
        encoding=ask.body.get("encoding_format"),
    )


def _is_vector(vector: Any) -> bool:
    return isinstance(vector, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in vector
    )
