"""Distributions as functions of one draw (two, where a mix is to be picked from)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from portkey_local.bench.chance import normal, quantile, uniform
from portkey_local.bench.weather.models import Distribution, Lognormal

__all__ = ["Sampler", "sampler"]

Sampler: TypeAlias = Callable[[int, int], float]
"""Returns seconds for a key and a position; it uses this position and the next."""


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
    if len(distribution.lognormal) == 1:
        (part,) = distribution.lognormal
        return _lognormal(part)
    return _mix(distribution.lognormal)


def _lognormal(part: Lognormal) -> Sampler:
    median, sigma = part.median, part.sigma
    return lambda key, position: median * math.exp(sigma * normal(uniform(key, position)))


def _mix(parts: tuple[Lognormal, ...]) -> Sampler:
    total = sum(part.weight for part in parts)
    samplers = [(part.weight / total, _lognormal(part)) for part in parts]

    def sample(key: int, position: int) -> float:
        rest = uniform(key, position + 1)
        for share, draw in samplers[:-1]:
            if rest < share:
                return draw(key, position)
            rest -= share
        return samplers[-1][1](key, position)

    return sample
