"""Runs a config over a workload in a weather, in virtual time.

Ground rules: the router is the one that a client compiles, with stand-ins for keys; the driver is
the simulated one. A call's luck goes by its number, so that every config meets the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from portkey_local.bench.caller import Caller, CallersDraws
from portkey_local.bench.chance import key_of, mixed
from portkey_local.bench.feasible import check_feasible
from portkey_local.bench.recalls import BenchRecallsState
from portkey_local.bench.recorder import RecorderState
from portkey_local.bench.records import Regimes, Run
from portkey_local.bench.requests import reads_text, request_of
from portkey_local.bench.sites import Site, sites_of, unpriced
from portkey_local.bench.standins import StandIns
from portkey_local.bench.weather.reading import WeatherSource, weather_of
from portkey_local.bench.weather.sampling import sampler
from portkey_local.bench.workloads.questions import wording
from portkey_local.bench.workloads.reading import Workload, WorkloadSource, workload_of
from portkey_local.bench.world import BenchWorld
from portkey_local.caches.memory import MemoryCache
from portkey_local.compile import Compiled, compile_config
from portkey_local.drivers.simulated import Simulation
from portkey_local.model import Event
from portkey_local.policies.shelf import Shelf

__all__ = ["run"]

BLOCK: Final = 4096  # callers made ready at a time
PHASES: Final = {"circuit.closed": 0, "circuit.opened": 1, "circuit.half_open": 2}
TOLD_EVERY: Final = 1000  # calls between two words of progress


def run(
    config: Any,
    workload: WorkloadSource,
    weather: WeatherSource,
    *,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Run:
    """Return what `config` does with the calls of `workload` in `weather`.

    `progress` hears how many calls are over, and how many there are. Raises ConfigError for a
    config that cannot be used, and BenchError for one that can never succeed, and for a workload or
    a weather that is none.
    """
    calls = workload_of(workload, seed=seed)
    sky = weather_of(weather)
    vault = StandIns()
    recalls = BenchRecallsState()
    shelf = Shelf(MemoryCache(), recalls=recalls)
    compiled = compile_config(config, vault=vault, shelf=shelf)
    sites = sites_of(
        compiled.targets, sky, model=calls.model, load=calls.load, seed=seed, apart=vault.guessed
    )
    asks = request_of(calls, calls.asked.text(0))
    useless = check_feasible(compiled, asks, calls.metadata, sites, timeout=calls.timeout)
    running = _RunState(compiled, calls, sites, seed, progress, recalls.foresee)
    running.simulation.run()
    return Run(
        seed=seed,
        workload=calls.name,
        weather=sky.name,
        streamed=calls.stream,
        deadline_s=calls.deadline,
        end_s=running.simulation.now,
        targets=tuple(site.name for site in sites.values()),
        calls=running.recorder.calls(calls.arrival, calls.prompt_tokens, calls.completion_tokens),
        attempts=running.recorder.attempts(),
        regimes=_regimes(sites, running.simulation.now),
        breakers=running.recorder.breakers(),
        warnings=(*vault.warnings(), *useless, *recalls.remarks, *unpriced(sites.values())),
    )


class _RunState:
    """A run under way: the simulation, who is calling, and what has been written down."""

    def __init__(
        self,
        compiled: Compiled,
        workload: Workload,
        sites: Mapping[str, Site],
        seed: int,
        progress: Callable[[int, int], object] | None,
        foresee: Callable[[Sequence[str]], None],
    ) -> None:
        """Let the first call wait for its time."""
        self.recorder = RecorderState(len(workload))
        self.simulation = Simulation(BenchWorld(sites, self.recorder), seed=seed)
        self._compiled = compiled
        self._workload = workload
        self._sites = sites
        self._patience = sampler(workload.patience) if workload.patience is not None else None
        self._patience_key = key_of(seed, "patience")
        self._draws_key = key_of(seed, "router")
        self._emit = self._hear if compiled.breakers else None
        self._progress = progress
        self._foresee = foresee
        self._left = len(workload)
        any_request = request_of(workload, workload.asked.text(0))
        self._one_for_all = None if reads_text(compiled) else any_request
        self.simulation.feed(self._arrivals())

    def _arrivals(self) -> Iterator[tuple[float, Callable[[], object]]]:
        """Walk the callers and when they come, a block at a time: a million lists are large."""
        workload = self._workload
        for begin in range(0, len(workload), BLOCK):
            block = slice(begin, begin + BLOCK)
            numbers = range(begin, begin + BLOCK)
            columns = (
                workload.arrival,
                workload.prompt_tokens,
                workload.completion_tokens,
                workload.asked.family,
                workload.asked.wording,
            )
            values = [column[block].tolist() for column in columns]
            if self._one_for_all is None:
                self._foresee(list(map(wording, *values[-2:])))
            rows = zip(numbers, *values, strict=False)
            for number, moment, prompt, answer, family, form in rows:
                yield moment, partial(self._begin, number, (prompt, answer), (family, form))

    def _begin(self, number: int, sizes: tuple[int, int], asks: tuple[int, int]) -> None:
        """Let a caller come."""
        simulation, workload = self.simulation, self._workload
        leaves_at = math.inf
        if self._patience is not None:
            leaves_at = simulation.now + self._patience(mixed(self._patience_key, number), 0)
        caller = Caller(
            number,
            simulation,
            self.recorder,
            self._over,
            sizes=sizes,
            answer="" if self._one_for_all else f"answer {asks[0]};",
            leaves_at=leaves_at,
        )
        process = simulation.begin(
            self._compiled,
            self._one_for_all or request_of(workload, wording(*asks)),
            caller.done,
            timeout=workload.timeout,
            emit=self._emit,
            metadata=workload.metadata,
            trace_id=caller.trace_id,
            rng=CallersDraws(self._draws_key, number, caller),
        )
        caller.on_its_way(process)
        if leaves_at < math.inf:
            simulation.later(leaves_at, caller.leave)

    def _over(self) -> None:
        self._left -= 1
        if self._progress is not None and not self._left % TOLD_EVERY:
            total = len(self._workload)
            self._progress(total - self._left, total)

    def _hear(self, event: Event) -> None:
        phase = PHASES.get(event.name)
        if phase is not None and event.target is not None:
            self.recorder.circuit(self._sites[event.target].number, self.simulation.now, phase)


def _regimes(sites: Mapping[str, Site], until: float) -> Regimes:
    rows = [
        (site.number, begin, end, name)
        for site in sites.values()
        for begin, end, name in site.source.spans(until)
    ]
    names = tuple(dict.fromkeys(row[3] for row in rows))
    return Regimes(
        target=np.array([row[0] for row in rows], np.int16),
        start_s=np.array([row[1] for row in rows], np.float64),
        end_s=np.array([row[2] for row in rows], np.float64),
        regime=np.array([names.index(row[3]) for row in rows], np.int16),
        names=names,
    )
