"""The ways a call may go through a tree of steps, with their probabilities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from portkey_local.explain.words import Order, Step

KEPT: Final = 100  # ways, at any node; a tree of balanced groups can have millions


def orders_of(step: Step) -> tuple[Order, ...]:
    """Return the ways through a step, the likeliest first; none where nobody would be asked."""
    if step.provider is not None:
        return (Order(1.0, (step.path,)),)
    if step.kind == "fallback":
        ways: Iterable[Order] = [Order(1.0, ())]
        for below in step.below:
            ways = _followed(ways, orders_of(below) or (Order(1.0, ()),))
    else:
        ways = [
            Order(below.probability * way.probability, way.targets)
            for below in step.below
            for way in orders_of(below)
        ]
    return _likeliest(way for way in ways if way.targets)


def _followed(first: Iterable[Order], second: Iterable[Order]) -> tuple[Order, ...]:
    return _likeliest(
        Order(one.probability * other.probability, one.targets + other.targets)
        for one in first
        for other in second
    )


def _likeliest(ways: Iterable[Order]) -> tuple[Order, ...]:
    return tuple(sorted(ways, key=lambda way: -way.probability)[:KEPT])
