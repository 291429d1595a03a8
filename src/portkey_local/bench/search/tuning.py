"""The door of the search: what is varied, what it is to reach, and what it found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from portkey_local.bench.configs import shown_config
from portkey_local.bench.door import SEED, deadline_of
from portkey_local.bench.front import pareto_front
from portkey_local.bench.intervals import Resampling
from portkey_local.bench.metrics import HEADLINES, measure
from portkey_local.bench.results import plain
from portkey_local.bench.running import run
from portkey_local.bench.search.halving import Candidate, Refused, Trial, candidates, search
from portkey_local.bench.search.objective import DEFAULT_OBJECTIVE, Objective, parse_objective
from portkey_local.bench.search.varying import parse_vary
from portkey_local.bench.traffic import Traffic, first_calls, traffic_of
from portkey_local.bench.weather import DEFAULT as WEATHER
from portkey_local.bench.weather.reading import Weather, WeatherSource, weather_of
from portkey_local.bench.workloads import DEFAULT as WORKLOAD
from portkey_local.bench.workloads.reading import Workload
from portkey_local.config import load

if TYPE_CHECKING:
    import os

__all__ = ["TRIALS", "Tuning", "tune"]

TRIALS: Final = 64
BEST: Final = 5

Progress = Callable[[str, int, int], object]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a search found: `best` keep the limits, the best first; `front` none outdoes in `axes`.

    `given` is the config as it was, `trials` all that met every call, `dropped` those that did not
    do well enough to meet them all.
    """

    objective: Objective
    workload: str
    weather: str
    seed: int
    calls: int
    asked: int
    complete: bool
    deadline: float
    whole: bool
    axes: tuple[str, str]
    given: Trial | None
    trials: tuple[Trial, ...]
    dropped: tuple[Trial, ...]
    refused: tuple[Refused, ...]

    @property
    def best(self) -> tuple[Trial, ...]:
        """The trials that keep the limits, the best first; of those that did the same, one."""
        apart: dict[tuple[float, ...], Trial] = {}
        for each in self.trials:
            if each.keeps:
                apart.setdefault(_figures(each), each)
        return tuple(apart.values())[:BEST]

    @property
    def verdict(self) -> str:
        """What may be said of the best one against the config as given."""
        against = self.best[0].against if self.best else None
        if against is None:
            return "The config as given is the best that was tried." if self.best else ""
        return f"{against.sentence}."

    @property
    def front(self) -> tuple[Trial, ...]:
        """Of the trials that keep the limits, those that no other outdoes in both of `axes`."""
        keeping = [each for each in self.trials if each.keeps]
        return tuple(pareto_front(keeping, _figure, self.axes))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON; configs are shown without keys."""
        return {
            "objective": self.objective.text,
            "workload": self.workload,
            "weather": self.weather,
            "seed": self.seed,
            "calls": self.calls,
            "calls_asked_for": self.asked,
            "complete": self.complete,
            "deadline_s": plain(self.deadline),
            "whole_space": self.whole,
            "axes": list(self.axes),
            "as_given": None if self.given is None else _shown(self.given),
            "best": [_shown(each) for each in self.best],
            "pareto_front": [each.candidate.name for each in self.front],
            "trials": [_shown(each) for each in (*self.trials, *self.dropped)],
            "refused": [
                {"values": dict(each.candidate.values), "reason": each.reason}
                for each in self.refused
            ],
        }

    def to_html(self) -> str:
        """Return a page with the front and the best."""
        from portkey_local.bench.html.tuned import tuned_page

        return tuned_page(self)

    def write_configs(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the best configs into a folder, as JSON that `Portkey(config=...)` takes."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, trial in enumerate(self.best, 1):
            path = place / f"best-{number}.json"
            text = json.dumps(trial.candidate.config, indent=2, ensure_ascii=False)
            path.touch(mode=0o600)  # it may hold keys, as the config did
            path.write_text(f"{text}\n", encoding="utf-8")
            paths.append(path)
        return paths


def _figures(trial: Trial) -> tuple[float, ...]:
    return tuple(trial.figures[name].value for name in HEADLINES)


def _figure(trial: Trial, metric: str) -> float:
    return trial.figures[metric].value


def _shown(trial: Trial) -> dict[str, Any]:
    return {
        "values": dict(trial.candidate.values),
        "calls": trial.calls,
        "keeps_limits": trial.keeps,
        "surely": trial.surely,
        "succeeds_less_than_given": trial.worse,
        "against_given": plain(trial.against),
        "figures": plain(trial.figures),
        "config": shown_config(trial.candidate.config),
    }


def tune(  # noqa: PLR0913 - all but two have defaults, and are given by name
    config: Any,
    vary: Sequence[str],
    *,
    objective: str = DEFAULT_OBJECTIVE,
    workload: Traffic = WORKLOAD,
    weather: WeatherSource = WEATHER,
    seed: int = SEED,
    calls: int | None = None,
    deadline: float | None = None,
    trials: int = TRIALS,
    progress: Progress | None = None,
) -> Tuning:
    """Search for the values of a config's fields that do best.

    `vary` has an entry like `retry.attempts=0..4` for each field; `trials` is how many candidates
    are tried. Unless the objective speaks of success, candidates that are shown to succeed less
    often than the config as given are set aside. Ctrl-C ends the search early, with what it has.
    Raises BenchError for what cannot be read, with the nearest name, and ConfigError for a config
    that cannot be used.
    """
    given = load(config).model_dump(mode="json", exclude_unset=True)
    wanted = parse_objective(objective)
    varies = [parse_vary(each, given) for each in vary]
    found, whole = candidates(given, varies, trials=max(1, trials), seed=seed)
    work, sky = traffic_of(workload, seed=seed, calls=calls), weather_of(weather)
    limit = deadline_of(deadline, work)
    judge = _JudgeState(work, sky, seed, limit, progress)
    outcome = search(found, judge, wanted, calls=len(work), halve=not whole)
    results = sorted(outcome.trials.values(), key=lambda each: each.rank)
    met = max(each.calls for each in results)
    return Tuning(
        objective=wanted,
        workload=work.name,
        weather=sky.name,
        seed=seed,
        calls=met,
        asked=len(work),
        complete=outcome.complete,
        deadline=limit,
        whole=whole,
        axes=_axes(wanted),
        given=next((each for each in results if not each.candidate.values), None),
        trials=tuple(each for each in results if each.calls == met),
        dropped=tuple(each for each in results if each.calls < met),
        refused=tuple(outcome.refused),
    )


def _axes(objective: Objective) -> tuple[str, str]:
    """Return the two figures to weigh against each other: the goal's, and a limit's or cost's."""
    named = [*objective.metrics(), "cost", "p99"]
    first, second = list(dict.fromkeys(named))[:2]
    return (second, first) if second == "cost" else (first, second)


class _JudgeState:
    """Runs candidates over the first calls of a workload, and counts them for the progress."""

    def __init__(
        self,
        workload: Workload,
        weather: Weather,
        seed: int,
        deadline: float,
        progress: Progress | None,
    ) -> None:
        self._workload, self._weather = workload, weather
        self._seed, self._deadline, self._progress = seed, deadline, progress
        self._resampling: dict[int, Resampling] = {}
        self._done = 0

    def __call__(self, candidate: Candidate, calls: int) -> Mapping[str, Any]:
        """Return what the candidate does with so many calls."""
        part = first_calls(self._workload, calls)
        self._done += 1
        label = f"{self._done}: {candidate.name}"

        def told(done: int, total: int) -> None:
            if self._progress is not None:
                self._progress(label, done, total)

        done = run(candidate.config, part, self._weather, seed=self._seed, progress=told)
        if calls not in self._resampling:
            self._resampling[calls] = Resampling(len(done.calls), seed=self._seed)
        return measure(done, self._resampling[calls], deadline=self._deadline)
