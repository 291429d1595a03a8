"""What a call costs: plain, many at once, the kernel alone, streams, translation."""

from __future__ import annotations

from benchmarks import inflight, kernel, plain, streaming, translation
from benchmarks.run import Run


def measure(run: Run) -> None:
    """Measure all of it."""
    for part in (plain, inflight, kernel, streaming, translation):
        part.measure(run)
