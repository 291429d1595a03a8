"""How things are measured: contenders take turns, round by round, and are compared by ratio.

Other programs on the machine make every figure noisy, but two contenders that take turns are
disturbed alike. So the figure that counts is the ratio of the two medians over all rounds; beside
it stand the quartiles of the rounds' own ratios, and the ratio of the two best rounds, which is
disturbed least. Only the standard library is used, because peers measure themselves in
environments of their own.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

IN_FLIGHT = 256

Round: TypeAlias = Callable[[], Mapping[str, list[float]]]
"""One contender's turn: the samples it took, by the name of the comparison they belong to."""

Unit: TypeAlias = Literal["s", "1/s"]


@dataclass
class Comparison:
    """What was compared, and every sample taken; `series[contender][round]` are samples.

    `goal` is meant for the ratio of `ours` to `peer`, or for our own median where `absolute` is
    set. Times are better when they are small, rates when they are large. `note` says what is
    included.
    """

    name: str
    ours: str
    peer: str
    unit: Unit = "s"
    goal: float | None = None
    absolute: bool = False
    note: str = ""
    series: dict[str, list[list[float]]] = field(default_factory=dict)

    def add(self, taken: Mapping[str, list[float]]) -> None:
        """Add one whole round: the samples of every contender."""
        for contender, samples in taken.items():
            self.series.setdefault(contender, []).append(samples)

    @property
    def contenders(self) -> list[str]:
        """Those that were measured: ours first, then its peer, then the rest."""
        return sorted(self.series, key=lambda name: (name != self.ours, name != self.peer))

    def median(self, contender: str) -> float:
        """Return the median of all samples."""
        return statistics.median(sample for taken in self.series[contender] for sample in taken)

    def best(self, contender: str) -> float:
        """Return the median of the best round."""
        medians = [statistics.median(taken) for taken in self.series[contender]]
        return max(medians) if self.unit == "1/s" else min(medians)

    def ratio(self, contender: str) -> float | None:
        """Return our median through the contender's."""
        known = self.ours in self.series and contender in self.series and contender != self.ours
        return self.median(self.ours) / self.median(contender) if known else None

    def spread(self, contender: str) -> tuple[float, float] | None:
        """Return the quartiles of the rounds' ratios."""
        pairs = zip(self.series.get(self.ours, []), self.series.get(contender, []), strict=False)
        ratios = [statistics.median(ours) / statistics.median(theirs) for ours, theirs in pairs]
        if len(ratios) < 2:
            return None
        low, _, high = statistics.quantiles(ratios, n=4)
        return low, high

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none, or nothing was measured."""
        value = self.median(self.ours) if self.absolute else self.ratio(self.peer)
        if self.goal is None or value is None:
            return None
        return value >= self.goal if self.unit == "1/s" else value <= self.goal

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, not the samples, for a JSON file."""
        return {
            "name": self.name,
            "unit": self.unit,
            "note": self.note,
            "ours": self.ours,
            "peer": self.peer,
            "ratio": self.ratio(self.peer),
            "ratio_quartiles": self.spread(self.peer),
            "ratio_of_best": self.best(self.ours) / self.best(self.peer)
            if self.ratio(self.peer)
            else None,
            "goal": self.goal,
            "goal_is_absolute": self.absolute,
            "met": self.met,
            "contenders": {
                name: {
                    "median": self.median(name),
                    "best_round": self.best(name),
                    "rounds": len(self.series[name]),
                    "samples": sum(map(len, self.series[name])),
                }
                for name in self.contenders
            },
        }


def one_round(contenders: Mapping[str, Round], comparisons: list[Comparison], number: int) -> None:
    """Let every contender have its turn, in the opposite order every other round."""
    order = list(contenders)[:: -1 if number % 2 else 1]
    taken: dict[str, Mapping[str, list[float]]] = {}
    for name in order:
        gc.collect()
        taken[name] = contenders[name]()
    for comparison in comparisons:
        comparison.add(
            {
                name: taken[name][comparison.name]
                for name in contenders
                if comparison.name in taken[name]
            }
        )


def each_call(call: Callable[[], object], count: int) -> tuple[list[float], float]:
    """Return the seconds of each of `count` calls, and the CPU seconds of one."""
    clock = time.perf_counter
    samples = []
    cpu = time.process_time()
    for _ in range(count):
        begin = clock()
        call()
        samples.append(clock() - begin)
    return samples, (time.process_time() - cpu) / count


def per_call(call: Callable[[], object], count: int) -> float:
    """Return the seconds of one call, from one measurement around `count` of them."""
    begin = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - begin) / count


async def in_flight(
    call: Callable[[], Awaitable[object]], count: int, width: int = IN_FLIGHT
) -> tuple[float, float]:
    """Keep `width` calls in flight until `count` are done; return calls per second, CPU s per call.

    One unmeasured wave before it opens the connections.
    """
    await asyncio.gather(*(call() for _ in range(width)))
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await call()

    begin, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(width)))
    return count / (time.perf_counter() - begin), (time.process_time() - cpu) / count
