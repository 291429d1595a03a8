"""Whether a config can ever succeed in a weather, said before anything runs."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from typing import Final

from portkey_local.bench.naming import BenchError
from portkey_local.bench.prospects import (
    ANSWERED,
    Prospect,
    always_failing,
    never_asked,
    prospect,
    shut,
)
from portkey_local.bench.sites import Site
from portkey_local.compile import Compiled
from portkey_local.config import hooks_of, leaves
from portkey_local.explain import explain
from portkey_local.model import Call, Request

__all__ = ["check_feasible"]

LATE: Final = frozenset({408})
DENIED: Final = frozenset({446})
OPEN: Final = frozenset({503})


def check_feasible(
    compiled: Compiled,
    request: Request,
    metadata: Mapping[str, object],
    sites: Mapping[str, Site],
    *,
    timeout: float = math.inf,
) -> tuple[str, ...]:
    """Raise BenchError for a config with which no call can succeed, and say why.

    Return what of another one is of no use in this weather. `timeout` is the seconds for which a
    client waits for a call.
    """
    call = Call(request, math.inf, _beginning, _NoDice(), metadata=metadata)
    explained = explain(compiled, call)
    if explained.root is None or explained.refused is not None:
        raise BenchError(f"config: no call can succeed: {explained.refused}")
    asked = list(dict.fromkeys(path for order in explained.orders for path in order.targets))
    limits = _limits(compiled, sites, timeout)
    _check_answers({path: sites[path] for path in asked}, limits)
    closed = shut(compiled, streamed=request.stream)
    at = _prospects(sites, limits, closed, _own_failures(compiled))
    useless = (
        *(f"{path}: {closed[path]}" for path in asked if path in closed),
        *never_asked(explained.root, at),
    )
    if not prospect(explained.root, at).answers:
        raise BenchError(f"config: no call can succeed: {'; '.join(useless)}")
    return useless


def _check_answers(asked: Mapping[str, Site], limits: Mapping[str, float]) -> None:
    soonest = {path: site.source.quickest() for path, site in asked.items()}
    names = ", ".join(f"{path} ({site.identity})" for path, site in asked.items())
    if asked and all(math.isinf(seconds) for seconds in soonest.values()):
        raise BenchError(
            f"config: no call can succeed: no target ever answers in this weather: {names}"
        )
    if asked and all(seconds > limits[path] for path, seconds in soonest.items()):
        raise BenchError(
            "config: no call can succeed: no target answers in this weather before its time limit"
            f" (request_timeout, in milliseconds, or the workload's timeout) is over: {names}"
        )


def _prospects(
    sites: Mapping[str, Site],
    limits: Mapping[str, float],
    closed: Container[str],
    own: frozenset[int],
) -> dict[str, Prospect]:
    """Return what can come of each target; `own` are the statuses of the router's failures."""
    found = {}
    for path, site in sites.items():
        failures = site.source.failures() | own
        if path in closed:
            found[path] = always_failing(DENIED)
        elif site.source.quickest() > limits[path]:
            found[path] = always_failing(failures)
        else:
            found[path] = Prospect(answers=True, statuses=failures | ANSWERED)
    return found


def _own_failures(compiled: Compiled) -> frozenset[int]:
    """Return the statuses of failures that no provider sends: late, denied, kept from asking."""
    written = () if compiled.config is None else leaves(compiled.config)
    hooks = [hooks_of(leaf, path) for path, leaf in written]
    denies = any(hook.deny for each in hooks for hook in (*each.before, *each.after))
    return LATE | (DENIED if denies else LATE) | (OPEN if compiled.breakers else LATE)


def _limits(compiled: Compiled, sites: Iterable[str], timeout: float) -> dict[str, float]:
    """Return the seconds that an attempt at each target may take."""
    limits = dict.fromkeys(sites, timeout)
    for path, leaf in () if compiled.config is None else leaves(compiled.config):
        if leaf.request_timeout:
            limits[path] = min(timeout, leaf.request_timeout / 1000)
    return limits


def _beginning() -> float:
    return 0.0


class _NoDice:
    """Nothing is drawn to explain a config."""

    def random(self) -> float:
        """Return nothing: raise, because nobody asks."""
        raise AssertionError
