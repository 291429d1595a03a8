"""What a semantic lookup costs: the event loop its turns, and the caller his time.

- *Hold-up*: a task wants a turn every millisecond while 50 lookups are kept in flight; how late its
  turns come is how long the event loop was held up. The same is taken of a loop with nothing else
  to do, which is what the machine alone does to it, of threads that compute digests instead, which
  never hold Python's lock, and of lookups in the loop's own thread. Linux tells how long the loop's
  thread waited for a core; without that it is how long our own process held it up.
- *Latency by size*: one embedding alone, and a whole lookup (embedding and search, computed aside)
  in scopes of several sizes, in turns. A search compares every vector, so that it takes the same
  time whatever the vectors are: these are random.

`python -m benchmarks.semantic_loop` prints both.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import each_call
from portkey_local.drivers.aside import aside, aside_async
from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.index import FaissNeighbours
from portkey_local.semantic.resolve import embedder

IN_FLIGHT = 50
TICK = 0.001  # seconds between the turns that are wanted
SIZES = (100, 1_000, 10_000, 50_000, 100_000)
PATIENCE = 30.0  # seconds for a lookup that is measured
NEAREST = 5
DIGESTED = bytes(2_000_000)  # takes about as long as an embedding
QUESTIONS = (
    "How do I reset the password of my account?",
    "What is the capital of France?",
    "Is it safe to take ibuprofen with coffee?",
    "Which of your plans lets me export data as CSV?",
)


@dataclass(frozen=True)
class HoldUp:
    """How late the turns of an event loop came, in seconds, and how much it did meanwhile.

    `own_p99` leaves out the waits for a core (on Linux; else it is `p99`), `rate` is lookups per
    second.
    """

    what: str
    turns: int
    median: float
    p99: float
    worst: float
    own_p99: float
    rate: float


@dataclass(frozen=True)
class Latency:
    """Medians for a scope of so many entries, in seconds.

    `lookup` is a whole lookup in the caller's thread and `aside` one in a thread of ours. Their
    ratios to an embedding alone are taken turn by turn, when the machine was equally busy.
    """

    entries: int
    embedding: float
    search: float
    lookup: float
    aside: float
    lookup_ratio: float
    aside_ratio: float
    mebibytes: float


def scope_of(entries: int, dimensions: int, seed: int = 7) -> FaissNeighbours:
    """Return a scope with so many random vectors."""
    random = np.random.default_rng(seed)
    scope = FaissNeighbours(dimensions)
    for first in range(0, entries, 10_000):
        shape = min(10_000, entries - first), dimensions
        vectors = random.standard_normal(shape, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        scope.add((first + n, vector.tobytes()) for n, vector in enumerate(vectors))
    return scope


def look_up(model: Embedder, scope: FaissNeighbours, question: str) -> list[tuple[int, float]]:
    """Embed a question and search its scope."""
    return scope.nearest(model.embed(question), NEAREST)


# --- how long the event loop is held up


def loop_holdup(
    seconds: float = 5.0, in_flight: int = IN_FLIGHT, entries: int = 10_000
) -> list[HoldUp]:
    """Return how long the event loop is held up: aside, by the machine alone, and in the loop."""
    model = embedder()
    scope = scope_of(entries, model.dimensions)
    questions = itertools.cycle(QUESTIONS)

    async def computed_aside() -> None:
        await aside_async(partial(look_up, model, scope, next(questions)), PATIENCE)

    async def computed_here() -> None:
        look_up(model, scope, next(questions))
        await asyncio.sleep(0)

    async def digest_aside() -> None:
        await aside_async(partial(hashlib.sha256, DIGESTED), PATIENCE)

    look_up(model, scope, QUESTIONS[0])  # loads everything
    return [
        asyncio.run(_held_up("nothing else to do", None, 0, seconds)),
        asyncio.run(_held_up(f"{in_flight} digests, aside", digest_aside, in_flight, seconds)),
        asyncio.run(_held_up(f"{in_flight} lookups, aside", computed_aside, in_flight, seconds)),
        asyncio.run(_held_up(f"{in_flight} lookups, in the loop", computed_here, in_flight, 1.0)),
    ]


async def _held_up(
    what: str, work: Callable[[], Awaitable[None]] | None, in_flight: int, seconds: float
) -> HoldUp:
    until = time.perf_counter() + seconds
    done = 0

    async def keep_working() -> None:
        nonlocal done
        while work is not None and time.perf_counter() < until:
            await work()
            done += 1

    working = [asyncio.create_task(keep_working()) for _ in range(in_flight)]
    late, own = await _lateness(until)
    await asyncio.gather(*working)
    return HoldUp(
        what, len(late), statistics.median(late), _p99(late), max(late), _p99(own), done / seconds
    )


async def _lateness(until: float) -> tuple[list[float], list[float]]:
    """Return how late each turn came, and how late without the time a core was waited for."""
    late, own = [], []
    with _waited_for_a_core() as waited:
        while (begin := time.perf_counter()) < until:
            before = waited()
            await asyncio.sleep(TICK)
            late.append(time.perf_counter() - begin - TICK)
            own.append(max(0.0, late[-1] - (waited() - before)))
    return late, own


@contextmanager
def _waited_for_a_core() -> Iterator[Callable[[], float]]:
    """Give what tells how many seconds this thread has been ready to run and did not."""
    path = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    if not path.exists():
        yield lambda: 0.0
        return
    with path.open("rb") as file:
        number = file.fileno()
        yield lambda: int(os.pread(number, 100, 0).split()[1]) / 1e9


def _p99(samples: Sequence[float]) -> float:
    return sorted(samples)[int(0.99 * (len(samples) - 1))]


# --- how long a caller waits


def latency_by_size(sizes: Sequence[int] = SIZES, rounds: int = 200) -> list[Latency]:
    """Return what a lookup costs in scopes of several sizes, beside one embedding alone."""
    model = embedder()
    return [_latency(model, size, rounds) for size in sizes]


def _latency(model: Embedder, entries: int, rounds: int) -> Latency:
    scope = scope_of(entries, model.dimensions)
    turns = [_turn(model, scope, QUESTIONS[n % len(QUESTIONS)]) for n in range(-5, rounds)][5:]
    medians = [statistics.median(taken) for taken in zip(*turns, strict=True)]
    ratios = (
        statistics.median(turn[contender] / turn[0] for turn in turns) for contender in (2, 3)
    )
    return Latency(entries, *medians, *ratios, scope.size / 2**20)


def _turn(model: Embedder, scope: FaissNeighbours, question: str) -> list[float]:
    """Return the seconds of an embedding, a search, and a lookup here and aside."""
    whole = partial(look_up, model, scope, question)
    vector = model.embed(question)
    contenders = (
        partial(model.embed, question),
        partial(scope.nearest, vector, NEAREST),
        whole,
        partial(aside, whole, PATIENCE),
    )
    return [each_call(contender, 1)[0][0] for contender in contenders]


def main() -> None:
    """Print both."""
    heads = ("median", "p99", "own p99", "worst", "1/s")
    print(f"{'hold-up of the event loop, ms':32}", *(f"{head:>8}" for head in heads))
    for row in loop_holdup():
        late = (row.median, row.p99, row.own_p99, row.worst)
        print(f"{row.what:32}", *(f"{1e3 * each:8.2f}" for each in late), f"{row.rate:8.0f}")
    heads = ("entries", "embed ms", "search", "lookup", "aside", "lookup/e", "aside/e", "MiB")
    print("\n" + " ".join(f"{head:>9}" for head in heads))
    for size in latency_by_size():
        times = (size.embedding, size.search, size.lookup, size.aside)
        figures = (*(1e3 * each for each in times), size.lookup_ratio, size.aside_ratio)
        print(f"{size.entries:9,}", *(f"{each:9.3f}" for each in (*figures, size.mebibytes)))


if __name__ == "__main__":
    main()
