"""Runs commands in this process, with a home of their own and no key in the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from portkey_local.cli import app
from portkey_local.providers.table import PROVIDERS

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in PROVIDERS.values():
        for variable in row.key_variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("portkey_local.keyrings.available", lambda: False)


@pytest.fixture
def run() -> Run:
    """Run a command; `typed` is its standard input."""

    def call(*arguments: str, typed: str | None = None) -> Any:
        return CliRunner().invoke(app, list(arguments), input=typed)

    return call


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder that the commands use."""
    return tmp_path / "home"
