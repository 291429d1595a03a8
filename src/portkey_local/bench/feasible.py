"""Whether a config can ever succeed in a weather, said before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from portkey_local.bench.naming import BenchError
from portkey_local.bench.sites import Site
from portkey_local.compile import Compiled
from portkey_local.config import leaves
from portkey_local.explain import explain
from portkey_local.model import Call, Request

__all__ = ["check_feasible"]


def check_feasible(
    compiled: Compiled,
    request: Request,
    metadata: Mapping[str, object],
    sites: Mapping[str, Site],
    *,
    timeout: float = math.inf,
) -> None:
    """Raise BenchError for a config with which no call can succeed, and say why.

    `timeout` is the seconds for which a client waits for a call.
    """
    call = Call(request, math.inf, _beginning, _NoDice(), metadata=metadata)
    explained = explain(compiled, call)
    if explained.refused is not None:
        raise BenchError(f"config: no call can succeed: {explained.refused}")
    asked = list(dict.fromkeys(path for order in explained.orders for path in order.targets))
    soonest = {path: sites[path].source.quickest() for path in asked}
    names = ", ".join(f"{path} ({sites[path].identity})" for path in asked)
    if asked and all(math.isinf(seconds) for seconds in soonest.values()):
        raise BenchError(
            f"config: no call can succeed: no target ever answers in this weather: {names}"
        )
    limits = _limits(compiled, timeout)
    if asked and all(seconds > limits.get(path, timeout) for path, seconds in soonest.items()):
        raise BenchError(
            "config: no call can succeed: no target answers in this weather before its time limit"
            f" (request_timeout, in milliseconds, or the workload's timeout) is over: {names}"
        )


def _limits(compiled: Compiled, timeout: float) -> dict[str, float]:
    """Return the seconds that an attempt at each target may take."""
    if compiled.config is None:
        return {}
    return {
        path: min(timeout, leaf.request_timeout / 1000)
        for path, leaf in leaves(compiled.config)
        if leaf.request_timeout
    }


def _beginning() -> float:
    return 0.0


class _NoDice:
    """Nothing is drawn to explain a config."""

    def random(self) -> float:
        """Return nothing: raise, because nobody asks."""
        raise AssertionError
