"""Distributions as functions of one draw."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

from portkey_local.bench.chance import normal, quantile, uniform
from portkey_local.bench.weather.models import Distribution, Lognormal

__all__ = ["Sampler", "least", "sampler"]

LUCKIEST: Final = normal(0.0)  # of what can be drawn

Sampler: TypeAlias = Callable[[int, int], float]
"""Returns seconds for the draw at a key's position."""


def sampler(distribution: Distribution) -> Sampler:
    """Return a distribution's values as a function of where their draws are."""
    if distribution.constant is not None:
        constant = distribution.constant
        return lambda _key, _position: constant
    if distribution.exponential is not None:
        mean = distribution.exponential
        return lambda key, position: -mean * math.log(uniform(key, position))
    if distribution.sample:
        ordered = sorted(distribution.sample)
        return lambda key, position: quantile(ordered, uniform(key, position))
    return _mix(distribution.lognormal)


def least(distribution: Distribution) -> float:
    """Return a distribution's smallest value, as far as draws go."""
    if distribution.lognormal:
        return min(part.median * math.exp(part.sigma * LUCKIEST) for part in distribution.lognormal)
    return distribution.constant or min(distribution.sample, default=0.0)


def _mix(parts: tuple[Lognormal, ...]) -> Sampler:
    """Return a mix of lognormals; one draw picks the part, and then the value within it."""
    total = sum(part.weight for part in parts)
    rows = [(part.weight / total, part.median, part.sigma) for part in parts]
    *others, (remaining, median_of_last, sigma_of_last) = rows
    exp = math.exp

    def sample(key: int, position: int) -> float:
        rest = uniform(key, position)
        for share, median, sigma in others:
            if rest < share:
                return median * exp(sigma * normal(rest / share))
            rest -= share
        return median_of_last * exp(sigma_of_last * normal(rest / remaining))

    return sample
