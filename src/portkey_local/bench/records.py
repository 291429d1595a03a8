"""What a simulated run yields: one row for each call, one for each attempt, and two timelines.

Ground rules: columns, not objects, so that a million calls fit in memory; times are seconds of
virtual time since the run began, costs are US dollars. Rows of calls are in order of arrival, rows
of attempts in the order in which they began. A target is a place in `Run.targets`, -1 for none.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Attempts",
    "Breakers",
    "CacheUse",
    "Calls",
    "Ending",
    "Regimes",
    "Run",
    "TargetName",
    "columns",
]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int32]
Codes: TypeAlias = NDArray[np.int16]
Flags: TypeAlias = NDArray[np.bool_]


class Ending(IntEnum):
    """How a call, or an attempt, ended; the code in a column `ending`."""

    SUCCEEDED = 0  # a whole answer came
    STATUS = 1  # the provider answered with an error
    TIMEOUT = 2  # one of our own time limits
    NETWORK = 3  # no answer, or not a whole one, came over the network
    INTERRUPTED = 4  # a stream broke or stalled after its first token: the caller has seen a part
    ABANDONED = 5  # the caller left
    NOWHERE = 6  # nobody was asked: no target, or every circuit open
    DENIED = 7  # a guardrail
    OTHER = 8  # an answer that is not what it must be, and what is rarer still


class CacheUse(IntEnum):
    """What a cache did for a call; the code in the column `cache`."""

    DISABLED = 0
    MISS = 1
    HIT = 2
    SEMANTIC_HIT = 3
    REFRESH = 4


@dataclass(frozen=True, slots=True)
class Calls:
    """One row for each call.

    `ttft_s` is NaN where no token came, and the total where the answer was not streamed. `status`
    is the provider's own where there is one, 408 for our time limits, 0 for the network and for
    a stream that broke. `cost_usd` is all that the call's attempts were billed, `wasted_cost_usd`
    the part of it that bought nothing. `target` gave the outcome; it is none where a cache did, and
    where the caller left. `wrong_hit`: the cache gave another question's answer.
    """

    arrival_s: Floats
    ttft_s: Floats
    total_s: Floats
    status: Codes
    ending: Codes
    target: Codes
    attempts: Codes
    cost_usd: Floats
    wasted_cost_usd: Floats
    cache: Codes
    wrong_hit: Flags
    prompt_tokens: Ints
    completion_tokens: Ints

    def __len__(self) -> int:
        """How many calls there were."""
        return len(self.arrival_s)

    @property
    def abandoned(self) -> Flags:
        """Whether the caller left before the end."""
        left: Flags = self.ending == Ending.ABANDONED
        return left

    @property
    def succeeded(self) -> Flags:
        """Whether a whole answer came, from a provider or from a cache."""
        good: Flags = self.ending == Ending.SUCCEEDED
        return good


@dataclass(frozen=True, slots=True)
class Attempts:
    """One row for each attempt; `call` is a row of `Calls`.

    An attempt ends when the router knows: a stream at its first token, so one that breaks later has
    succeeded here, and is interrupted among the calls.
    """

    call: Ints
    target: Codes
    started_s: Floats
    ended_s: Floats
    status: Codes
    ending: Codes
    cost_usd: Floats

    def __len__(self) -> int:
        """How many attempts there were."""
        return len(self.call)


@dataclass(frozen=True, slots=True)
class Regimes:
    """The weather: from `start_s` to `end_s` the provider of a target was in a regime.

    `regime` is a place in `names`. Targets of one provider and host have the same rows, unless the
    weather tells of their models by themselves.
    """

    target: Codes
    start_s: Floats
    end_s: Floats
    regime: Codes
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Breakers:
    """Circuits that changed: at `time_s` a target's went to `phase`, a place in `names`.

    Every circuit begins closed.
    """

    target: Codes
    time_s: Floats
    phase: Codes
    names: tuple[str, ...] = ("closed", "open", "half-open")


@dataclass(frozen=True, slots=True)
class TargetName:
    """A target: its place in the config (`config.targets[0]`), its provider and its model."""

    path: str
    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Run:
    """All that one config did with one workload in one weather.

    `deadline_s` is the seconds a useful answer may take (infinity where the workload names none),
    `end_s` the virtual time when the last call was over. `warnings` are sentences for a reader:
    models without a price, settings that a simulation leaves out.
    """

    seed: int
    workload: str
    weather: str
    streamed: bool
    deadline_s: float
    end_s: float
    targets: tuple[TargetName, ...]
    calls: Calls
    attempts: Attempts
    regimes: Regimes
    breakers: Breakers
    warnings: tuple[str, ...] = ()


def columns(table: Calls | Attempts | Regimes | Breakers) -> dict[str, NDArray[Any]]:
    """Return the columns of a table by name."""
    named = {field.name: getattr(table, field.name) for field in fields(table)}
    return {name: column for name, column in named.items() if isinstance(column, np.ndarray)}
