"""Where a config may come from, down to plain JSON: text, a file, an id in the configs folder, a
mapping.

Ground rules: what leaves this file is a fresh dict of dicts, lists and scalars that no caller
holds. Errors are raised outside the `except` that found them, so that no parser's exception, which
holds the whole text with its keys, hangs on ours as a context.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from portkey_local.config.problems import Location, Node, Problem, near, shown
from portkey_local.errors import ConfigError

__all__ = ["find_named", "is_name", "plain", "read_file", "read_text"]

ROOT: Final = "config"
DEEPEST: Final = 100
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_text(text: str, origin: str = "JSON text") -> object:
    """Parse JSON; a mistake is reported by line and column, without the text around it."""
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        message = (
            f"{origin} is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        )
    except _RepeatedFieldError as error:
        message = f"{origin}: field {error} is written twice in one object"
    except RecursionError:
        message = f"{origin} is nested too deeply"
    except ValueError:
        message = f"{origin} holds a number of too many digits"
    raise ConfigError(ROOT, message)


class _RepeatedFieldError(Exception):
    """A field that is written twice: JSON readers would silently drop the first."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedFieldError(next(shown(name) for name in names if names.count(name) > 1))
    return fields


def read_file(path: Path) -> object:
    """Read a config from a JSON file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        message = f"{path} is not UTF-8 text"
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
    except ValueError:
        message = "a file name must not contain a null character"
    else:
        return read_text(text, str(path))
    raise ConfigError(ROOT, message)


def is_name(text: str) -> bool:
    """Whether a text can name a stored config or a virtual key."""
    return _ID.match(text) is not None and ".." not in text


def find_named(name: str, configs_dir: Path | None) -> Path:
    """Find the file in the configs folder that holds the config of this id."""
    if not is_name(name):
        message = f"{shown(name)} is neither JSON text, nor a file that exists, nor a config id"
        raise ConfigError(ROOT, f"{message} (letters, digits, '-', '_' and '.')")
    if configs_dir is None:
        raise ConfigError(
            ROOT, f"{shown(name)} is not a file, and there is no configs folder to look it up in"
        )
    path = configs_dir / f"{name}.json"
    if not path.is_file():
        raise ConfigError(ROOT, _nowhere(name, configs_dir))
    return path


def _nowhere(name: str, configs_dir: Path) -> str:
    there = [path.stem for path in configs_dir.glob("*.json")] if configs_dir.is_dir() else []
    meant = near(name, there)
    guess = f"; did you mean '{meant}'?" if meant is not None else ""
    looked = f"looked for a file of this name here, and for {{id}}.json in {configs_dir}"
    return f"no config {shown(name)}; {looked}, which holds {len(there)} configs{guess}"


def plain(source: object) -> tuple[Node, list[Problem]]:
    """Copy a mapping down to plain JSON, and note what is not JSON."""
    if not isinstance(source, Mapping):
        raise ConfigError(ROOT, f"{_kind(source)}, not an object; a config begins with '{{'")
    problems: list[Problem] = []
    return dict(_fields(source, (), problems)), problems


def _fields(
    source: Mapping[Any, Any], location: Location, problems: list[Problem]
) -> Iterator[tuple[str, Any]]:
    for name, value in source.items():
        if isinstance(name, str) and not _SURROGATE.search(name):
            yield name, _copy(value, (*location, name), problems)
        else:
            problems.append(Problem(location, "field names must be strings of valid Unicode"))


def _copy(value: object, location: Location, problems: list[Problem]) -> object:
    if len(location) > DEEPEST:
        raise ConfigError(ROOT, f"nested more than {DEEPEST} deep, or an object that holds itself")
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return dict(_fields(value, location, problems))
    if isinstance(value, list | tuple):
        return [_copy(item, (*location, index), problems) for index, item in enumerate(value)]
    fault = _fault(value)
    if fault is None:
        return value
    problems.append(Problem(location, fault))
    return None


def _fault(value: object) -> str | None:
    match value:
        case str():
            return "a string that is not valid Unicode" if _SURROGATE.search(value) else None
        case float():
            return None if math.isfinite(value) else f"{value} is not a number that JSON knows"
        case int() | None:
            return None
        case _:
            return f"{_kind(value)} is not JSON"


def _kind(value: object) -> str:
    return f"a Python {type(value).__name__}"
