"""Which places a config has: those of its schema, in the lists and objects that it wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from portkey_local.bench.naming import BenchError
from portkey_local.config.models import (
    Cache,
    CircuitBreaker,
    Condition,
    Config,
    Retry,
    StickySession,
    Strategy,
)
from portkey_local.query import nearest

__all__ = ["check_place"]

MODELS: Final[Mapping[str, type[Any]]] = {
    "strategy": Strategy,
    "conditions": Condition,
    "cb_config": CircuitBreaker,
    "sticky_session": StickySession,
    "retry": Retry,
    "cache": Cache,
    "targets": Config,
}
FREE: Final = frozenset({"override_params", "query"})  # any names below them
GROUPS: Final = frozenset({"strategy", "retry", "cache", "cb_config", "sticky_session"})


def check_place(place: Sequence[str | int], config: Mapping[str, Any], what: str) -> None:
    """Raise BenchError where a config can have no such field, with the nearest that it can."""
    model: type[Any] = Config
    here: Any = config
    for at, part in enumerate(place):
        if isinstance(part, int):
            _check_index(part, here, what, place[:at])
            here = here[part]
            continue
        if part not in model.model_fields:
            raise BenchError(f"{what}: {_unknown(part, place[:at], model, config)}")
        here = here.get(part) if isinstance(here, Mapping) else None
        if part in FREE:
            _check_free(place, at, here, what)
            return
        rest = place[at + 1 :]
        if rest and part not in MODELS:
            raise BenchError(f"{what}: {_told(place[: at + 1])} is a value and has no fields")
        if rest and isinstance(rest[0], str) and part not in GROUPS:
            raise BenchError(f"{what}: say which one, as in {_told(place[: at + 1])}[0]")
        model = MODELS.get(part, Config)
    if isinstance(place[-1], int) or place[-1] == "targets":
        raise BenchError(f"{what}: name a field of it, as in {_told(place)}.weight")


def _check_free(place: Sequence[str | int], at: int, here: Any, what: str) -> None:
    """Look below a field with any names: what is there already must be an object or a list."""
    for deeper, part in enumerate(place[at + 1 :], at + 1):
        if isinstance(part, int):
            _check_index(part, here, what, place[:deeper])
            here = here[part]
        elif here is None or isinstance(here, Mapping):
            here = (here or {}).get(part)
        else:
            raise BenchError(f"{what}: {_told(place[:deeper])} is a value and has no fields")


def _check_index(index: int, here: Any, what: str, above: Sequence[str | int]) -> None:
    count = len(here) if isinstance(here, list | tuple) else 0
    if index >= count:
        raise BenchError(
            f"{what}: {_told(above)} has {count} entries, and the first is {_told(above)}[0]"
            if count
            else f"{what}: the config has no {_told(above)}"
        )


def _unknown(
    part: str, above: Sequence[str | int], model: type[Any], config: Mapping[str, Any]
) -> str:
    near = nearest(part, model.model_fields)
    if near is None:
        # Perhaps a field of some other part: `attempts` is `retry.attempts`.
        near = next((f"{owner}.{part}" for owner in GROUPS if part in _fields(owner)), None)
    if near is None:
        some = sorted(set(_written(config)) or model.model_fields)
        return f"{_told([*above, part])} is no field of a config; this one has {', '.join(some)}"
    return f"{_told([*above, part])} is no field of a config; did you mean {_told([*above, near])}?"


def _fields(owner: str) -> Iterable[str]:
    return tuple(MODELS[owner].model_fields)


def _written(config: Mapping[str, Any]) -> Iterable[str]:
    return (name for name in config if name in Config.model_fields)


def _told(place: Sequence[str | int]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")
