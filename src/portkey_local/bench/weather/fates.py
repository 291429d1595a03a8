"""What becomes of one attempt at a provider, as the provider's model, its recording or its script
says; and the protocol of these three.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

__all__ = ["STATUSES", "Ask", "End", "Fate", "Source"]


class End(IntEnum):
    """How an attempt ends at the provider; up to `STALLED`, an answer has begun."""

    WHOLE = 0
    TRUNCATED = 1  # the answer breaks off after its first token
    STALLED = 2  # the answer pauses after its first token
    STATUS = 3  # an answer that is no 2xx
    NETWORK = 4  # the connection breaks before the first token
    SILENCE = 5  # nothing ever comes


STATUSES: Final = {End.TRUNCATED: 500, End.NETWORK: 500, End.SILENCE: 408}
"""What a router is told of an end that has no status of its own."""


@dataclass(slots=True)
class Ask:
    """One attempt as a provider sees it.

    `call` and `attempt` (at this provider, from 0) say whose luck it is; `patience` is the seconds
    after which the caller or a time limit hangs up.
    """

    call: int
    attempt: int
    now: float
    prompt_tokens: int
    completion_tokens: int
    patience: float


@dataclass(slots=True)
class Fate:
    """What the provider does: the first token (or the error) after `first` seconds, the last one
    `rest` seconds later.

    A truncated answer breaks off after `rest`; a stalled one pauses there, for `stall` seconds.
    `tokens` are those that come in all.
    """

    end: End
    first: float
    rest: float = 0.0
    status: int = 200
    tokens: int = 0
    retry_after: float | None = None
    stall: float = 0.0


class Source(Protocol):
    """Where the fates of one provider's attempts come from; it may remember, as an account does."""

    def fate(self, ask: Ask, /) -> Fate:
        """Return what becomes of an attempt; they are asked for in the order of time."""

    def quickest(self) -> float:
        """Return the fewest seconds in which an answer can begin; infinity where none ever can."""

    def failures(self) -> frozenset[int]:
        """Return the statuses that its failures can have, as a router is told of them."""

    def spans(self, until: float, /) -> list[tuple[float, float, str]]:
        """Return begin, end and name of each regime up to a time."""
