"""What a call costs: plain, many at once, the kernel alone, streams, caches, translation."""

from __future__ import annotations

from benchmarks import caching, inflight, kernel, plain, sharing, streaming, translation
from benchmarks.run import Run


def measure(run: Run) -> None:
    """Measure all of it."""
    for part in (plain, inflight, kernel, streaming, caching, sharing, translation):
        part.measure(run)
