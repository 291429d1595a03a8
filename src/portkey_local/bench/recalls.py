"""What semantic caches remember in a bench: the very tier, with a model that is on this machine.

Ground rules: nothing is downloaded, whatever a config allows. A text's vector is the same under
every config, in every weather and in every round, so it is computed once in a process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from portkey_local.caches.questions import MemoryQuestions
from portkey_local.semantic.model import OnnxEmbedder
from portkey_local.semantic.remembering import RecallsState
from portkey_local.semantic.text import normal
from portkey_local.semantic.vectors import VectorsState

if TYPE_CHECKING:
    from portkey_local.semantic.recalling import Recall

__all__ = ["BenchRecallsState"]

TEXTS: Final = 100_000  # whose vectors are kept: 150 MB of MiniLM's


class BenchRecallsState(RecallsState):
    """Gives each cache of a run its model; `remarks` are what a client would warn of."""

    def __init__(self) -> None:
        """Begin with no question kept."""
        super().__init__(MemoryQuestions())
        self.remarks: list[str] = []
        self._used: dict[str, Recall] = {}

    def of(self, model: str | None, *, download: bool = False) -> Recall:  # noqa: ARG002 - never
        """Return what a model remembers, with the vectors of all runs. Raises NoModel."""
        from portkey_local.semantic.resolve import NoModel

        try:
            recall = super().of(model)
        except NoModel as error:
            raise NoModel(f"the semantic tier was not measured, for {error}") from None
        name = recall.embedder.fingerprint
        self._used[name] = replace(recall, vectors=_vectors(name))
        return self._used[name]

    def foresee(self, texts: Sequence[str]) -> None:
        """Embed what a run will ask, many texts at a time, where a cache of it has a model."""
        for recall in self._used.values():
            if isinstance(recall.embedder, OnnxEmbedder):
                asked = dict.fromkeys(map(normal, texts))
                new = [text for text in asked if recall.vectors.get(text) is None]
                for text, vector in zip(new, recall.embedder.embed_all(new), strict=True):
                    recall.vectors.put(text, vector)

    def first(self, message: str) -> bool:
        """Take a message for the run's own warnings, so that nobody else need say it."""
        if super().first(message):
            self.remarks.append(message)
        return False


@cache
def _vectors(fingerprint: str) -> VectorsState:  # noqa: ARG001 - each model has its own
    return VectorsState(TEXTS)
