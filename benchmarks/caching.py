"""A hit: how long `chat.completions.create` takes when the answer is kept, p50.

Its peer is a live call of the bare SDK to the loopback server. Kept in memory, on disk, and
replayed as a stream that is read to its end. What a cache costs where it does not
help is in the last part: a call that misses, beside the same call without a cache.

The kernel with no cache declared is measured by `kernel`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from typing import Any

import openai

from benchmarks.measure import Comparison, Round, each_call
from benchmarks.run import Run
from benchmarks.workload import CALL, config
from portkey_local import Portkey

MEMORY, DISK = "Portkey, a hit in memory", "Portkey, a hit on disk"
STREAM = "Portkey, a hit as a stream"
MISS, NO_CACHE = "Portkey, a miss", "Portkey, no cache"
PEER = "openai.OpenAI, a live call"
HIT_TIME = "an exact hit, sync, p50"
DISK_TIME = "an exact hit on disk, sync, p50"
STREAM_TIME = "an exact hit replayed as a stream, sync, p50"
MISS_TIME = "a miss beside no cache, sync, p50"


def measure(run: Run) -> None:
    """Compare hits with live calls."""
    samples = run.samples(200)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        calls = _calls(run.server + "/v1", folder, stack)
        contenders = {name: _round(call, samples) for name, call in calls.items()}
        comparisons = [
            Comparison(HIT_TIME, MEMORY, PEER, goal=0.15, note="wall time of create()"),
            Comparison(DISK_TIME, DISK, PEER, goal=0.15, note="wall time of create()"),
            Comparison(STREAM_TIME, STREAM, PEER, note="create(), and every chunk read"),
            Comparison(MISS_TIME, MISS, NO_CACHE, note="each call asks for something new"),
        ]
        run.compare("hits", comparisons, contenders, run.rounds(20))
        for comparison in comparisons:
            for name in contenders.keys() - {comparison.ours, comparison.peer}:
                comparison.series.pop(name, None)


def _round(call: Callable[[], object], samples: int) -> Round:
    def turn() -> dict[str, list[float]]:
        taken, _ = each_call(call, samples)
        return dict.fromkeys((HIT_TIME, DISK_TIME, STREAM_TIME, MISS_TIME), taken)

    return turn


def _calls(url: str, folder: str, stack: ExitStack) -> dict[str, Callable[[], object]]:
    kept = {**config(url), "cache": {"mode": "simple", "max_age": 3600}}
    memory = stack.enter_context(Portkey(config=kept))
    disk = stack.enter_context(Portkey(config=kept, cache_dir=folder))
    plain = stack.enter_context(Portkey(config=config(url)))
    bare = stack.enter_context(openai.OpenAI(base_url=url, api_key="sk-0", max_retries=0))
    for client in (memory, disk):
        client.chat.completions.create(**CALL)
        answer: Any = client.chat.completions.create(**CALL)
        assert answer.get_headers()["cache-status"] == "HIT"
    numbers = count()
    return {
        MEMORY: lambda: memory.chat.completions.create(**CALL),
        DISK: lambda: disk.chat.completions.create(**CALL),
        STREAM: lambda: list(memory.chat.completions.create(**CALL, stream=True)),
        MISS: lambda: memory.chat.completions.create(**CALL, seed=next(numbers)),
        NO_CACHE: lambda: plain.chat.completions.create(**CALL, seed=next(numbers)),
        PEER: lambda: bare.chat.completions.create(**CALL),
    }
