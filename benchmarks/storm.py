"""One of several processes that share a cache directory: `python -m benchmarks.storm ...`.

Nine times out of ten it asks for an entry, else it writes one of 1.5 KB; at the end it prints the
seconds that its lookups took, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from portkey_local import DiskCache

KEYS = 2_000  # of each process, and as many that all share
VALUE = b"{}\n" + b"x" * 1_500
TOLD = 20_000  # samples that are told


def main() -> None:
    """Read and write for a while."""
    folder, seed, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, json.loads(sys.argv[4]))
    cache = DiskCache(folder)
    samples = list(_turns(cache, random.Random(seed), time.perf_counter() + seconds))
    cache.close()
    print(json.dumps(samples[-TOLD:]))


def _turns(cache: DiskCache, rng: random.Random, until: float) -> Iterator[float]:
    clock = time.perf_counter
    while (begin := clock()) < until:
        key = rng.randrange(KEYS).to_bytes(32, "big")
        if rng.random() < 0.1:
            cache.put(key, VALUE, time.time(), 3600.0, _fail)
        else:
            cache.get(key, 0.0)
            yield clock() - begin


def _fail(error: Exception) -> None:
    raise SystemExit(f"a write failed: {error!r}")


if __name__ == "__main__":
    main()
