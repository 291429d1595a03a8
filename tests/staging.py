"""Documentation as a test: its blocks run, while one loopback server stands for all providers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from portkey_local.providers import table
from portkey_local.testing import Loopback
from portkey_local.wrapping import calls

TABLES = ("compile", "compile.targets", "credentials", "providers.table", "wrapping.calls")


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Return the blocks of code of a page, each with its language."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@contextmanager
def on_loopback(provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every provider of the table live at a loopback server, by its name, with keys there."""
    rows = {
        name: replace(row, base_url=provider.target(name)) for name, row in table.PROVIDERS.items()
    }
    for module in TABLES:
        monkeypatch.setattr(f"portkey_local.{module}.PROVIDERS", rows)
    calls._addresses.cache_clear()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-readme")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.target("openai"))  # of the bare SDKs
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.target("anthropic"))
    monkeypatch.setenv("GROQ_API_KEY", "gsk-readme")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-the-readme")
    monkeypatch.setenv("GEMINI_API_KEY", "key-of-the-readme")
    yield
    calls._addresses.cache_clear()
