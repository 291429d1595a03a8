"""Which regime a provider is in, and when: a Markov chain in continuous time, or a schedule."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from portkey_local.bench.chance import mixed, uniform
from portkey_local.bench.weather.models import ProviderModel, Regime

__all__ = ["RegimeState"]


class RegimeState:
    """The timeline of one provider, made as far as somebody has looked; a run is one thread.

    It depends on the key alone: two configs that ask at other times meet the same weather.
    """

    def __init__(self, model: ProviderModel, key: int) -> None:
        """Begin at time 0."""
        self.names = tuple(model.regimes)
        self.regimes = tuple(model.regimes.values())
        self._key = key
        self._next = [_weights(name, self.names, model.regimes) for name in self.names]
        self._starts: list[float] = [0.0]
        self._places: list[int] = [self.names.index(model.start or self.names[0])]
        self._known_until = 0.0
        self._latest = (0.0, 0.0, self.regimes[0])
        if model.schedule:
            self._starts = [at for at, _ in model.schedule]
            self._places = [self.names.index(name) for _, name in model.schedule]
            self._known_until = math.inf
        elif len(self.names) == 1:
            self._known_until = math.inf

    def at(self, moment: float) -> Regime:
        """Return the regime at a time."""
        begin, end, regime = self._latest
        if begin <= moment < end:
            return regime
        while self._known_until <= moment:
            self._extend()
        index = bisect_right(self._starts, moment) - 1
        end = self._starts[index + 1] if index + 1 < len(self._starts) else math.inf
        regime = self.regimes[self._places[index]]
        self._latest = (self._starts[index], end, regime)
        return regime

    def _extend(self) -> None:
        """Draw how long the latest regime lasts, and which one follows."""
        place = self._places[-1]
        key = mixed(self._key, len(self._places))
        lasts = -self.regimes[place].mean_seconds * math.log(uniform(key, 0))
        self._starts.append(self._starts[-1] + lasts)
        self._places.append(_picked(self._next[place], uniform(key, 1)))
        self._known_until = self._starts[-1]

    def reachable(self) -> list[Regime]:
        """Return the regimes that can ever come, from the one that a run begins in."""
        if self._known_until == math.inf:
            return [self.regimes[place] for place in sorted(set(self._places))]
        seen, todo = set(), [self._places[0]]
        while todo:
            place = todo.pop()
            if place not in seen:
                seen.add(place)
                todo += [other for other, weight in enumerate(self._next[place]) if weight]
        return [self.regimes[place] for place in sorted(seen)]

    def spans(self, until: float) -> list[tuple[float, float, int]]:
        """Return begin, end and place of each regime up to a time."""
        self.at(until)
        ends = [*self._starts[1:], math.inf]
        rows = zip(self._starts, ends, self._places, strict=True)
        return [(begin, min(end, until), place) for begin, end, place in rows if begin < until]


def _weights(name: str, names: Sequence[str], regimes: Mapping[str, Regime]) -> list[float]:
    told = regimes[name].next
    if told:
        return [told.get(other, 0.0) for other in names]
    return [float(other != name) for other in names]


def _picked(weights: Sequence[float], draw: float) -> int:
    rest = draw * sum(weights)
    for place, weight in enumerate(weights):
        if rest < weight:
            return place
        rest -= weight
    return len(weights) - 1
