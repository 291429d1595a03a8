"""Lints about circuit breakers, and about numbers that look like another unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from portkey_local.config.lint.spots import Advice, Spot, leaf_spots, spelt
from portkey_local.config.models import CircuitBreaker
from portkey_local.config.tree import breaker_of

__all__ = ["BREAKERS"]

TIMEOUT: Final = 408
LONGEST_TIMEOUT: Final = 600_000
SHORTEST_COOLDOWN: Final = 1000
HOSTED_COOLDOWN: Final = 30_000
LONGEST_TTL: Final = 864_000
LONGEST_AGE: Final = 10_000_000
AGES: Final = ("max_age", "max_stale", "stale_while_revalidate", "stale_if_error")


def _written(spot: Spot) -> tuple[str, CircuitBreaker] | None:
    breaker = breaker_of(spot.written)
    if breaker is None:
        return None
    inner = "" if spot.written.cb_config is not None else ".strategy"
    return f"{spot.path}{inner}.cb_config", breaker


def _thresholds(spot: Spot) -> Iterator[Advice]:
    match _written(spot):
        case (path, CircuitBreaker() as breaker):
            share = breaker.failure_threshold_percentage
            if share is not None and breaker.minimum_requests is None:
                message = "without minimum_requests the first call decides: one failure is 100 %"
                yield f"{path}.failure_threshold_percentage", message


def _cooldown(spot: Spot) -> Iterator[Advice]:
    match _written(spot):
        case (path, CircuitBreaker(cooldown_interval=wait)) if wait < SHORTEST_COOLDOWN:
            yield (
                f"{path}.cooldown_interval",
                f"{spelt(wait)} looks like seconds; it counts milliseconds",
            )
        case (path, CircuitBreaker(cooldown_interval=wait)) if wait < HOSTED_COOLDOWN:
            message = f"{spelt(wait)} is taken as written here; the hosted product's least is 30000"
            yield f"{path}.cooldown_interval", message


def _timeouts_not_counted(spot: Spot) -> Iterator[Advice]:
    match _written(spot):
        case (path, CircuitBreaker(failure_status_codes=tuple() as codes)) if TIMEOUT not in codes:
            timed = [leaf.path for leaf in leaf_spots(spot) if leaf.node.request_timeout]
            if timed:
                message = "leaves out 408, so timeouts are not counted as failures"
                yield f"{path}.failure_status_codes", f"{message} (request_timeout at {timed[0]})"


def _exempt(spot: Spot) -> Iterator[Advice]:
    if spot.children or spot.node.cb_config is None:
        return
    found = (_written(each) for each in (spot, *spot.ancestors))
    path = next(place[0] for place in found if place is not None)
    above = spot.above
    if above is None or above.mode == "single" or len(above.children) == 1:
        yield path, f"never turns calls away from {spot.path}: there is no other target to ask"
    elif above.mode == "conditional":
        yield path, f"never turns calls away from {spot.path}: conditions alone choose its calls"


def _long_times(spot: Spot) -> Iterator[Advice]:
    node = spot.written
    if node.request_timeout is not None and node.request_timeout > LONGEST_TIMEOUT:
        minutes = f"{spelt(round(node.request_timeout / 60_000, 1))} minutes"
        yield (
            f"{spot.path}.request_timeout",
            f"{spelt(node.request_timeout)} milliseconds are {minutes}",
        )
    sticky = node.strategy.sticky_session if node.strategy is not None else None
    if sticky is not None and sticky.ttl > LONGEST_TTL:
        path = f"{spot.path}.strategy.sticky_session.ttl"
        yield path, f"{spelt(sticky.ttl)} looks like milliseconds; it counts seconds"
    for name in AGES:
        age = getattr(node.cache, name, None)
        if age is not None and age > LONGEST_AGE:
            path = f"{spot.path}.cache.{name}"
            yield path, f"{spelt(age)} looks like milliseconds; it counts seconds"


BREAKERS: Final[tuple[Callable[[Spot], Iterator[Advice]], ...]] = (
    _thresholds,
    _cooldown,
    _timeouts_not_counted,
    _exempt,
    _long_times,
)
