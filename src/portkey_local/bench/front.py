"""Which of many configs no other outdoes in two figures at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from portkey_local.bench.metrics import METRICS

__all__ = ["pareto_front"]

T = TypeVar("T")


def pareto_front(
    many: Sequence[T], of: Callable[[T, str], float], metrics: tuple[str, str]
) -> list[T]:
    """Return those that none is better than in both metrics, from the best in the first one on.

    >>> costs = {"a": (1, 9), "b": (2, 3), "c": (3, 4)}
    >>> pareto_front(
    ...     ["a", "b", "c"], lambda name, metric: costs[name][metric == "p99"], ("cost", "p99")
    ... )
    ['a', 'b']
    """
    signs = [-1.0 if METRICS[name].more_is_better else 1.0 for name in metrics]

    def place(one: T) -> tuple[float, float]:
        first, second = (sign * of(one, name) for sign, name in zip(signs, metrics, strict=True))
        return first, second

    front: list[T] = []
    for one in sorted((each for each in many if all(map(math.isfinite, place(each)))), key=place):
        if not front or place(one)[1] < place(front[-1])[1]:
            front.append(one)
    return front
