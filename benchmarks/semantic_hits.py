"""A semantic hit through `chat.completions.create`, in a scope of 10,000 questions, p50.

Its peer is one embedding of the same text alone. A question in words that were asked before has its
vector at hand, and is measured apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from benchmarks.measure import Comparison, Round, each_call
from benchmarks.run import Run
from portkey_local import MemoryCache, Portkey
from portkey_local.caches.questions import Question
from portkey_local.semantic.contract import Embedder
from portkey_local.testing import Loopback

HIT = "Portkey, a semantic hit"
AGAIN = "Portkey, the same words again"
EMBEDDING = "one embedding of the same text"
HIT_TIME = "a semantic hit in a scope of 10,000, sync, p50"
AGAIN_TIME = "a semantic hit in words that were asked before, sync, p50"
SIZE = 10_000
TEXT = "How can I reset my password?"
SAMPLES = 40


def measure(run: Run, embedder: Embedder) -> None:
    """Compare hits with embeddings."""
    with ExitStack() as stack:
        server = stack.enter_context(Loopback())
        contenders = _contenders(server.url, embedder, stack, run.samples(SAMPLES))
        comparisons = [
            Comparison(HIT_TIME, HIT, EMBEDDING, goal=1.3, note="wall time of create()"),
            Comparison(AGAIN_TIME, AGAIN, EMBEDDING, note="its vector is remembered"),
        ]
        run.compare("semantic hits", comparisons, contenders, run.rounds(12))
        for comparison in comparisons:
            for name in contenders.keys() - {comparison.ours, comparison.peer}:
                comparison.series.pop(name, None)


def _contenders(url: str, embedder: Embedder, stack: ExitStack, samples: int) -> dict[str, Round]:
    cache = MemoryCache(max_entries=2 * SIZE)
    target = {"provider": "openai", "api_key": "sk-0", "custom_host": url}
    given: Any = {"config": {**target, "cache": "semantic"}, "cache": cache}
    forgetful, usual = (stack.enter_context(Portkey(**given)) for _ in range(2))
    _ask(forgetful, "How do I reset my password?")
    _fill(cache, embedder)
    _forget_vectors(forgetful)
    for client in (forgetful, usual):
        assert _ask(client, TEXT).get_headers()["cache-status"] == "SEMANTIC HIT"
    return {
        HIT: _round(lambda: _ask(forgetful, TEXT), samples),
        AGAIN: _round(lambda: _ask(usual, TEXT), samples),
        EMBEDDING: _round(lambda: embedder.embed(TEXT), samples),
    }


def _ask(client: Portkey, text: str) -> Any:
    messages: Any = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="m", messages=messages)


def _forget_vectors(client: Any) -> None:
    """Have every question embedded, as if it were asked for the first time."""
    similar = client._plan.router.root.inner.similar  # noqa: SLF001 - no user needs to
    similar.recall.vectors.texts = 0


def _fill(cache: MemoryCache, embedder: Embedder) -> None:
    """Add questions that are far from all others, to the scope of the one that was asked."""
    like: Question = next(iter(cache.questions._kept.values()))  # noqa: SLF001 - as above
    vectors = np.random.default_rng(7).standard_normal((SIZE, embedder.dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for number, vector in enumerate(vectors.astype(np.float32)):
        key, times = hashlib.sha256(b"%d" % number).digest(), (like.created, like.until)
        cache.questions.add(Question(like.scope, key, "?", vector.tobytes(), *times), print)


def _round(call: Callable[[], object], samples: int) -> Round:
    def turn() -> dict[str, list[float]]:
        taken, _ = each_call(call, samples)
        return dict.fromkeys((HIT_TIME, AGAIN_TIME), taken)

    return turn
