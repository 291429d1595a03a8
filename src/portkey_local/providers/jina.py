"""Jina AI's embeddings.

Ground rules: nearly OpenAI's language. The encoding is `embedding_type`, the purpose is `task`, and
an input may be an image.
"""

from __future__ import annotations

from typing import Final

from portkey_local.providers.embedding import EmbeddingVendor
from portkey_local.providers.languages import Settings, Spoken
from portkey_local.providers.native import (
    NativeCodec,
)

__all__ = ["speak"]

OWN: Final = frozenset({
    "embedding_type", "late_chunking", "normalized", "return_multivector", "task", "truncate",
})  # fmt: skip
CODEC: Final = NativeCodec(
    EmbeddingVendor(
        OWN, dimensions="dimensions", form="embedding_type", numbers="float", parts=True
    )
)


def speak(settings: Settings) -> Spoken:
    """Return how a target of Jina's is spoken to."""
    return Spoken(CODEC, settings.host())
