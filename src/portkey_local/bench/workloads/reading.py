"""From what a user says to a workload: a preset's name, a file, a trace, an event log, or JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from portkey_local.bench.chance import key_of
from portkey_local.bench.naming import BenchError, checked, path_given, read_json
from portkey_local.bench.weather.models import Distribution
from portkey_local.bench.workloads.arrivals import arrivals, sizes
from portkey_local.bench.workloads.models import CALLS, WorkloadFile
from portkey_local.bench.workloads.questions import Asked, asked
from portkey_local.bench.workloads.traces import Row, from_csv, from_event_log
from portkey_local.query import nearest

__all__ = ["DEFAULT", "PRESETS", "Workload", "WorkloadSource", "workload_of"]

DEFAULT: Final = "conversation"
EXCERPT: Final = "azure_conversation_2023.csv"
PRESETS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    DEFAULT: ("2,000 calls of the Azure conversation trace of 2023", {"trace": EXCERPT}),
    "poisson": ("2,000 calls, 5 a second, independent", {"poisson": {}}),
    "bursty": ("2,000 calls, 20 a second for 10 s of every 40", {"bursty": {}}),
    "diurnal": (
        "20,000 calls of a day, from quiet to busy",
        {"diurnal": {"rate": 0.25}, "calls": 20_000},
    ),
    "questions": (
        "2,000 calls, of which six in ten ask again, half of them in other words",
        {"poisson": {}, "questions": {"repeat_rate": 0.6, "paraphrase_rate": 0.5}},
    ),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """Calls that come: when, how large, what they ask, and how long somebody waits for them.

    Times are seconds; `deadline` is infinite where every answer is of use.
    """

    name: str
    arrival: NDArray[np.float64]
    prompt_tokens: NDArray[np.int32]
    completion_tokens: NDArray[np.int32]
    asked: Asked = field(repr=False)
    model: str = "gpt-4o-mini"
    stream: bool = True
    deadline: float = math.inf
    timeout: float = 600.0
    patience: Distribution | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many calls come."""
        return len(self.arrival)

    @property
    def load(self) -> tuple[float, float]:
        """The mean requests and tokens a minute."""
        span = float(self.arrival[-1] - self.arrival[0]) * len(self) / max(1, len(self) - 1)
        minutes = max(span, 1.0) / 60
        tokens = int(self.prompt_tokens.sum()) + int(self.completion_tokens.sum())
        return len(self) / minutes, tokens / minutes


WorkloadSource: TypeAlias = "Workload | str | os.PathLike[str] | Mapping[str, Any]"


def workload_of(source: WorkloadSource, *, seed: int = 0, calls: int | None = None) -> Workload:
    """Return a workload by a preset's name, a file (.csv, .jsonl, .json), or as JSON.

    `calls` says how many come, at most as many as a trace has. Raises BenchError for what is none
    of them, and for what is wrong in it.
    """
    if isinstance(source, Workload):
        return source
    file, origin, folder = _told(source)
    if calls is not None:
        file = file.model_copy(update={"calls": calls})
    return _made(file, origin, folder, seed)


def _told(
    source: str | os.PathLike[str] | Mapping[str, Any],
) -> tuple[WorkloadFile, str, Path | None]:
    """Return what is told of a workload, where, and the folder of its trace: None is our own."""
    if isinstance(source, Mapping):
        return checked(WorkloadFile, source, "workload"), "workload", Path()
    if isinstance(source, str) and source in PRESETS:
        return checked(WorkloadFile, PRESETS[source][1], source), source, None
    path = path_given(source, "workload")
    if path.suffix in (".csv", ".jsonl"):
        return WorkloadFile(trace=path.name), str(path), path.parent
    if path.suffix == ".json" or path.exists():
        return checked(WorkloadFile, read_json(path), str(path)), str(path), path.parent
    near = nearest(str(source), PRESETS)
    meant = f"did you mean {near!r}? Else " if near else ""
    hint = f"{meant}give a file (.csv, .jsonl, .json) or one of {', '.join(PRESETS)}"
    raise BenchError(f"workload {str(source)!r} is unknown; {hint}")


def _made(file: WorkloadFile, origin: str, folder: Path | None, seed: int) -> Workload:
    """Draw the calls of a workload file; `folder` is where its trace lies, None for our own."""
    draws = Generator(Philox(key_of(seed, "workload")))
    rows = _rows(file.trace, folder) if file.trace is not None else []
    calls = min(file.calls or len(rows), len(rows)) if rows else file.calls or CALLS
    if rows:
        at, prompts, answers = (np.array(column) for column in zip(*rows[:calls], strict=True))
    else:
        process = file.poisson or file.bursty or file.diurnal
        assert process is not None  # noqa: S101 - the file has been checked
        at = arrivals(process, calls, draws)
        prompts, answers = sizes(file.sizes, calls, draws)
    return Workload(
        name=file.name or Path(origin).stem,
        arrival=np.asarray(at, np.float64) / file.speed,
        prompt_tokens=prompts.astype(np.int32),
        completion_tokens=answers.astype(np.int32),
        asked=asked(file.questions, calls, draws),
        model=file.model,
        stream=file.stream,
        deadline=file.deadline or math.inf,
        timeout=file.timeout,
        patience=file.patience,
        metadata=file.metadata,
    )


def _rows(trace: str, folder: Path | None) -> list[Row]:
    if folder is None:
        place = resources.files("portkey_local.bench.workloads") / trace
        with resources.as_file(place) as path:
            return from_csv(path)
    path = folder / trace
    return from_event_log(path) if path.suffix == ".jsonl" else from_csv(path)
