"""The targets of a config as places in a weather: whose luck, whose limits, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from portkey_local.bench.chance import key_of
from portkey_local.bench.naming import BenchError
from portkey_local.bench.prices import Rate, rate_of
from portkey_local.bench.records import TargetName
from portkey_local.bench.weather.fates import Source
from portkey_local.bench.weather.modelled import Load, ModelState
from portkey_local.bench.weather.models import ProviderModel
from portkey_local.bench.weather.reading import Weather
from portkey_local.bench.weather.recorded import RecordedState
from portkey_local.bench.weather.scripted import ScriptState
from portkey_local.model import EMPTY, Target

__all__ = ["Site", "sites_of", "unpriced"]

FREE = Rate(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Site:
    """A target in a run. Targets of one `identity` share luck and weather, those of one account
    their source, with its limits.
    """

    number: int
    name: TargetName
    identity: str
    source: Source
    rate: Rate | None

    @property
    def paid(self) -> Rate:
        """The price, or none where nobody knows it."""
        return FREE if self.rate is None else self.rate


def sites_of(
    targets: Iterable[Target],
    weather: Weather,
    *,
    model: str,
    load: Load,
    seed: int,
    apart: Mapping[str, str] = EMPTY,
) -> dict[str, Site]:
    """Return the place of each target, by its path. `model` is what calls ask for.

    Targets in `apart` are providers of their own, by those names. Raises BenchError for a target
    that the weather says nothing of.
    """
    sources: dict[tuple[str, ...], Source] = {}
    sites: dict[str, Site] = {}
    for target in targets:
        if target.path in sites:
            continue
        named = str(target.override.get("model") or model)
        identity, told = _found(weather, target, named)
        if target.path in apart:
            identity = f"{identity}@{apart[target.path]}"
        account = (identity, target.url, *(f"{k}:{v}" for k, v in sorted(target.headers.items())))
        if account not in sources:
            sources[account] = _source(weather, target, identity, named, told, load, seed)
        price = told.price if told is not None else None
        name = TargetName(target.path, target.provider, named)
        rate = rate_of(target.provider, named, price)
        sites[target.path] = Site(len(sites), name, identity, sources[account], rate)
    return sites


def _found(weather: Weather, target: Target, model: str) -> tuple[str, ProviderModel | None]:
    identity = f"{target.provider}/{model}"
    if (found := weather.model(target.path, target.provider, model)) is not None:
        return found
    if weather.recorded(target.provider, model) is not None:
        return identity, None
    known = sorted({f"{provider}/{name}" for provider, name in weather.recording})
    seen = f"the recording has attempts at {', '.join(known)} alone" if known else "it has no '*'"
    raise BenchError(
        f"{target.path}: weather {weather.name!r} says nothing of {identity}: {seen}; "
        f"add a model of it to a weather file's providers"
    )


def _source(
    weather: Weather,
    target: Target,
    identity: str,
    model: str,
    told: ProviderModel | None,
    load: Load,
    seed: int,
) -> Source:
    recorded = weather.recorded(target.provider, model)
    if recorded is not None:
        return RecordedState(recorded)
    if told is None:
        raise AssertionError(identity)
    if told.script:
        return ScriptState(told.script)
    luck, sky = key_of(seed, "luck", identity), key_of(seed, "weather", identity)
    return ModelState(told, luck, sky, load)


def unpriced(sites: Iterable[Site]) -> Iterator[str]:
    """Say of each model that has no price that its cost counts as nothing."""
    names = {f"{s.name.provider}/{s.name.model}": None for s in sites if s.rate is None}
    for name in names:
        yield (
            f"no price is known for {name}, so its cost counts as 0; "
            f"give one in a weather file's providers (price)"
        )
