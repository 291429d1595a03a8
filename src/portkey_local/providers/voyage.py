"""Voyage AI's embeddings.

Ground rules: nearly OpenAI's language. The vectors' length is `output_dimension`, numbers are what
comes where no encoding is named (naming them is refused), and the usage has one count.
"""

from __future__ import annotations

from typing import Final

from portkey_local.providers.embedding import EmbeddingVendor
from portkey_local.providers.languages import Settings, Spoken
from portkey_local.providers.native import (
    NativeCodec,
)

__all__ = ["speak"]

OWN: Final = frozenset({"input_type", "output_dimension", "output_dtype", "truncation"})
CODEC: Final = NativeCodec(
    EmbeddingVendor(OWN, dimensions="output_dimension", form="encoding_format", numbers=None)
)


def speak(settings: Settings) -> Spoken:
    """Return how a target of Voyage's is spoken to."""
    return Spoken(CODEC, settings.host())
