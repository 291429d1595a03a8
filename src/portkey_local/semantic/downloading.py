"""The model that is still to be downloaded: nothing is, before the first question comes."""

from __future__ import annotations

import threading

from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.forking import survive
from portkey_local.semantic.model import MINILM
from portkey_local.semantic.resolve import embedder

__all__ = ["Downloading"]


class Downloading:
    """Downloads the default model when it is first used, and is it from then on.

    Raises NoModel where that fails.
    """

    name = MINILM

    def __init__(self) -> None:
        """Download nothing."""
        self.lock = threading.Lock()
        self._found: Embedder | None = None
        survive(self)

    def renew(self, *, whole: bool) -> None:  # noqa: ARG002 - what was found is whole
        """Take a new lock in a forked process."""
        self.lock = threading.Lock()

    def _model(self) -> Embedder:
        with self.lock:
            if self._found is None:
                self._found = embedder(download=True)
            return self._found

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of its ONNX file, in hex."""
        return self._model().fingerprint

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return self._model().dimensions

    @property
    def window(self) -> int:
        """How many tokens of a text it reads."""
        return self._model().window

    def tokens(self, text: str, /) -> int:
        """Return how many tokens a text has."""
        return self._model().tokens(text)

    def embed(self, text: str, /) -> bytes:
        """Return the vector of a text."""
        return self._model().embed(text)
