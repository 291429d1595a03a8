"""Which of the nearest questions, if any, has the same answer as the one that is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

__all__ = ["PROFILES", "Candidate", "Profile", "Verdict", "decide", "threshold"]

Profile = Literal["strict", "balanced", "loose"]
PROFILES: Final[tuple[str, ...]] = get_args(Profile)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that was answered before, and its cosine similarity to the one that is asked."""

    text: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which candidate serves (its place, or None), and why each one before it does not.

    `vetoes` holds a row for each candidate that was looked at and not taken: its place, and the
    veto in a word (`number`, `negation`, `similarity`, ...). No text of a question is in it.
    """

    served: int | None
    vetoes: tuple[tuple[int, str], ...] = ()


def threshold(fingerprint: str, profile: Profile) -> float | None:
    """Return the similarity a profile asks of a model; None for a model nobody has calibrated."""
    raise NotImplementedError(fingerprint, profile)


def decide(
    question: str,
    candidates: Sequence[Candidate],
    profile: Profile,
    at_least: float,
    *,
    tokens: int,
) -> Verdict:
    """Return the first candidate that `question` may be answered with; nearest come first.

    `at_least` is the similarity to ask for and `tokens` the length of the question: long ones must
    be nearly identical.
    """
    raise NotImplementedError(question, candidates, profile, at_least, tokens)
