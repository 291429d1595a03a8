"""What one embedding model remembers: it takes a question, and finds those that mean the same.

Ground rules: `recall` and `learned` compute and may wait (for the model to load, for a file), so
they are asked in a thread of their own, with a time limit. A model that is found wanting is left
alone for a while.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from portkey_local.caches.questions import Question
from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.deciding import Candidate, Profile, decide, threshold
from portkey_local.semantic.downloading import Downloading
from portkey_local.semantic.eligibility import unfit
from portkey_local.semantic.known import calibrated_as
from portkey_local.semantic.model import NoModel, OnnxEmbedder
from portkey_local.semantic.nearby import Near, NearbyState
from portkey_local.semantic.requests import Unfit
from portkey_local.semantic.text import normal
from portkey_local.semantic.vectors import VectorsState

__all__ = ["REJECTED", "Recall", "Recalled", "Sought", "WarmthState"]

LOGGER: Final = logging.getLogger("portkey_local")
NEIGHBOURS: Final = 5
PATIENCE: Final = 1.0  # seconds that a call waits for a look
WARM_UP: Final = 10.0  # seconds from the first look within which calls wait for the model to load
FEW: Final = 60  # letters, which are too few to be too many tokens
UNKNOWN: Final = 0.9  # the similarity that is asked of a model nobody has calibrated
REJECTED: Final = "rejected"
FAILURES: Final = 3  # in a row, after which a model is left alone
REST: Final = 60.0  # seconds
SCHEMA: Final = b"1"  # of scopes and texts; another one finds nothing of what was kept before


@dataclass(frozen=True, slots=True)
class Sought:
    """A question that is asked, and how alike another one must be: without `at_least`, as much as
    the model's calibration says.

    `scope` is the digest of the request around it. `rejected` tells of the key of an answer whether
    it was said not to be one to this question.
    `vector` is known from the second look on. `gone` are the keys of answers that are not there any
    more, `without` those that will not do for this call.
    """

    scope: bytes
    text: str = field(repr=False)
    profile: Profile
    at_least: float | None
    now: float
    rejected: Callable[[bytes], bool]
    vector: bytes | None = field(default=None, repr=False)
    gone: tuple[bytes, ...] = ()
    without: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Recalled:
    """What came of a look: the question that has the same answer, and those a veto stopped.

    `at_least` is the similarity that was asked for, and `calibrated` whether anybody knows what it
    means.
    """

    vector: bytes = field(repr=False)
    served: Near | None
    at_least: float
    calibrated: bool = True
    passed: tuple[tuple[Near, str], ...] = ()


class WarmthState:
    """How long a call may wait for a model: long once, while it loads, and not at all while it is
    out of order. Forgets nothing that matters where two threads meet.
    """

    def __init__(self) -> None:
        """Begin cold."""
        self._began: float | None = None
        self.warm = False
        self._failures = 0
        self._failing_since = 0.0
        self._calibration: str | None = None
        self._rest_until = float("-inf")

    def patience(self, now: float) -> float:
        """Return the seconds that a look at `now` may take; 0 for none at all."""
        if now < self._rest_until:
            return 0.0
        if self.warm:
            return PATIENCE
        if self._began is None:
            self._began = now
        return max(PATIENCE, self._began + WARM_UP - now)

    def warmed(self) -> None:
        """Note that the model has answered."""
        self.warm, self._failures = True, 0

    def failed(self, now: float, error: Exception) -> None:
        """Note that a look failed, or was too slow; after a few in a row, leave the model alone.

        Looks that are late while others are answered only wait in a crowd.
        """
        if self._failures == 0:
            self._failing_since = now
        self._failures += 1
        crowded = isinstance(error, TimeoutError) and now - self._failing_since < PATIENCE
        if isinstance(error, NoModel) or (self._failures >= FAILURES and not crowded):
            self._rest_until, self._failures = now + REST, 0

    def calibration(self, embedder: Embedder) -> str:
        """Return the fingerprint of the model whose thresholds hold; found out once."""
        if self._calibration is None:
            self._calibration = calibrated_as(embedder)
            unknown = threshold(self._calibration, "balanced") is None
            if unknown and isinstance(embedder, OnnxEmbedder | Downloading):
                LOGGER.warning(
                    "nobody has calibrated the embedding model %r: what it finds is reported"
                    " (cache.shadowed) and not served; give the cache a min_similarity",
                    embedder.name,
                )
        return self._calibration


@dataclass(frozen=True, slots=True)
class Recall:
    """One model, and the questions that are kept with its vectors."""

    embedder: Embedder
    nearby: NearbyState
    warmth: WarmthState = field(default_factory=WarmthState)
    vectors: VectorsState = field(default_factory=VectorsState)

    def scope(self, rest: bytes) -> bytes:
        """Return the scope of a request by the digest of its `rest`: each model has its own.

        Reads the model's files, the first time.
        """
        told = b"\0".join((SCHEMA, self.embedder.fingerprint.encode(), rest))
        return hashlib.blake2b(told, digest_size=32).digest()

    def recall(self, sought: Sought) -> Recalled | Unfit:
        """Return the nearest question with the same answer, or why a text is left alone."""
        scope = self.scope(sought.scope)
        if sought.gone:
            self.nearby.forget(scope, sought.gone)
        tokens = self.tokens(sought.text)
        reason = unfit(sought.text, tokens=tokens, window=self.embedder.window)
        if reason is not None:
            return Unfit(reason)
        vector = sought.vector or self.vector(sought.text)
        near = self.nearby.nearest(scope, vector, NEIGHBOURS, sought.now, without=sought.without)
        at_least, calibrated = self._at_least(sought)
        return _decided(sought, Recalled(vector, None, at_least, calibrated), near, tokens)

    def brief(self, sought: Sought) -> bool:
        """Whether a look takes milliseconds: by a model of ours that is loaded, in a scope at hand.

        A caller's own model may wait for anything, and a scope may have to be read from a file.
        """
        if not (self.warmth.warm and isinstance(self.embedder, OnnxEmbedder)):
            return False
        return self.nearby.holds(self.scope(sought.scope))

    def _at_least(self, sought: Sought) -> tuple[float, bool]:
        """Return the similarity to ask for, and whether anybody knows what it means."""
        if sought.at_least is not None:
            return sought.at_least, True
        known = threshold(self.warmth.calibration(self.embedder), sought.profile)
        return (UNKNOWN, False) if known is None else (known, True)

    def tokens(self, text: str) -> int:
        """Return how many tokens a text has, or of a short one how many at most."""
        short = len(text) < FEW and text.isascii()  # a token has a letter, and two stand around
        return len(text) + 2 if short else self.embedder.tokens(text)

    def vector(self, text: str) -> bytes:
        """Return the vector of a text; the first one loads everything that a look needs."""
        words = normal(text)
        vector = self.vectors.get(words)
        if vector is None:
            vector = self.embedder.embed(words)
            self.vectors.put(words, vector)
        if not self.warmth.warm:
            self.nearby.rehearse(vector)
            decide(text, [Candidate(text, 1.0)], "balanced", 0.0, tokens=1)
        self.warmth.warmed()
        return vector

    def fit(self, text: str) -> bool:
        """Whether a text is not to be left alone."""
        tokens = self.tokens(text)
        return unfit(text, tokens=tokens, window=self.embedder.window) is None

    def learned(self, text: str) -> bytes | None:
        """Return the vector of a text that was not looked for; None where it is left alone."""
        return self.vector(text) if self.fit(text) else None

    def add(self, question: Question, failed: Callable[[Exception], None]) -> None:
        """Keep a question; returns at once."""
        self.nearby.questions.add(question, failed)


def _decided(sought: Sought, found: Recalled, near: Sequence[Near], tokens: int) -> Recalled:
    """Choose among the nearest; one that was rejected for this question is passed, like a veto."""
    passed: list[tuple[Near, str]] = []
    while True:
        candidates = [Candidate(each.question.text, each.similarity) for each in near]
        verdict = decide(sought.text, candidates, sought.profile, found.at_least, tokens=tokens)
        passed += [(near[at], veto) for at, veto in verdict.vetoes]
        served = None if verdict.served is None else near[verdict.served]
        if served is None or verdict.served is None or not sought.rejected(served.question.key):
            return replace(found, served=served, passed=tuple(passed))
        passed.append((served, REJECTED))
        near = near[verdict.served + 1 :]
