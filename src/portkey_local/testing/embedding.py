"""An embedding model that needs no model: texts are near when they share words."""

from __future__ import annotations

import hashlib
import math
import re
from array import array
from typing import Final

__all__ = ["HashingEmbedder"]

_WORD: Final = re.compile(r"\w+")


class HashingEmbedder:
    """Embeds a text by the hashes of its words: the same in every process, and at once.

    It knows no meaning, and no threshold is calibrated for it: give a `min_similarity`.
    """

    name = "hashing"
    window = 256

    def __init__(self, dimensions: int = 256) -> None:
        """Take how many numbers a vector has; fewer let more words meet."""
        self.dimensions = dimensions
        self.fingerprint = hashlib.sha256(f"hashing-{dimensions}".encode()).hexdigest()

    def tokens(self, text: str, /) -> int:
        """Return how many words a text has."""
        return len(_WORD.findall(text))

    def embed(self, text: str, /) -> bytes:
        """Return a vector of length 1, to which each word adds at one place."""
        counts = [0] * self.dimensions
        for word in _WORD.findall(text.lower()):
            digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
            place, sign = divmod(int.from_bytes(digest, "big"), 2)
            counts[place % self.dimensions] += 1 if sign else -1
        if not any(counts):
            counts[0] = 1
        length = math.hypot(*counts)
        return array("f", (count / length for count in counts)).tobytes()
