"""One run: its settings, its server, its progress, and what it has measured so far."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.measure import Comparison, Round, one_round


@dataclass
class Run:
    """What the benchmarks are handed; `done` grows as they go, so that Ctrl-C loses nothing.

    `core` is the one that clients are measured on, `cores` are all that there are.
    """

    server: str
    core: int | None = None
    cores: frozenset[int] = frozenset()
    quick: bool = False
    done: list[Comparison] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    progress: Progress | None = None

    def rounds(self, usual: int) -> int:
        """Return how many rounds to go."""
        return max(3, usual // 4) if self.quick else usual

    def samples(self, usual: int) -> int:
        """Return how many samples to take in a round."""
        return max(1, usual // 4) if self.quick else usual

    @contextmanager
    def busy(self, title: str) -> Iterator[None]:
        """Show that something is being prepared."""
        task = self.progress.add_task(title, total=None) if self.progress is not None else None
        try:
            yield
        finally:
            if self.progress is not None and task is not None:
                self.progress.remove_task(task)

    def compare(
        self,
        title: str,
        comparisons: list[Comparison],
        contenders: Mapping[str, Round],
        rounds: int,
    ) -> None:
        """Let the contenders take turns; one turn each before it counts for nothing."""
        self.done.extend(comparisons)
        task = None
        if self.progress is not None:
            task = self.progress.add_task(title, total=rounds + 1)
        for number in range(-1, rounds):
            one_round(contenders, comparisons if number >= 0 else [], number)
            if self.progress is not None and task is not None:
                self.progress.advance(task)


def bars(console: object) -> Progress:
    """Return the progress display."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)  # type: ignore[arg-type]


def cores() -> frozenset[int]:
    """Return the cores we may use, where the system lets us choose."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
