"""How long a semantic lookup takes beside one embedding, by the size of the scope."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import numpy as np

from benchmarks.measure import Comparison, Round, each_call
from benchmarks.run import Run
from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.deciding import Candidate, decide
from portkey_local.semantic.index import FaissNeighbours

SIZES = (100, 1_000, 10_000, 100_000)
NEAREST = 5
EMBEDDING = "one embedding"
VETOES = "vetoes on 5 candidates"
LOOKUP = "embedding, search and vetoes"
SAMPLES = 40


def measure(run: Run, embedder: Embedder, texts: list[str]) -> None:
    """Compare a lookup, and the vetoes alone, with one embedding of the same texts."""
    samples = run.samples(SAMPLES)
    texts = texts[:samples]  # in each turn all of them, so that the contenders' turns are alike
    embed = _over(texts, embedder.embed)
    veto = _over(texts, lambda text: _veto(text, texts))
    parts = {EMBEDDING: embed, VETOES: veto}
    alone = Comparison(VETOES, VETOES, EMBEDDING, goal=0.1, note="short prompts; none serves")
    turns = {name: _turn(call, VETOES, samples) for name, call in parts.items()}
    run.compare("vetoes", [alone], turns, run.rounds(20))
    for size in SIZES:
        _measure_size(run, embedder, texts, size)


def _measure_size(run: Run, embedder: Embedder, texts: list[str], size: int) -> None:
    name = f"a lookup in a scope of {size:,}"
    with run.busy(f"filling a scope of {size:,}"):
        index = _filled(embedder.dimensions, size)

    def lookup(text: str) -> None:
        index.nearest(embedder.embed(text), NEAREST)
        _veto(text, texts)

    goal = 1.3 if size == 10_000 else None
    comparison = Comparison(name, LOOKUP, EMBEDDING, goal=goal)
    contenders = {LOOKUP: _over(texts, lookup), EMBEDDING: _over(texts, embedder.embed)}
    turns = {each: _turn(call, name, len(texts)) for each, call in contenders.items()}
    run.compare(name, [comparison], turns, run.rounds(12))


def _turn(call: Callable[[], object], name: str, samples: int) -> Round:
    return lambda: {name: each_call(call, samples)[0]}


def _over(texts: list[str], call: Callable[[str], object]) -> Callable[[], object]:
    each = cycle(texts)
    return lambda: call(next(each))


def _veto(text: str, texts: list[str]) -> None:
    """Look at neighbours of which none serves: as many as a lookup ever looks at."""
    candidates = [Candidate(other, 0.99) for other in texts[:NEAREST]]
    decide(text, candidates, "balanced", 0.7, tokens=12)


def _filled(dimensions: int, size: int) -> FaissNeighbours:
    vectors = np.random.default_rng(7).standard_normal((size, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = FaissNeighbours(dimensions)
    index.add((number, vector.tobytes()) for number, vector in enumerate(vectors))
    return index
