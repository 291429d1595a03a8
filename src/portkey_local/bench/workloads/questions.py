"""Questions for caches, in families: whoever asks one of a family may have another one's answer.

Ground rules: a family is a template with its blanks filled, and its wordings are the template's.
Families of one template differ in a name or a number alone, so a cache that only looks for likeness
gives wrong answers, and a run can tell: an answer says which family it is of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from portkey_local.bench.workloads.models import Questions

__all__ = ["WORDINGS", "Asked", "asked", "wording"]

Ints = NDArray[np.int32]

PLACES: Final = (
    "Lisbon", "Oslo", "Nairobi", "Quito", "Hanoi", "Tallinn", "Perth", "Bergen", "Lyon", "Krakow",
    "Osaka", "Porto", "Seville", "Turin", "Antwerp", "Gdansk", "Malmo", "Graz", "Basel", "Cork",
)  # fmt: skip
THINGS: Final = (
    "invoice", "password", "subscription", "delivery address", "payment card", "username",
    "billing date", "newsletter", "phone number", "gift voucher", "loan", "parking permit",
    "library card", "train ticket", "insurance policy", "gym contract", "tax return",
)  # fmt: skip
TEMPLATES: Final[tuple[tuple[str, ...], ...]] = (
    (
        "How do I change my {thing} at the {place} branch, form {number}?",
        "What are the steps to change my {thing} at the {place} branch with form {number}?",
        "I want to change my {thing} at the {place} branch (form {number}). How does that work?",
        "Can you explain how to change my {thing} at the {place} branch using form {number}?",
    ),
    (
        "What does it cost to send {number} kg from {place}?",
        "How much is it to send {number} kg from {place}?",
        "What is the price of sending {number} kg from {place}?",
        "Sending {number} kg from {place}: what will I pay?",
    ),
    (
        "Who do I call in {place} when my {thing} number {number} is lost?",
        "Which number do I ring in {place} if my {thing} number {number} is lost?",
        "My {thing} number {number} is lost in {place}. Whom should I phone?",
        "If I lost my {thing} number {number} in {place}, who is the person to call?",
    ),
    (
        "How many days does the {place} office keep a {thing} for {number} months?",
        "For a {thing} of {number} months, how many days does the {place} office keep it?",
        "The {place} office keeps a {thing} for {number} months: how many days is that?",
        "In days, how long will the {place} office keep a {thing} of {number} months?",
    ),
)
WORDINGS: Final = len(TEMPLATES[0])


def wording(family: int, number: int) -> str:
    """Return a family's question in one of its wordings.

    >>> wording(1, 0)
    'What does it cost to send 2 kg from Oslo?'
    """
    template = TEMPLATES[family % len(TEMPLATES)][number % WORDINGS]
    blanks = {
        "place": PLACES[family % len(PLACES)],
        "thing": THINGS[family % len(THINGS)],
        "number": family // len(TEMPLATES) + 2,
    }
    return template.format_map(blanks)


@dataclass(frozen=True, slots=True)
class Asked:
    """What each call asks: a family, and in which wording."""

    family: Ints
    wording: Ints

    def text(self, call: int) -> str:
        """Return the question of a call."""
        return wording(int(self.family[call]), int(self.wording[call]))


def asked(told: Questions, calls: int, draws: Generator) -> Asked:
    """Draw what so many calls ask.

    A repeated question is one that an earlier call asked; a paraphrase has another wording than the
    family's first call had.
    """
    again = draws.random(calls) < told.repeat_rate
    again[0] = False
    known = np.cumsum(~again, dtype=np.int64)  # families asked up to and with each call
    rank = _ranks(known, told.zipf, draws.random(calls))
    family = np.where(again, rank, known - 1).astype(np.int32)
    differs = again & (draws.random(calls) < told.paraphrase_rate)
    other = draws.integers(1, WORDINGS, calls)
    return Asked(family, np.where(differs, other, 0).astype(np.int32))


def _ranks(known: NDArray[np.int64], zipf: float, draws: NDArray[np.float64]) -> Ints:
    """Return a rank below each count, by the inverse of the continuous bounded power law."""
    most = known + 1.0
    if abs(zipf - 1) < 1e-9:
        drawn = most**draws
    else:
        drawn = (draws * (most ** (1 - zipf) - 1) + 1) ** (1 / (1 - zipf))
    ranks: Ints = np.clip(np.floor(drawn) - 1, 0, known - 1).astype(np.int32)
    return ranks
