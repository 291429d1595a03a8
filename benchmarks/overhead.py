"""What a call costs: the plain call, many calls at once, the kernel alone, streams, hits."""

from __future__ import annotations

from benchmarks import caching, inflight, kernel, plain, streaming
from benchmarks.run import Run


def measure(run: Run) -> None:
    """Measure all of it."""
    for part in (plain, inflight, kernel, streaming, caching):
        part.measure(run)
