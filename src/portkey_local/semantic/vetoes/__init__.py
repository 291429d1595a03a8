"""Why two questions may not share an answer: each veto looks for one kind of difference.

A veto is a function of a `Comparison` and does not know the others; what it says is its own name or
None. The tables below are the profiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from portkey_local.semantic.comparison import Comparison
from portkey_local.semantic.vetoes import asking, order, pointing, wording

__all__ = ["ALWAYS", "BALANCED", "LONG", "LOOSE", "STRICT", "Veto", "first_of"]

Veto: TypeAlias = Callable[[Comparison], str | None]

ALWAYS: Final[tuple[Veto, ...]] = (
    wording.language,
    wording.length,
    wording.number,
    wording.negation,
    wording.opposite,
)

LOOSE: Final[tuple[Veto, ...]] = (
    *ALWAYS,
    wording.quotation,
    wording.form,
    wording.name,
    pointing.direction,
    pointing.period,
    order.order,
    asking.question,
    asking.order,
    asking.voice,
    wording.substitution,
)

BALANCED: Final[tuple[Veto, ...]] = (
    *LOOSE,
    asking.person,
    asking.modality,
    asking.tense,
    wording.addition,
)

STRICT: Final[tuple[Veto, ...]] = (*BALANCED, asking.manner, wording.rewording)

LONG: Final[tuple[Veto, ...]] = (*STRICT, order.moved)


def first_of(vetoes: tuple[Veto, ...], compared: Comparison) -> str | None:
    """Return the first veto that holds, in a word; None if none does."""
    for veto in vetoes:
        if (word := veto(compared)) is not None:
            return word
    return None
