"""What a call costs: plain, many at once, the kernel alone, streams, hits, translation."""

from __future__ import annotations

from benchmarks import caching, inflight, kernel, plain, streaming, translation
from benchmarks.run import Run


def measure(run: Run) -> None:
    """Measure all of it."""
    for part in (plain, inflight, kernel, streaming, caching, translation):
        part.measure(run)
