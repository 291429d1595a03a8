"""From what a user says to a weather: a preset's name, a file, an event log, or JSON."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from portkey_local.bench.naming import BenchError, checked, path_given, read_json
from portkey_local.bench.weather.models import ProviderModel, WeatherFile
from portkey_local.bench.weather.presets import PRESETS
from portkey_local.bench.weather.recorded import RecordedAttempt, attempts_of
from portkey_local.providers.table import PROVIDERS
from portkey_local.query import nearest

__all__ = ["Recording", "Weather", "WeatherSource", "weather_of"]

PLACE: Final = re.compile(r"config(\.targets\[\d+\])*")  # of a target

Recording: TypeAlias = Mapping[tuple[str, str], list[RecordedAttempt]]


@dataclass(frozen=True, slots=True)
class Weather:
    """The providers of a run, as models, and what was recorded of them."""

    name: str
    providers: Mapping[str, ProviderModel]
    recording: Recording = field(default_factory=dict, repr=False)

    def recorded(self, provider: str, model: str) -> list[RecordedAttempt] | None:
        """Return the attempts that were recorded of a provider's model, or None."""
        return self.recording.get((provider, model)) or self.recording.get((provider, ""))

    def model(self, path: str, provider: str, model: str) -> tuple[str, ProviderModel] | None:
        """Return the name in the weather that says most of a target, and what it says of it.

        That is the target's place in the config, else `provider/model`, else `provider`, else `*`.
        """
        for name in (path, f"{provider}/{model}", provider, "*"):
            if name in self.providers:
                return name, self.providers[name]
        return None


WeatherSource: TypeAlias = "Weather | str | os.PathLike[str] | Mapping[str, Any]"


def weather_of(source: WeatherSource) -> Weather:
    """Return a weather by a preset's name, a JSON file, an event log (.jsonl), or as JSON.

    Raises BenchError for what is none of them, and for what is wrong in it.
    """
    if isinstance(source, Weather):
        return source
    if isinstance(source, Mapping):
        return _weather(checked(WeatherFile, source, "weather"), "weather", Path())
    if isinstance(source, str) and source in PRESETS:
        return Weather(source, PRESETS[source].providers())
    path = path_given(source, "weather")
    if path.suffix == ".jsonl":
        return Weather(path.name, {}, attempts_of(path))
    if path.suffix == ".json" or path.exists():
        return _weather(checked(WeatherFile, read_json(path), str(path)), str(path), path.parent)
    near = nearest(str(source), PRESETS)
    meant = f"did you mean {near!r}? Else " if near else ""
    hint = f"{meant}give a JSON file, an event log (.jsonl) or one of {', '.join(PRESETS)}"
    raise BenchError(f"weather {str(source)!r} is unknown; {hint}")


def _weather(file: WeatherFile, origin: str, folder: Path) -> Weather:
    for name in file.providers:
        provider = name.partition("/")[0]
        if name.startswith("config"):
            if PLACE.fullmatch(name) is None:
                hint = "did you mean a place such as config.targets[0]?"
                raise BenchError(f"{origin}: providers.{name}: no place in a config; {hint}")
        elif name != "*" and provider not in PROVIDERS:
            near = nearest(provider, PROVIDERS)
            hint = f"did you mean {near!r}?" if near else "use a provider's id, or *"
            raise BenchError(f"{origin}: providers.{name}: no such provider; {hint}")
    recording: Recording = attempts_of(folder / file.recording) if file.recording else {}
    return Weather(file.name or Path(origin).stem, file.providers, recording)
