"""How often a decider serves, and how often it should not have."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.questions import Labelled, Pair
from benchmarks.vectors import Vectors
from portkey_local.semantic.deciding import Candidate, Profile, decide
from portkey_local.semantic.eligibility import unfit

NEAREST = 5  # candidates that are looked at

Decider = Callable[[str, Sequence[Candidate]], int | None]
"""Which candidate serves a question."""


@dataclass(slots=True)
class Score:
    """What one decider did on one data set.

    In a set of pairs `asked` counts those with the same answer and `traps` the others; in a set of
    questions each is asked, and each may be answered wrongly.
    """

    data: str
    decider: str
    at_least: float
    asked: int = 0
    traps: int = 0
    right: int = 0
    wrong: int = 0
    kinds: dict[str, list[int]] = field(default_factory=dict)

    @property
    def hit_rate(self) -> float | None:
        """The part of the questions with an answer in store that is served, rightly or not."""
        return self.right / self.asked if self.asked else None

    @property
    def wrong_rate(self) -> float:
        """The part of the traps, or of the questions, that is served another's answer."""
        return self.wrong / self.traps if self.traps else 0.0

    @property
    def precision(self) -> float | None:
        """The part of what was served that was right."""
        served = self.right + self.wrong
        return self.right / served if served else None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for a JSON file."""
        return {
            "data": self.data,
            "decider": self.decider,
            "at_least": self.at_least,
            "asked": self.asked,
            "traps": self.traps,
            "right": self.right,
            "wrong": self.wrong,
            "hit_rate": self.hit_rate,
            "wrong_rate": self.wrong_rate,
            "wrong_rate_95": interval(self.wrong, self.traps),
            "precision": self.precision,
            "kinds": {kind: {"served": row[0], "of": row[1]} for kind, row in self.kinds.items()},
        }


def interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a rate: the exact one, found by bisection."""
    if not total:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = _bisect(lambda rate: 1 - _at_most(count - 1, total, rate) < tail) if count else 0.0
    high = _bisect(lambda rate: _at_most(count, total, rate) > tail) if count < total else 1.0
    return low, high


def _bisect(below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return low


def _at_most(count: int, total: int, rate: float) -> float:
    """Return the probability of `count` successes or fewer."""
    if rate <= 0:
        return 1.0
    terms = (
        math.exp(
            math.lgamma(total + 1)
            - math.lgamma(k + 1)
            - math.lgamma(total - k + 1)
            + k * math.log(rate)
            + (total - k) * math.log1p(-rate)
        )
        for k in range(count + 1)
    )
    return math.fsum(terms)


def ours(vectors: Vectors, profile: Profile, at_least: float) -> Decider:
    """Return what the library does: eligibility, similarity, vetoes."""
    embedder = vectors.embedder
    window = embedder.window
    lengths: dict[str, int] = {}

    def length(text: str) -> int:
        if text not in lengths:
            lengths[text] = embedder.tokens(text)
        return lengths[text]

    def fit(text: str) -> bool:
        return unfit(text, tokens=length(text), window=window) is None

    def choose(question: str, candidates: Sequence[Candidate]) -> int | None:
        if not fit(question):
            return None
        stored = [each if fit(each.text) else Candidate("", -1.0) for each in candidates]
        return decide(question, stored, profile, at_least, tokens=length(question)).served

    return choose


def cosine(at_least: float) -> Decider:
    """Return what many semantic caches do: the nearest one serves if it is near enough."""

    def choose(_question: str, candidates: Sequence[Candidate]) -> int | None:
        return 0 if candidates and candidates[0].similarity >= at_least else None

    return choose


def judge_pairs(score: Score, rows: list[Pair], vectors: Vectors, decider: Decider) -> Score:
    """Ask `b` after `a`, for each pair."""
    for row in rows:
        candidate = Candidate(row.a, vectors.similarity(row.a, row.b))
        served = decider(row.b, [candidate]) is not None
        kind = score.kinds.setdefault(row.kind, [0, 0])
        kind[0] += served
        kind[1] += 1
        score.asked += row.same
        score.traps += not row.same
        score.right += served and row.same
        score.wrong += served and not row.same
    return score


def judge_set(
    score: Score, rows: list[Labelled], asked: list[int], near: Neighbours, decider: Decider
) -> Score:
    """Ask each question after all the others."""
    score.asked = score.traps = len(asked)
    for place in asked:
        neighbours = near[place]
        candidates = [Candidate(rows[other].text, nearness) for other, nearness in neighbours]
        served = decider(rows[place].text, candidates)
        if served is not None:
            same = rows[neighbours[served][0]].label == rows[place].label
            score.right += same
            score.wrong += not same
    return score


Neighbours = list[list[tuple[int, float]]]
"""By the place of a question: the places of the nearest others, with their similarity."""


def neighbours(rows: list[Labelled], vectors: Vectors) -> Neighbours:
    """Find the nearest other questions of each."""
    matrix = vectors.matrix([row.text for row in rows])
    found: Neighbours = []
    for place, vector in enumerate(matrix):
        nearness = matrix @ vector
        nearness[place] = -1.0
        best = np.argsort(-nearness)[:NEAREST]
        found.append([(int(other), float(nearness[other])) for other in best])
    return found
