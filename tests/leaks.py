"""Watches a whole run for keys in the clear: in log records, exceptions, events and files.

A key counts from the moment a config with it is read, also where it is refused. What a test writes itself (keys.toml, JSON
and Python files) is left out; whatever the library writes is not.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import portkey_local.compile
from portkey_local.client import failures
from portkey_local.errors import ConfigError
from portkey_local.events import Guarded

loading: Any = importlib.import_module("portkey_local.config.load")  # its function hides it
WRITTEN_BY_TESTS = {".json", ".py", ".toml"}
LOGGERS = ("portkey_local", "openai", "httpx", "httpx2", "aiohttp")  # none is read by default
# Of a config that is refused, or drawn by chance, only what is surely a key is one.
BEGINNINGS = ("sk-", "gsk_")
SHORTEST = 12


class LeakWatch(logging.Handler):
    """Notes every text in which a known key stands."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.secrets: set[str] = set()
        self.seen = 0
        self.leaks: list[str] = []

    def look(self, kind: str, text: str) -> None:
        """Look at one text; what is noted of a leak does not hold the key."""
        self.seen += 1
        for secret in self.secrets:
            if secret in text:
                self.leaks.append(f"{kind}: {text.replace(secret, '[the key]')[:300]}")

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a log record."""
        if record.name.startswith("httpcore"):
            return  # at DEBUG it shows a provider's answer, which may echo a key: its user asked
        told = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            told += f"{error} {error!r} {getattr(error, '__notes__', '')}"
            error = error.__cause__ or error.__context__
        self.look("log record", told)

    def look_at_files(self, folder: Path) -> None:
        """Look at every file below a folder that the library may have written."""
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix not in WRITTEN_BY_TESTS:
                self.look(f"file {path.name}", path.read_bytes().decode(errors="replace"))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch everything that is compiled, logged, raised and reported in the block."""
        root = logging.getLogger()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(portkey_local.compile, "target_of", self._compiling())
            patch.setattr(loading, "plain", self._reading(loading.plain))
            patch.setattr(failures, "told", self._telling(failures.told))
            patch.setattr(ConfigError, "__init__", self._refusing(ConfigError.__init__))
            patch.setattr(Guarded, "__call__", self._reporting(Guarded.__call__))
            root.addHandler(self)
            levels = {name: logging.getLogger(name).level for name in LOGGERS}
            for name in LOGGERS:
                logging.getLogger(name).setLevel(logging.DEBUG)
            try:
                yield
            finally:
                root.removeHandler(self)
                for name, level in levels.items():
                    logging.getLogger(name).setLevel(level)

    def _compiling(self) -> Callable[..., Any]:
        original = portkey_local.compile.target_of

        def target_of(*arguments: Any) -> Any:
            target = original(*arguments)
            self.secrets.update(target.secrets)
            return target

        return target_of

    def _reading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def plain(source: Any) -> Any:
            document, problems = original(source)
            self.secrets.update(_keys_in(document))
            return document, problems

        return plain

    def _telling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def told(error: Exception, *arguments: Any) -> None:
            original(error, *arguments)
            self.look("exception", f"{error} {error!r}")

        return told

    def _refusing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(error: ConfigError, *arguments: Any) -> None:
            original(error, *arguments)
            self.look("exception", f"{error} {error!r}")

        return refuse

    def _reporting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def report(listener: Guarded, event: Any) -> None:
            self.look("event", repr(event.to_dict()))
            original(listener, event)

        return report


def _keys_in(source: Any) -> Iterator[str]:
    pairs = source.items() if isinstance(source, dict) else ()
    for name, value in pairs:
        if name == "api_key" and _surely_a_key(value):
            yield value
        for each in value if isinstance(value, list) else [value]:
            yield from _keys_in(each)


def _surely_a_key(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= SHORTEST and value.startswith(BEGINNINGS)
