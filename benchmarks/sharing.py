"""Caches that many share: four processes on one directory, and fifty tasks of one event loop.

The processes read nine times out of ten; every few seconds one of them is killed, and another takes
its place. What counts is how much longer the slowest lookups take than the usual one, and for how
long an event loop stands still while fifty tasks look something up on a disk.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Comparison
from benchmarks.run import Run
from benchmarks.workload import CALL, config
from portkey_local import AsyncPortkey

PROCESSES, TASKS, HITS = 4, 50, 20
SECONDS, KILL_EVERY = 20.0, 5.0
SLOW, USUAL = "DiskCache.get, p99", "DiskCache.get, p50"
GET = "a lookup, four processes, 10 % writes, one killed every 5 s"
HELD = "an event loop held up by 50 lookups on disk, p99"
LOOP = "Portkey, hits on disk"


def measure(run: Run) -> None:
    """Measure both."""
    shared = Comparison(GET, SLOW, USUAL, goal=20.0, note="all processes together")
    held = Comparison(
        HELD, LOOP, LOOP, goal=0.005, absolute=True, note="between two turns of the loop"
    )
    run.done.extend([shared, held])
    with run.busy("four processes"):
        shared.add(_processes(SECONDS / 4 if run.quick else SECONDS, run))
    for _ in range(run.rounds(10)):
        held.add({LOOP: [asyncio.run(_held(run.server + "/v1"))]})


def _processes(seconds: float, run: Run) -> dict[str, list[float]]:
    """Let processes share a directory; return what their lookups took."""
    samples: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def begin(seed: int, left: float) -> subprocess.Popen[str]:
            module = [sys.executable, "-m", "benchmarks.storm"]
            command = [*module, folder, str(seed), str(left), json.dumps(sorted(run.cores))]
            places = {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
            return subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdout=subprocess.PIPE,
                text=True,
                env=places,
                cwd=Path(__file__).parents[1],
            )

        running = [begin(seed, seconds) for seed in range(PROCESSES)]
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > KILL_EVERY:
            time.sleep(KILL_EVERY)
            victim = running.pop(0)
            victim.kill()
            victim.communicate()
            running.append(begin(len(samples) + int(left), max(1.0, left - KILL_EVERY)))
        for each in running:
            told, _ = each.communicate()
            assert each.returncode == 0, "a process that shares a cache failed"
            samples += json.loads(told)
    samples.sort()
    return {SLOW: [samples[int(len(samples) * 0.99)]], USUAL: [samples[len(samples) // 2]]}


async def _held(url: str) -> float:
    """Return the 99th percentile of the pauses of an event loop that is busy with hits."""
    gaps: list[float] = []
    kept = {**config(url), "cache": {"mode": "simple", "max_age": 3600}}
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncPortkey(config=kept, cache_dir=folder) as client:
            calls = [{**CALL, "seed": number} for number in range(TASKS)]
            for call in calls:
                await client.chat.completions.create(**call)
            await client.cache.flush()
            watcher = asyncio.create_task(_watch(gaps))
            for _ in range(HITS):
                hits = (client.chat.completions.create(**call) for call in calls)
                for answer in await asyncio.gather(*hits):
                    assert answer.get_headers()["cache-status"] == "HIT"
            watcher.cancel()
    gaps.sort()
    return gaps[int(len(gaps) * 0.99)]


async def _watch(gaps: list[float]) -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
