"""The models of one client's semantic caches, each looked for when the first cache names it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from portkey_local.semantic.evidence import EvidenceState
from portkey_local.semantic.forking import survive

if TYPE_CHECKING:  # what is heavy is loaded when a cache is semantic
    from portkey_local.caches.questions import Questions
    from portkey_local.semantic.contract import Embedder, Neighbours
    from portkey_local.semantic.recalling import Recall

__all__ = ["RecallsState"]


class RecallsState:
    """Gives each cache its model, the same one to all that name the same; safe across threads.

    `evidence` is what their comparisons have shown.
    """

    def __init__(self, questions: Questions, given: Embedder | None = None) -> None:
        """Take where questions are kept, and the model of a cache that names none."""
        self.questions = questions
        self.evidence = EvidenceState()
        self._given = given
        self._known: dict[int, Recall] = {}
        self._said: set[str] = set()
        self._later: Embedder | None = None
        self.lock = threading.Lock()
        survive(self)

    def renew(self, *, whole: bool) -> None:  # noqa: ARG002 - a dict is whole at any time
        """Take a new lock in a forked process."""
        self.lock = threading.Lock()

    def of(self, model: str | None, *, download: bool = False) -> Recall:
        """Return what a model remembers. Raises NoModel."""
        from portkey_local.semantic.nearby import NearbyState
        from portkey_local.semantic.recalling import Recall
        from portkey_local.semantic.resolve import NoModel, embedder

        try:
            found = embedder(self._given if model is None else model)
        except NoModel:
            if model is not None or not download:
                raise
            found = self._downloading()
        with self.lock:
            known = self._known.get(id(found))  # which it keeps, so that no other gets its id
            if known is None:
                nearby = NearbyState(self.questions, _neighbours)
                known = self._known[id(found)] = Recall(found, nearby)
            return known

    def _downloading(self) -> Embedder:
        from portkey_local.semantic.downloading import Downloading

        with self.lock:
            if self._later is None:
                self._later = Downloading()
            return self._later

    def first(self, message: str) -> bool:
        """Whether a message is said for the first time."""
        with self.lock:
            new = message not in self._said
            self._said.add(message)
            return new


def _neighbours(dimensions: int) -> Neighbours:
    from portkey_local.semantic.index import FaissNeighbours

    return FaissNeighbours(dimensions)
