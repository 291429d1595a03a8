"""The ways a call may go through a tree of steps, with their probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from portkey_local.explain.words import Order, Step

__all__ = ["REFUSED", "nobody_asked", "orders_of"]

KEPT: Final = 100  # ways, at any node; a tree of balanced groups can have millions
REFUSED: Final = 400  # the status of a group whose conditions choose nobody


@dataclass(frozen=True, slots=True)
class Way:
    """Whom a call asks, if each of them fails; `refused` when it surely ends at nobody."""

    probability: float
    targets: tuple[str, ...] = ()
    refused: bool = False


def orders_of(step: Step) -> tuple[Order, ...]:
    """Return the ways through a step, the likeliest first; none where nobody would be asked."""
    ways = _ways(step)
    if not any(way.targets for way in ways):
        return ()
    return tuple(Order(way.probability, way.targets) for way in ways)


def nobody_asked(step: Step) -> bool:
    """Whether a call that comes to the step is refused there."""
    return not orders_of(step)


def _ways(step: Step) -> tuple[Way, ...]:
    if step.provider is not None:
        return (Way(1.0, (step.path,)),)
    if not step.below:
        return (Way(1.0, refused=True),)
    if step.kind == "fallback":
        return _in_order(step)
    return _likeliest(
        Way(below.probability * way.probability, way.targets, way.refused)
        for below in step.below
        for way in _ways(below)
    )


def _in_order(group: Step) -> tuple[Way, ...]:
    ways = _ways(group.below[0])
    for below in group.below[1:]:
        ways = _likeliest(_followed(group, ways, _ways(below)))
    return ways


def _followed(group: Step, first: Iterable[Way], second: Iterable[Way]) -> Iterator[Way]:
    codes = group.on_status_codes
    for one in first:
        if one.refused and codes is not None and REFUSED not in codes:
            yield one
            continue
        for other in second:
            # With a list, the group may as well end at a target whose status is not in it.
            refused = other.refused and (codes is None or not one.targets)
            yield Way(one.probability * other.probability, one.targets + other.targets, refused)


def _likeliest(ways: Iterable[Way]) -> tuple[Way, ...]:
    chances: dict[tuple[tuple[str, ...], bool], float] = {}
    for way in ways:
        known = way.targets, way.refused
        chances[known] = chances.get(known, 0.0) + way.probability
    merged = (Way(chance, *known) for known, chance in chances.items())
    return tuple(sorted(merged, key=lambda way: -way.probability)[:KEPT])
