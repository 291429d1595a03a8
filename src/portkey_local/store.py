"""Writes what the home folder keeps: the keys of virtual keys, and named configs.

Ground rules: a file is written beside the old one and then takes its place, so an interrupted
command leaves the old one whole; writers take turns by a lock, so that none loses what another
added; only the user can read any of it. A file that the user edits keeps its comments and order.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from portkey_local.home import read_keys

__all__ = ["add_key", "remove_config", "remove_key", "write_config"]

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def add_key(path: Path, name: str, fields: Mapping[str, Any]) -> None:
    """Write the table of a virtual key, in place of one of the same name."""
    import tomlkit

    with _turn(path):
        document = _document(path)
        table = tomlkit.table()
        table.update(fields)
        if name not in document and len(document):
            document.add(tomlkit.nl())
        document[name] = table
        replace_file(path, tomlkit.dumps(document))


def remove_key(path: Path, name: str) -> None:
    """Delete the table of a virtual key."""
    import tomlkit

    with _turn(path):
        document = _document(path)
        document.remove(name)
        replace_file(path, tomlkit.dumps(document))


def _document(path: Path) -> Any:
    """Return the file as it is written. Raises ConfigError where it cannot be read."""
    import tomlkit

    read_keys(path)  # which says what is wrong with it, and where
    return tomlkit.parse(path.read_text("utf-8-sig")) if path.exists() else tomlkit.document()


def write_config(path: Path, config: object) -> None:
    """Write a named config."""
    with _turn(path):
        replace_file(path, json.dumps(config, ensure_ascii=False, indent=2) + "\n")


def remove_config(path: Path) -> None:
    """Delete a named config."""
    path.unlink()


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all; a link goes on leading to it."""
    path = path.resolve()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(FILE_MODE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Make the folder, and keep other writers out for the time of the block."""
    for folder in (path.parent.parent, path.parent):  # parents would get the system's own mode
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    lock = path.parent / ".lock"
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, FILE_MODE)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)  # which ends the lock


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:
        return  # a system without such locks: the last writer wins
    fcntl.flock(descriptor, fcntl.LOCK_EX)
