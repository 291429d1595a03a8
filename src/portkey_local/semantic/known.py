"""Which calibration holds for a model: known by the vectors it gives, not by what it is called.

The same model comes in several files: whole numbers or floats, this exporter or that one. Their
digests differ and their similarities do not, so one that gives the very vectors of the calibrated
model shares its thresholds; one that only has its name does not.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Final

from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.resolve import INT8

__all__ = ["calibrated_as", "golden"]

ALIKE: Final = 0.999  # cosine; rounding to 8 bits moves a vector to 0.9993, another model far away
GOLDEN: Final = Path(__file__).parent / "minilm" / "golden.json"


def calibrated_as(embedder: Embedder) -> str:
    """Return the fingerprint of the model whose thresholds hold for this one, perhaps its own.

    Embeds a few texts unless it is the calibrated model itself; raises what the embedder raises.
    """
    if embedder.fingerprint == INT8:
        return INT8
    alike = all(_cosine(embedder.embed(text), vector) >= ALIKE for text, vector in golden().items())
    return INT8 if alike else embedder.fingerprint


@cache
def golden() -> dict[str, tuple[float, ...]]:
    """Return a few texts with the vectors that all-MiniLM-L6-v2 gives them."""
    kept = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return {text: tuple(vector) for text, vector in kept.items()}


def _cosine(left: bytes, right: tuple[float, ...]) -> float:
    numbers = memoryview(left).cast("f")
    if len(numbers) != len(right):
        return 0.0
    product = math.fsum(a * b for a, b in zip(numbers, right, strict=True))
    return product / (math.hypot(*numbers) * math.hypot(*right) or 1.0)
