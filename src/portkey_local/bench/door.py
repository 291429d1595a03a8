"""The door of code: `compare` runs configs over the same calls and says what differs.

Ground rules: a comparison that may be stopped goes in rounds, each over ten times the calls of the
one before, so that there is a whole answer early on; the last round is the one that counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from portkey_local.bench.comparing import Examined, compared, examined, resampling_of
from portkey_local.bench.configs import shown_config
from portkey_local.bench.naming import BenchError
from portkey_local.bench.records import Run
from portkey_local.bench.results import Comparison, Results
from portkey_local.bench.running import run
from portkey_local.bench.traffic import Traffic, first_calls, traffic_of
from portkey_local.bench.weather import DEFAULT as WEATHER
from portkey_local.bench.weather.reading import Weather, WeatherSource, weather_of
from portkey_local.bench.workloads import DEFAULT as WORKLOAD
from portkey_local.bench.workloads.reading import Workload
from portkey_local.errors import ConfigError

__all__ = ["DEADLINE", "SEED", "Progress", "compare", "deadline_of", "in_rounds"]

DEADLINE: Final = 30.0  # seconds
SEED: Final = 7
TIMES_MORE: Final = 10  # the calls of a round to those of the one before
FEWEST: Final = 1000  # calls of a round that another one follows

Weathers: TypeAlias = "WeatherSource | Sequence[WeatherSource]"
Progress = Callable[[str, int, int], object]
"""Hears what is being run, how many calls of it are over, and how many there are."""


def compare(
    configs: Mapping[str, Any],
    *,
    workload: Traffic = WORKLOAD,
    weather: Weathers = WEATHER,
    seed: int = SEED,
    calls: int | None = None,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Results:
    """Run configs by name over the same calls, in one weather or each of several.

    A config, a workload and a weather may each be a name, a file or its JSON. `deadline` is the
    seconds within which an answer is of use: by default the workload's own, else 30. No key is
    needed, and nothing is sent. Raises ConfigError for a config that cannot be used, and BenchError
    for one that can never succeed, and for a workload or weather that is none.
    """
    whole = traffic_of(workload, seed=seed, calls=calls)
    skies = _several(weather)
    limit = deadline_of(deadline, whole)
    comparisons = [
        _compared(configs, whole, sky, seed, limit, len(whole), progress) for sky in skies
    ]
    return Results(tuple(comparisons))


def in_rounds(
    configs: Mapping[str, Any],
    whole: Workload,
    weather: Weathers,
    *,
    seed: int = SEED,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Iterator[Results]:
    """Yield results over more and more calls; the last ones are what `compare` returns."""
    skies = _several(weather)
    limit = deadline_of(deadline, whole)
    rounds = [len(whole)]
    while rounds[0] >= TIMES_MORE * FEWEST:
        rounds.insert(0, rounds[0] // TIMES_MORE)
    known: dict[int, Comparison] = {}
    for calls in rounds:
        part = first_calls(whole, calls)
        for number, sky in enumerate(skies):
            known[number] = _compared(configs, part, sky, seed, limit, len(whole), progress)
            done = calls == len(whole) and number == len(skies) - 1
            yield Results(tuple(known.values()), complete=done)


def _several(weather: Weathers) -> Sequence[Weather]:
    """Return the weathers, each read once; two of one name could not be told apart."""
    several = weather if isinstance(weather, (list, tuple)) else [weather]
    skies = [weather_of(cast("WeatherSource", each)) for each in several]
    names = [each.name for each in skies]
    if not names or len(set(names)) < len(names):
        raise BenchError("weather: name at least one, and none twice")
    return skies


def deadline_of(deadline: float | None, workload: Workload) -> float:
    """Return the seconds within which an answer is of use. Raises BenchError for none."""
    if deadline is None:
        return workload.deadline if math.isfinite(workload.deadline) else DEADLINE
    if not deadline > 0:
        raise BenchError("deadline: seconds, more than 0")
    return deadline


def _compared(
    configs: Mapping[str, Any],
    workload: Workload,
    sky: Weather,
    seed: int,
    deadline: float,
    asked: int,
    progress: Progress | None,
) -> Comparison:
    if not configs:
        raise BenchError("configs: name at least one")
    parts = list[Examined]()
    resampling = None
    for name, config in configs.items():
        label = f"{sky.name}: {name}"
        told = None if progress is None else _told(progress, label)
        done = _run(name, config, workload, sky, seed, told)
        resampling = resampling or resampling_of(done)
        parts.append(examined(name, shown_config(config), done, resampling, deadline=deadline))
    return compared(parts, asked=asked, deadline=deadline)


def _told(progress: Progress, label: str) -> Callable[[int, int], object]:
    return lambda done, total: progress(label, done, total)


def _run(
    name: str,
    config: Any,
    workload: Workload,
    weather: Weather,
    seed: int,
    progress: Callable[[int, int], object] | None,
) -> Run:
    """Run one config; what is wrong with it is said with its name."""
    try:
        return run(config, workload, weather, seed=seed, progress=progress)
    except ConfigError as error:
        (first, *others) = ((f"{name}: {path}", text) for path, text in error.problems)
        raise ConfigError(*first, *others) from None
    except BenchError as error:
        raise BenchError(f"{name}: {error}") from None
