"""The vectors of many texts, each computed once: kept in a folder, by model and by text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.progress import Progress

    from portkey_local.semantic.contract import Embedder

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

FOLDER = Path(__file__).parent.parent / ".cache" / "vectors"


@dataclass(frozen=True, slots=True)
class Vectors:
    """What a model makes of texts."""

    embedder: Embedder
    rows: dict[str, bytes]

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine similarity of two texts."""
        return float(_array(self.rows[a]) @ _array(self.rows[b]))

    def matrix(self, texts: Sequence[str]) -> Array:
        """Return the vectors of texts, one a row."""
        return np.stack([_array(self.rows[text]) for text in texts])


def embedded(embedder: Embedder, texts: Iterable[str], progress: Progress | None) -> Vectors:
    """Return the vectors of texts; what an earlier run has computed is read from a file."""
    wanted = list(dict.fromkeys(texts))
    path = FOLDER / f"{embedder.fingerprint[:16]}-{_digest(wanted)}.npy"
    if path.exists():
        table = np.load(path, allow_pickle=False)
        return Vectors(embedder, dict(zip(wanted, map(bytes, table), strict=True)))
    rows = {text: embedder.embed(text) for text in _shown(wanted, progress)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.stack([np.frombuffer(row, np.uint8) for row in rows.values()]))
    return Vectors(embedder, rows)


def _shown(texts: list[str], progress: Progress | None) -> Iterable[str]:
    return progress.track(texts, description="embedding") if progress else texts


def _digest(texts: list[str]) -> str:
    whole = hashlib.sha256()
    for text in texts:
        whole.update(text.encode() + b"\0")
    return whole.hexdigest()[:16]


def _array(row: bytes) -> Array:
    return np.frombuffer(row, np.float32)
