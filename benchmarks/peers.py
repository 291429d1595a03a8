"""6. Other routers: LiteLLM's, and `portkey_ai` through Portkey's own gateway on this machine.

Each library, ours and the bare SDK among them, runs `benchmarks.peer` in a process of its own,
and they take turns against the same server. The clients share one core and never run at once; the
gateway, a third process, may use any core. A peer that cannot be installed, or that takes longer
for a turn than `LIMIT`, is reported as absent; that is no failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.environments import Absent
from benchmarks.measure import IN_FLIGHT, Comparison, Round
from benchmarks.run import Run
from benchmarks.server import ROOT

OURS = "portkey-local"
SYNC, ASYNC = "routers, plain call, sync, p50", f"routers, {IN_FLIGHT} in flight, async"
LITELLM = "LiteLLM Router"
PORTKEY = "portkey_ai + local gateway"
LIMIT = 180.0  # seconds for one turn


class Worker:
    """A library in its process; killed when a turn takes too long."""

    def __init__(self, interpreter: Path, arguments: list[str], stack: ExitStack) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src")))}
        self._process = stack.enter_context(
            subprocess.Popen(  # noqa: S603 - the command is ours
                [str(interpreter), "-m", "benchmarks.peer", *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        stack.callback(self._process.kill)

    def ask(self, **command: int) -> list[float]:
        """Return the samples of one turn. Raises Absent."""
        if self._process.stdin is None or self._process.stdout is None:
            raise Absent("no pipe")
        timer = threading.Timer(LIMIT, self._process.kill)
        timer.start()
        try:
            print(json.dumps(command), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise Absent(f"its process ended, or took more than {LIMIT:.0f} s")
        samples: list[float] = json.loads(line)
        return samples


def measure(run: Run, surroundings: Mapping[str, str]) -> None:
    """Compare routers; `surroundings` are the environment variables for installing."""
    with ExitStack() as stack:
        workers = _workers(run, surroundings, stack)
        turns = (
            (SYNC, "s", "sync", run.samples(100), run.rounds(12)),
            (ASYNC, "1/s", "async", run.samples(1024), run.rounds(6)),
        )
        for name, unit, kind, count, rounds in turns:
            contenders = {
                label: _round(run, label, worker, name, {kind: count})
                for label, worker in workers.items()
            }
            note = "every library in a process of its own"
            comparison = Comparison(name, OURS, LITELLM, unit=unit, note=note)
            run.compare(name, [comparison], contenders, rounds)


def _workers(run: Run, surroundings: Mapping[str, str], stack: ExitStack) -> dict[str, Worker]:
    """Start every library that can be had."""
    if run.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, run.cores)  # what we start inherits it; the clients pin themselves
    provider, core = run.server + "/v1", "" if run.core is None else str(run.core)
    here = Path(sys.executable)

    def start(interpreter: Path, kind: str, gateway: str = "") -> Worker:
        return Worker(interpreter, [kind, provider, gateway, core], stack)

    def litellm() -> Worker:
        packages = ["litellm", "openai<3"]
        return start(environments.python("litellm", packages, surroundings), "litellm")

    def portkey_ai() -> Worker:
        interpreter = environments.python("portkey_ai", ["portkey_ai"], surroundings)
        address = stack.enter_context(environments.gateway(surroundings))
        return start(interpreter, "portkey_ai", address)

    workers: dict[str, Worker] = {}
    candidates: dict[str, Any] = {
        OURS: lambda: start(here, "portkey_local"),
        "openai SDK alone": lambda: start(here, "openai"),
        LITELLM: litellm,
        PORTKEY: portkey_ai,
    }
    for label, make in candidates.items():
        with run.busy(f"preparing {label}"):
            try:
                worker = make()
                worker.ask(sync=20)
            except Absent as absent:
                run.remarks.append(f"absent: {label}: {absent}")
            else:
                workers[label] = worker
    return workers


def _round(run: Run, label: str, worker: Worker, name: str, command: dict[str, int]) -> Round:
    def turn() -> dict[str, list[float]]:
        try:
            return {name: worker.ask(**command)}
        except Absent as absent:
            remark = f"absent from {name}: {label}: {absent}"
            if remark not in run.remarks:
                run.remarks.append(remark)
            return {}

    return turn
