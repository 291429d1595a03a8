"""Lints about how many attempts a call makes, and which time limits end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from portkey_local.config.lint.spots import Advice, Spot, leaf_spots

__all__ = ["ATTEMPTS"]

TIMEOUT: Final = 408
NETWORK: Final = 500
MANY_ATTEMPTS: Final = 6
# As the retry policy has them where a config names none.
RETRIED: Final = frozenset({429, 500, 502, 503, 504})


def _timeouts_end_it(spot: Spot) -> Iterator[Advice]:
    codes = spot.codes
    if spot.mode != "fallback" or not codes or TIMEOUT in codes:
        return
    timed = [each.path for each in leaf_spots(spot) if each.node.request_timeout]
    path = f"{spot.path}.strategy.on_status_codes"
    if timed:
        message = f"leaves out 408, so a request_timeout at {timed[0]} ends the call"
        yield path, f"{message}; add 408 to go on to the next target"
    else:
        yield path, "leaves out 408, which a time limit counts as; the call would end there"


def _many_attempts(spot: Spot) -> Iterator[Advice]:
    if spot.mode != "fallback" or any(each.mode == "fallback" for each in spot.ancestors):
        return
    leaves = list(leaf_spots(spot))
    retried = [each for each in leaves if _tries(each, spot) > 1]
    attempts = _worst(spot, spot)
    if len(leaves) < 2 or not retried or (len(retried) < 2 and attempts < MANY_ATTEMPTS):
        return
    message = f"one call may make {attempts} attempts, because each target is retried before"
    yield f"{spot.path}.strategy", f"{message} the next is asked{_same_host(leaves)}"


def _tries(leaf: Spot, fallback: Spot) -> int:
    retry = leaf.node.retry
    if retry is None:
        return 1
    codes = RETRIED if retry.on_status_codes is None else frozenset(retry.on_status_codes)
    moving_on = fallback.codes is None or (codes | {NETWORK}) & set(fallback.codes)
    return retry.attempts + 1 if moving_on else 1


def _worst(spot: Spot, fallback: Spot) -> int:
    below = [_worst(each, fallback) for each in spot.children]
    if not below:
        return _tries(spot, fallback)
    if spot.mode == "single":
        return below[0]
    return sum(below) if spot.mode == "fallback" else max(below)


def _same_host(leaves: list[Spot]) -> str:
    seen: dict[tuple[str | None, str | None], str] = {}
    for leaf in leaves:
        host = (leaf.node.provider, leaf.node.custom_host)
        if host in seen and host != (None, None):
            return f"; {seen[host]} and {leaf.path} even ask the same host"
        seen.setdefault(host, leaf.path)
    return ""


ATTEMPTS: Final[tuple[Callable[[Spot], Iterator[Advice]], ...]] = (_timeouts_end_it, _many_attempts)
