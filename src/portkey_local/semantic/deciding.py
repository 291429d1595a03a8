"""Which of the nearest questions, if any, has the same answer as the one that is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from portkey_local.semantic.calibration import CALIBRATION
from portkey_local.semantic.comparison import Comparison, compare
from portkey_local.semantic.reading import Reading, read
from portkey_local.semantic.vetoes import BALANCED, LONG, LOOSE, STRICT, Veto, first_of
from portkey_local.semantic.vetoes.wording import rewording

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


SHORT: Final = 64
"""Tokens, beyond which a question is mostly context, and its vector says little of its end."""

CLOSER: Final = 1 / 3
"""How much of the way to 1 the similarity must go beyond what is asked for, where words differ."""

VETOES: Final[dict[str, tuple[Veto, ...]]] = {
    "strict": STRICT,
    "balanced": BALANCED,
    "loose": LOOSE,
}


def threshold(fingerprint: str, profile: Profile) -> float | None:
    """Return the similarity a profile asks of a model; None for a model nobody has calibrated."""
    known = CALIBRATION.get(fingerprint)
    return known[profile] if known else None


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
    asked: Reading | None = None
    vetoes: list[tuple[int, str]] = []
    for place, candidate in enumerate(candidates):
        if candidate.similarity < at_least:
            vetoes.append((place, "similarity"))
            continue
        asked = asked or read(question)
        compared = compare(asked, read(candidate.text))
        word = first_of(LONG if tokens > SHORT else VETOES[profile], compared)
        if word is None and _reworded(compared):
            closer = at_least + (1 - at_least) * CLOSER
            word = "similarity" if candidate.similarity < closer else None
        if word is None:
            return Verdict(place, tuple(vetoes))
        vetoes.append((place, word))
    return Verdict(None, tuple(vetoes))


def _reworded(compared: Comparison) -> bool:
    return rewording(compared) is not None
