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
from portkey_local.bench.weather.recorded import RecordedAttempt, RecordedState
from portkey_local.bench.weather.scripted import ScriptState
from portkey_local.model import EMPTY, Target

__all__ = ["Site", "sites_of", "unpriced"]

FREE = Rate(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Site:
    """A target in a run.

    An `identity` is a provider's model: a call that tries it twice draws twice. Targets of one
    provider and host have one weather, those of one account share their source, with its limits.
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
        name = TargetName(target.path, target.provider, named)
        place = _place(weather, target, named, apart.get(target.path, ""))
        account = (place.luck, place.sky, *(f"{k}:{v}" for k, v in sorted(target.headers.items())))
        if account not in sources:
            sources[account] = _source(place, load, seed)
        rate = rate_of(target.provider, named, place.told.price if place.told else None)
        sites[target.path] = Site(len(sites), name, place.luck, sources[account], rate)
    return sites


@dataclass(frozen=True, slots=True)
class _Place:
    """What a target's luck and weather go by, and what is told or recorded of it."""

    luck: str
    sky: str
    told: ProviderModel | None
    recorded: list[RecordedAttempt] | None


def _place(weather: Weather, target: Target, model: str, apart: str) -> _Place:
    """Return the place of a target. Raises BenchError where nothing is known of it."""
    provider, path = target.provider, target.path
    luck, sky = f"{provider}/{model}{apart}", f"{provider} {target.url}{apart}"
    recorded = weather.recorded(provider, model)
    found = weather.model(path, provider, model)
    if found is None and recorded is None:
        raise BenchError(_unknown(weather, path, luck))
    if found is not None and found[0] not in (provider, "*"):  # it is told of by itself
        sky = found[0]
        luck = path if sky == path else luck
    return _Place(luck, sky, None if found is None else found[1], recorded)


def _unknown(weather: Weather, path: str, identity: str) -> str:
    known = ", ".join(sorted("/".join(names) for names in weather.recording))
    seen = f"the recording has attempts at {known} alone" if known else "it has no '*'"
    return (
        f"{path}: weather {weather.name!r} says nothing of {identity}: {seen}; "
        f"add a model of it to a weather file's providers"
    )


def _source(place: _Place, load: Load, seed: int) -> Source:
    if place.recorded is not None:
        return RecordedState(place.recorded)
    if place.told is None:
        raise AssertionError(place.luck)
    if place.told.script:
        return ScriptState(place.told.script)
    luck, sky = key_of(seed, "luck", place.luck), key_of(seed, "weather", place.sky)
    return ModelState(place.told, luck, sky, load)


def unpriced(sites: Iterable[Site]) -> Iterator[str]:
    """Say of each model that has no price that its cost counts as nothing."""
    names = {f"{s.name.provider}/{s.name.model}": None for s in sites if s.rate is None}
    for name in names:
        yield (
            f"no price is known for {name}, so its cost counts as 0; "
            f"give one in a weather file's providers (price)"
        )
