"""What `--objective` says: limits that a config must keep, and one figure to make best.

p99 < 8s, minimise cost         success >= 99%, minimise p99         maximise goodput
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from portkey_local.bench.intervals import Estimate
from portkey_local.bench.metrics import METRICS, Unit
from portkey_local.bench.naming import BenchError
from portkey_local.query import nearest

__all__ = ["DEFAULT_OBJECTIVE", "Goal", "Limit", "Objective", "parse_objective"]

DEFAULT_OBJECTIVE: Final = "maximise goodput"
Operator = Literal["<", "<=", ">", ">="]
Figures = Mapping[str, Estimate]

LONGEST: Final = 500
LONGEST_SHOWN: Final = 60
NAME: Final = r"[A-Za-z][A-Za-z0-9_.]*"
GOAL: Final = re.compile(rf"([A-Za-z]+)\s+({NAME})")
LIMIT: Final = re.compile(
    rf"({NAME})\s*(<=|>=|<|>)\s*\$?\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z%]*)", re.ASCII
)
WAYS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("minimise", "minimize", "min", "least"), -1),
    **dict.fromkeys(("maximise", "maximize", "max", "most"), 1),
}
# What to write after a number, and what it is in the metric's unit.
SUFFIXES: Final[Mapping[Unit, Mapping[str, float]]] = {
    "share": {"%": 0.01, "": 1.0},
    "seconds": {"s": 1.0, "": 1.0, "ms": 0.001, "min": 60.0},
    "dollars": {"": 1.0, "usd": 1.0},
    "times": {"": 1.0},
    "per second": {"": 1.0},
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure must stay on one side of a value, in the metric's unit."""

    metric: str
    operator: Operator
    value: float

    def excess(self, each: Estimate) -> float:
        """Return by how much the figure is on the wrong side, as a share of the limit; 0 if not."""
        if not math.isfinite(each.value):
            return math.inf
        over = each.value - self.value if "<" in self.operator else self.value - each.value
        strict = not self.operator.endswith("=")
        if over < 0 or (over == 0 and not strict):
            return 0.0
        return max(over, 1e-12) / max(abs(self.value), 1e-9)

    def surely_kept(self, each: Estimate) -> bool:
        """Whether the whole interval is on the right side."""
        end = each.high if "<" in self.operator else each.low
        return end is not None and not self.excess(Estimate(end, end, end, each.method))


@dataclass(frozen=True, slots=True)
class Goal:
    """The figure to make best: `way` is -1 for the least of it, 1 for the most."""

    metric: str
    way: int


@dataclass(frozen=True, slots=True)
class Objective:
    """Limits, and the goal among those that keep them."""

    text: str
    limits: tuple[Limit, ...]
    goal: Goal

    def rank(self, figures: Figures) -> tuple[float, float]:
        """Return what to sort by, best first: how far from the limits, then the goal."""
        excess = sum(limit.excess(figures[limit.metric]) for limit in self.limits)
        value = figures[self.goal.metric].value
        return excess, -self.goal.way * value if math.isfinite(value) else math.inf

    def metrics(self) -> tuple[str, ...]:
        """Return the metrics it speaks of, the goal first."""
        named = (self.goal.metric, *(limit.metric for limit in self.limits))
        return tuple(dict.fromkeys(named))


def parse_objective(text: str) -> Objective:
    """Read an objective. Raises BenchError that says which part is wrong and what was meant.

    >>> parse_objective("p99 < 8s, minimise cost").limits
    (Limit(metric='p99', operator='<', value=8.0),)
    """
    if len(text) > LONGEST:
        raise BenchError("--objective: too long; give limits, and one figure to make best")
    limits: list[Limit] = []
    goals: list[Goal] = []
    for part in re.split(r",(?!\d{3}\b)|\band\b|;", text):
        clause = part.strip()
        if not clause:
            continue
        limit = LIMIT.fullmatch(clause)
        goal = GOAL.fullmatch(clause)
        if limit is not None:
            limits.append(_limit(limit, clause))
        elif goal is not None:
            goals.append(_goal(goal, clause))
        else:
            raise BenchError(
                f"--objective {_short(clause)}: give a limit, such as 'p99 < 8s',"
                " or a goal, such as 'minimise cost'"
            )
    if len(goals) != 1:
        found = f"{len(goals)} goals" if goals else "no goal"
        raise BenchError(f"--objective {_short(text)}: {found}; give one, such as 'minimise cost'")
    return Objective(text.strip(), tuple(limits), goals[0])


def _goal(found: re.Match[str], clause: str) -> Goal:
    way = WAYS.get(found[1].lower())
    if way is None:
        near = nearest(found[1], WAYS) or "minimise"
        raise BenchError(f"--objective {_short(clause)}: did you mean {f'{near} {found[2]}'!r}?")
    return Goal(_metric(found[2], clause), way)


def _limit(found: re.Match[str], clause: str) -> Limit:
    name = _metric(found[1], clause)
    suffixes = SUFFIXES[METRICS[name].unit]
    if found[4] not in suffixes:
        known = ", ".join(repr(each) for each in suffixes if each) or "no unit"
        raise BenchError(f"--objective {_short(clause)}: {name} is told in {known}")
    value = float(f"{float(found[3]) * suffixes[found[4]]:.12g}")
    if METRICS[name].unit == "share" and value > 1:
        raise BenchError(
            f"--objective {_short(clause)}: {name} is a share, at most 1; write '{found[3]}%'"
        )
    return Limit(name, cast("Operator", found[2]), value)


def _metric(name: str, clause: str) -> str:
    if name in METRICS:
        return name
    near = nearest(name, METRICS)
    hint = f"did you mean {near!r}?" if near else f"there are {', '.join(METRICS)}"
    raise BenchError(f"--objective {_short(clause)}: {name!r} is no metric; {hint}")


def _short(text: str) -> str:
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")
