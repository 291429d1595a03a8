"""3. The offline bench: how long simulated calls take, and whether more of them cost more each.

One million streamed calls through a fallback of two retried targets, in a brown-out that makes one
attempt in five fail for a quarter of the time, in a process of its own on one core. Goals: 40 s,
500 MB, and ten times the calls in at most eleven times the time.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import Comparison
from benchmarks.run import Run

ROOT = Path(__file__).parent.parent
MANY, FEW = 1_000_000, 100_000
MOST_MEGABYTES, MOST_GROWTH = 500, 11.0
OURS = "fallback of 2 x retry"
TIME = f"{MANY:,} simulated calls, CPU"

PROGRAM = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[2])
from portkey_local.bench import run, workload_of
each = {"retry": {"attempts": 2}}
providers = {"openai": "gpt-4o-mini", "anthropic": "claude-3-5-haiku-latest"}
targets = [
    {"provider": provider, "override_params": {"model": model}, **each}
    for provider, model in providers.items()
]
config = {"strategy": {"mode": "fallback"}, "targets": targets}
told = {"poisson": {}, "calls": int(sys.argv[1])}
run(config, {**told, "calls": 1000}, "brownout", seed=7)
begin, cpu = time.perf_counter(), time.process_time()
calls = run(config, told, "brownout", seed=7).calls
figures = {
    "seconds": time.perf_counter() - begin,
    "cpu": time.process_time() - cpu,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "success": float(calls.succeeded.mean()),
    "attempts": float(calls.attempts.mean()),
}
print(json.dumps(figures))
"""


def simulated(calls: int) -> dict[str, Any]:
    """Return what so many calls take, in a fresh process."""
    command = [sys.executable, "-c", PROGRAM, str(calls), str(ROOT / "src")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def measure(run: Run) -> None:
    """Simulate few calls and many."""
    comparison = Comparison(
        TIME, OURS, OURS, goal=40.0, absolute=True, note="one core; the workload's draws included"
    )
    run.done.append(comparison)
    memory, ratios = 0.0, []
    for _ in range(1 if run.quick else 3):
        with run.busy(f"{FEW:,} and {MANY:,} simulated calls"):
            before, many, after = simulated(FEW), simulated(MANY), simulated(FEW)
        comparison.add({OURS: [many["cpu"]]})
        ratios.append(2 * many["cpu"] / (before["cpu"] + after["cpu"]))
        memory = max(memory, many["megabytes"])
    verdict = "within" if memory < MOST_MEGABYTES else "OVER"
    ratio = statistics.median(ratios)
    run.remarks.append(
        f"{MANY:,} simulated calls: {memory:.0f} MB at most ({verdict} {MOST_MEGABYTES} MB); "
        f"{MANY // FEW} x the calls took {ratio:.1f} x the time "
        f"({'within' if ratio <= MOST_GROWTH else 'OVER'} {MOST_GROWTH:g} x)"
    )
