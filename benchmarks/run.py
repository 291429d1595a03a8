"""One run of the benchmarks: its settings, its server, its progress, and what it has measured so far."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.measure import Comparison, Round, one_round

MODEL = "gpt-4o-mini"
MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant. Answer in one or two sentences."},
    {"role": "user", "content": "What is the capital of France, and how many people live there?"},
]
CALL = {"model": MODEL, "messages": MESSAGES, "temperature": 0.2}


@dataclass
class Run:
    """What the benchmarks are handed; `done` grows as they go, so that Ctrl-C loses nothing."""

    server: str
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


def config(url: str) -> dict[str, object]:
    """Return the config that is measured: a fallback of two targets, each with its own retries."""
    target = {"provider": "openai", "api_key": "sk-0", "custom_host": url, "retry": {"attempts": 2}}
    return {"strategy": {"mode": "fallback"}, "targets": [dict(target), dict(target)]}


def cores() -> tuple[int | None, int | None]:
    """Return a core for the client and one for the server, where the system lets us choose."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    free = sorted(os.sched_getaffinity(0))
    return (free[-1], free[0]) if len(free) > 1 else (None, None)
