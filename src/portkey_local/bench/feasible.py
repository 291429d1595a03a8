"""Whether a config can ever succeed in a weather, said before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from portkey_local.bench.naming import BenchError
from portkey_local.bench.sites import Site
from portkey_local.compile import Compiled
from portkey_local.explain import explain
from portkey_local.model import Call, Request

__all__ = ["check_feasible"]


def check_feasible(
    compiled: Compiled, request: Request, metadata: Mapping[str, object], sites: Mapping[str, Site]
) -> None:
    """Raise BenchError for a config with which no call can succeed, and say why."""
    call = Call(request, math.inf, _beginning, _NoDice(), metadata=metadata)
    explained = explain(compiled, call)
    if explained.refused is not None:
        raise BenchError(f"config: no call can succeed: {explained.refused}")
    asked = list(dict.fromkeys(path for order in explained.orders for path in order.targets))
    if asked and not any(sites[path].source.can_answer() for path in asked):
        names = ", ".join(f"{path} ({sites[path].identity})" for path in asked)
        raise BenchError(
            f"config: no call can succeed: no target ever answers in this weather: {names}"
        )


def _beginning() -> float:
    return 0.0


class _NoDice:
    """Nothing is drawn to explain a config."""

    def random(self) -> float:
        """Return nothing: raise, because nobody asks."""
        raise AssertionError
