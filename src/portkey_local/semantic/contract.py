"""What the parts of the semantic tier promise each other.

A vector is float32 in the machine's byte order, of unit length, as bytes: so nothing but the index
and the model need know a numerical library.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

__all__ = ["Embedder", "Neighbours"]


class Embedder(Protocol):
    """A model that turns a text into a vector; blocking, and safe across threads and forks."""

    @property
    def name(self) -> str:
        """The model's name, as its calibration is listed under."""

    @property
    def fingerprint(self) -> str:
        """What tells this very model from any other: a digest of its files."""

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""

    @property
    def window(self) -> int:
        """How many tokens of a text the model reads; the rest would be cut."""

    def tokens(self, text: str, /) -> int:
        """Return how many tokens a text has, uncut."""

    def embed(self, text: str, /) -> bytes:
        """Return the vector of a text."""


class Neighbours(Protocol):
    """The vectors of one scope; safe across threads."""

    def add(self, rows: Iterable[tuple[int, bytes]], /) -> None:
        """Take vectors, each under a number of its own."""

    def remove(self, numbers: Iterable[int], /) -> None:
        """Forget vectors."""

    def nearest(self, vector: bytes, count: int, /) -> list[tuple[int, float]]:
        """Return the numbers of the nearest vectors with their cosine similarity, nearest first."""

    def __len__(self) -> int:
        """How many vectors there are."""
