"""Runs a config over a workload in a weather, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from portkey_local.bench.records import Run

__all__ = ["run"]


def run(
    config: Any,
    workload: Any,
    weather: Any,
    *,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Run:
    """Return what `config` does with the calls of `workload` in `weather`.

    `progress` hears how many calls are over, and how many there are. Raises ConfigError for a
    config that cannot be used, and for one that can never succeed.
    """
    raise NotImplementedError(config, workload, weather, seed, progress)
