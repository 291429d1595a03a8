"""Where this library keeps its things on this machine: named configs, and the keys of virtual keys.

    $PORTKEY_LOCAL_HOME, or the user's config folder
        keys.toml        a table for each virtual key: provider, api_key (or keyring = true, where
                         the operating system's keyring has it), other fields of a target
        configs/ID.json  a config that can be named by its id

Ground rules: files are read when asked for and not kept, and no message ever holds a value from
keys.toml, nor a parser's exception that does. Nothing is written here: `store` does that.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Final

from portkey_local.errors import ConfigError, looks_secret

__all__ = ["configs_dir", "home", "keys_file", "read_keys"]

VARIABLE: Final = "PORTKEY_LOCAL_HOME"
_POSITION = re.compile(r"\(at line (\d+), column (\d+)\)")


def home() -> Path:
    """Give the folder of this library's files; it need not exist."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    # Loaded here, because most programs name their folder or need none.
    from platformdirs import user_config_path

    return user_config_path("portkey-local", appauthor=False)


def configs_dir() -> Path:
    """Give the folder that config ids are looked up in."""
    return home() / "configs"


def keys_file() -> Path:
    """Give the file that virtual keys are looked up in."""
    return home() / "keys.toml"


def read_keys(path: Path) -> dict[str, dict[str, object]]:
    """Read the virtual keys of a file, by name; a file that does not exist holds none."""
    text = _text(path)
    tables = _parsed(text, path)
    for name, table in tables.items():
        wrong = _wrong_with(table)
        if wrong is not None:
            raise _refusal(path, name, _line_of(name, text), wrong)
    return {name: table for name, table in tables.items() if isinstance(table, dict)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        message = "is not UTF-8 text"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    raise ConfigError(str(path), message)


def _parsed(text: str, path: Path) -> dict[str, object]:
    # The parser's words are not passed on, for some of them quote the file; its position is enough.
    try:
        return tomllib.loads(text)
    except (RecursionError, ValueError) as error:
        position = _POSITION.search(str(error))
    line, column = (int(group) for group in position.groups()) if position else (_last(text), 1)
    message = f"not valid TOML at column {column}; strings need quotes, each name its own line"
    raise _refusal(path, _table_at(line, text), line, message)


def _last(text: str) -> int:
    return max(1, len(text.splitlines()))


def _wrong_with(table: object) -> str | None:
    if not isinstance(table, dict):
        return "must be a table of its own, with provider and api_key below it"
    provider, key = table.get("provider"), table.get("api_key", "")
    if not isinstance(provider, str) or not provider:
        return 'needs a provider, a string such as provider = "openai"'
    return None if isinstance(key, str) else "api_key must be a string"


def _refusal(path: Path, table: str | None, line: int | None, message: str) -> ConfigError:
    where = str(path) if line is None else f"{path}, line {line}"
    named = "" if table is None else "[name hidden] " if looks_secret(table) else f"[{table}] "
    return ConfigError(where, named + message)


def _line_of(name: str, text: str) -> int | None:
    start = re.compile(rf"""\s*\[?\s*(["']?){re.escape(name)}\1\s*[\].=]""")
    return next(
        (number for number, line in enumerate(text.splitlines(), 1) if start.match(line)), None
    )


def _table_at(line: int, text: str) -> str | None:
    # Bare names only: a quoted one may as well be a line of a list, and so a value.
    headers = [re.match(r"\s*\[\s*([A-Za-z0-9_.-]+)\s*\]", row) for row in text.splitlines()[:line]]
    names = [header[1] for header in headers if header]
    return names[-1] if names else None
