"""What a call costs: the plain call, many calls at once, the kernel alone, streams."""

from __future__ import annotations

from benchmarks import inflight, kernel, plain, streaming
from benchmarks.run import Run


def measure(run: Run) -> None:
    """Measure all of it."""
    for part in (plain, inflight, kernel, streaming):
        part.measure(run)
