"""The calls of a comparison: one workload, or several at once, as many calls as are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import numpy as np
from numpy.random import Generator, Philox

from portkey_local.bench.chance import key_of
from portkey_local.bench.naming import BenchError
from portkey_local.bench.workloads.models import Questions
from portkey_local.bench.workloads.questions import Asked, asked
from portkey_local.bench.workloads.reading import Workload, WorkloadSource, workload_of

__all__ = ["Traffic", "asking_again", "first_calls", "traffic_of"]

Traffic: TypeAlias = "WorkloadSource | Sequence[WorkloadSource]"
"""A workload by name, file or JSON, or several that come at the same time."""


def traffic_of(
    source: Traffic,
    *,
    seed: int,
    calls: int | None = None,
    repeats: float | None = None,
    paraphrases: float | None = None,
) -> Workload:
    """Return the workload that is meant; several are laid over each other, from their first
    calls on.

    `calls` is how many come at most. `repeats` is the share of calls that ask what was asked
    before, `paraphrases` the share of these in other words; without them the workload's own count.
    """
    several = source if isinstance(source, (list, tuple)) else [source]
    if not several:
        raise BenchError("workload: name at least one")
    if calls is not None and calls < 1:
        raise BenchError("calls: at least 1")
    drawn = [workload_of(cast("WorkloadSource", each), seed=seed, calls=calls) for each in several]
    whole = drawn[0] if len(drawn) == 1 else _together(drawn)
    whole = first_calls(whole, calls or len(whole))
    if repeats is None and paraphrases is None:
        return whole
    return asking_again(whole, repeats or 0.0, paraphrases or 0.0, seed=seed)


def first_calls(workload: Workload, calls: int) -> Workload:
    """Return a workload's first calls."""
    if calls >= len(workload):
        return workload
    return replace(
        workload,
        arrival=workload.arrival[:calls],
        prompt_tokens=workload.prompt_tokens[:calls],
        completion_tokens=workload.completion_tokens[:calls],
        asked=Asked(workload.asked.family[:calls], workload.asked.wording[:calls]),
    )


def asking_again(workload: Workload, repeats: float, paraphrases: float, *, seed: int) -> Workload:
    """Return a workload of which a share of calls repeats what was asked before."""
    if not (0 <= repeats <= 1 and 0 <= paraphrases <= 1):
        raise BenchError("repeats and paraphrases are shares, from 0 to 1")
    told = Questions(repeat_rate=repeats, paraphrase_rate=paraphrases)
    draws = Generator(Philox(key_of(seed, "questions")))
    return replace(workload, asked=asked(told, len(workload), draws))


def _together(drawn: Sequence[Workload]) -> Workload:
    """Lay workloads over each other; questions of different ones are never the same."""
    arrival = np.concatenate([each.arrival for each in drawn])
    order = np.argsort(arrival, kind="stable")
    families, above = [], 0
    for each in drawn:
        families.append(each.asked.family + above)
        above = int(families[-1].max()) + 1
    return replace(
        drawn[0],
        name=" and ".join(each.name for each in drawn),
        arrival=arrival[order],
        prompt_tokens=np.concatenate([each.prompt_tokens for each in drawn])[order],
        completion_tokens=np.concatenate([each.completion_tokens for each in drawn])[order],
        asked=Asked(
            np.concatenate(families)[order].astype(np.int32),
            np.concatenate([each.asked.wording for each in drawn])[order],
        ),
    )
