"""Watches a whole run for keys in the clear: in log records, exceptions, events and files.

A key counts from the moment a config with it is compiled. What a test writes itself (keys.toml, JSON
and Python files) is left out; whatever the library writes is not.
"""

from __future__ import annotations

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

WRITTEN_BY_TESTS = {".json", ".py", ".toml"}


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
        if record.exc_info and record.exc_info[1] is not None:
            told += repr(record.exc_info[1])
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
            patch.setattr(failures, "told", self._telling(failures.told))
            patch.setattr(ConfigError, "__init__", self._refusing(ConfigError.__init__))
            patch.setattr(Guarded, "__call__", self._reporting(Guarded.__call__))
            root.addHandler(self)
            try:
                yield
            finally:
                root.removeHandler(self)

    def _compiling(self) -> Callable[..., Any]:
        original = portkey_local.compile.target_of

        def target_of(*arguments: Any) -> Any:
            target = original(*arguments)
            self.secrets.update(target.secrets)
            return target

        return target_of

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
