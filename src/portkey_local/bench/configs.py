"""The configs of a comparison: files, ids and examples, each with a name of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from portkey_local.config import load
from portkey_local.errors import ConfigError
from portkey_local.query import nearest
from portkey_local.report.hiding import hidden

__all__ = ["EXAMPLES", "example", "named_configs", "shown_config"]

EVERY: Final = "examples"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# From the plainest to the most elaborate; this is the order of their tables, too.
EXAMPLES: Final = (
    "single",
    "loadbalance",
    "fallback",
    "retry-fallback",
    "fallback-breaker",
    "cache-in-front",
)


def example(name: str) -> dict[str, Any]:
    """Return the config of an example.

    >>> example("fallback")["strategy"]
    {'mode': 'fallback'}
    """
    place = files("portkey_local.bench.examples").joinpath(f"{name}.json")
    found: dict[str, Any] = json.loads(place.read_text("utf-8"))
    return found


def named_configs(sources: Sequence[str], configs_dir: Path) -> dict[str, Any]:
    """Return the configs that are meant, by names that tell them apart.

    A source is a file, the id of a stored config, an example's name, or `examples` for all of
    them; a file counts before an id, and an id before an example. Raises ConfigError, with the
    source's name, for one that is none of these.
    """
    found: dict[str, Any] = {}
    for source in sources:
        for name, config in _meant(source, configs_dir):
            found[_free(name, found)] = config
    return found


def _meant(source: str, configs_dir: Path) -> list[tuple[str, Any]]:
    path = Path(source)
    stored = configs_dir / f"{source}.json"
    if not path.is_file() and not stored.is_file():
        if source == EVERY:
            return [(name, example(name)) for name in EXAMPLES]
        if source in EXAMPLES:
            return [(source, example(source))]
        if NAME.fullmatch(source):
            raise ConfigError(source, _unknown(source, configs_dir))
    try:
        config = load(source, configs_dir=configs_dir)
    except ConfigError as error:
        (first, *others) = ((f"{source}: {path}", text) for path, text in error.problems)
        raise ConfigError(*first, *others) from None
    return [(path.stem if path.is_file() else source, config)]


def _unknown(name: str, configs_dir: Path) -> str:
    near = nearest(name, [*EXAMPLES, EVERY, *(path.stem for path in configs_dir.glob("*.json"))])
    hint = f"; did you mean {near!r}?" if near else ""
    return f"is no file, no id in {configs_dir}, and no example ({', '.join(EXAMPLES)}){hint}"


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """Return a name that is not taken: two files may have one name in two folders."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free


def shown_config(config: Any) -> Any:
    """Return a config's JSON as a report shows it: without anything that may be a key."""
    return hidden(load(config, quiet=True).model_dump(mode="json", exclude_unset=True))
