"""What `--vary` says: a field of the config, and the values to try in it.

retry.attempts=0..4             every whole number
targets[0].weight=0.1..0.9      a range of numbers
request_timeout=2000..30000:4   four of a range, evenly in ratio where it spans a tenfold
strategy.mode=single,fallback   a choice of words, numbers or JSON
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from portkey_local.bench.naming import BenchError
from portkey_local.bench.search.fields import check_place

__all__ = ["Choice", "Range", "Vary", "applied", "parse_vary"]

Place: TypeAlias = tuple[str | int, ...]

LEVELS: Final = 5  # of a range of decimals, on a grid
MOST_LEVELS: Final = 1000
TENFOLD: Final = 10
LONGEST: Final = 2000
LONGEST_SHOWN: Final = 60
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
INDEX: Final = re.compile(r"\[(\d{1,4})\]")
NUMBER: Final = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?"
RANGE: Final = re.compile(rf"({NUMBER})\.\.({NUMBER})(?::(\d{{1,6}}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included; `levels` of them on a grid."""

    low: float
    high: float
    whole: bool
    levels: int

    def grid(self) -> tuple[Any, ...]:
        """Return the values to try one by one."""
        if self.levels == 1:
            return (self.at(0.0),)
        values = (self.at(index / (self.levels - 1)) for index in range(self.levels))
        return tuple(dict.fromkeys(values))

    def at(self, share: float) -> float | int:
        """Return the value at a share of the way, by ratio where the range spans a tenfold."""
        if self.low > 0 and self.high / self.low >= TENFOLD:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        value = min(self.high, max(self.low, value))
        return round(value) if self.whole else float(f"{value:.4g}")


@dataclass(frozen=True, slots=True)
class Choice:
    """Values to choose from, of any kind."""

    values: tuple[Any, ...]

    def grid(self) -> tuple[Any, ...]:
        """Return the values."""
        return self.values

    def at(self, share: float) -> Any:
        """Return the value at a share of the way through the list."""
        return self.values[min(len(self.values) - 1, int(share * len(self.values)))]


@dataclass(frozen=True, slots=True)
class Vary:
    """A field to vary: its place in the config, as it was written, and what to try there."""

    name: str
    place: Place
    values: Range | Choice


def parse_vary(text: str, config: Mapping[str, Any]) -> Vary:
    """Read one `--vary`. Raises BenchError that names the nearest field of the config.

    >>> parse_vary("retry.attempts=0..4", {}).values.grid()
    (0, 1, 2, 3, 4)
    """
    name, equals, told = text.partition("=")
    if not equals or not name.strip() or not told.strip() or len(text) > LONGEST:
        raise BenchError(
            f"--vary {_short(text)}: give FIELD=VALUES, such as 'retry.attempts=0..4',"
            " 'targets[0].weight=0.1..0.9' or 'strategy.mode=single,fallback'"
        )
    place = _place(name.strip().removeprefix("config."))
    check_place(place, config, f"--vary {_short(name.strip())}")
    return Vary(name.strip().removeprefix("config."), place, _values(told.strip(), text))


def _place(name: str) -> Place:
    parts: list[str | int] = []
    at = 0
    while at < len(name):
        index = INDEX.match(name, at)
        if index and parts:
            parts.append(int(index[1]))
            at = index.end()
            continue
        at += bool(parts) and name[at] == "."
        word = NAME.match(name, at)
        if word is None or (parts and name[at - 1] != "."):
            raise BenchError(
                f"--vary {_short(name)}: the field cannot be read from"
                f" {_short(name[at:] or name)}; write 'targets[0].retry.attempts'"
            )
        parts.append(word[0])
        at = word.end()
    return tuple(parts)


def _values(told: str, text: str) -> Range | Choice:
    found = RANGE.fullmatch(told)
    if found is not None:
        return _range(found, text)
    if ".." in told and not told.startswith(("[", "{", '"')):
        raise BenchError(f"--vary {_short(text)}: a range is two numbers, as in '0.1..0.9'")
    values = tuple(_value(part) for part in _split(told))
    kept = [each for index, each in enumerate(values) if not _among(each, values[:index])]
    return Choice(tuple(kept))


def _range(found: re.Match[str], text: str) -> Range:
    low, high = float(found[1]), float(found[2])
    whole = all(part.lstrip("+-").isdigit() for part in (found[1], found[2]))
    if not (math.isfinite(low) and math.isfinite(high)) or high < low:
        raise BenchError(f"--vary {_short(text)}: a range goes from the lower to the higher number")
    usual = int(high - low) + 1 if whole and high - low < MOST_LEVELS else LEVELS
    if low == high:
        usual = 1
    levels = usual if found[3] is None else int(found[3])
    if not 1 <= levels <= MOST_LEVELS:
        raise BenchError(f"--vary {_short(text)}: between 1 and {MOST_LEVELS:,} values, after ':'")
    return Range(low, high, whole, levels)


def _split(told: str) -> list[str]:
    """Split at commas that are not within brackets or quotes."""
    parts, depth, quoted, begin = [], 0, False, 0
    for at, sign in enumerate(told):
        if sign == '"' and told[at - 1 : at] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (sign in "[{") - (sign in "]}")
        if sign == "," and not quoted and depth == 0:
            parts.append(told[begin:at])
            begin = at + 1
    return [each.strip() for each in [*parts, told[begin:]] if each.strip()]


def _value(part: str) -> Any:
    try:
        return json.loads(part, parse_constant=lambda _: part)
    except (ValueError, RecursionError):
        return part


def _among(value: Any, others: Sequence[Any]) -> bool:
    return any(value == other and type(value) is type(other) for other in others)


def applied(config: Mapping[str, Any], values: Sequence[tuple[Place, Any]]) -> dict[str, Any]:
    """Return the config's JSON with values at places; objects that are missing are made."""
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    for place, value in values:
        owner: Any = changed
        for part in place[:-1]:
            if isinstance(part, str) and owner.get(part) is None:
                owner[part] = {}
            if part == "cache" and isinstance(owner[part], str):
                owner[part] = {"mode": owner[part]}  # the short form
            owner = owner[part]
        owner[place[-1]] = copy.deepcopy(value)
    return changed


def _short(text: str) -> str:
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return repr(shown)
