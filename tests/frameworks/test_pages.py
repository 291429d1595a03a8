"""The pages on frameworks run as they are written, with the real packages, against loopback.

Every page goes through its sections twice: with all providers up, and with the first one down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.frameworks.conftest import PACKAGES, version_of
from tests.frameworks.models import Model
from tests.staging import on_loopback

from portkey_local.testing import Loopback

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "frameworks"
FIRST, SECOND = "openai", "groq"

pytestmark = pytest.mark.filterwarnings("ignore")  # of the frameworks, which are not ours to mend


def plain(told: dict[str, Any]) -> None:
    assert told["answer"] == "Hello from here"


def stream(told: dict[str, Any]) -> None:
    words = [word for word in told["words"] if word]
    assert len(words) > 1
    assert "".join(words) == "Hello from here"


def tools(told: dict[str, Any]) -> None:
    assert "sunny in Oslo" in told["answer"]


def structured(told: dict[str, Any]) -> None:
    city = told["city"]
    assert type(city).__name__ == "City"
    assert (city.name, city.country) == ("Oslo", "Norway")


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "Plain": plain,
    "Stream": stream,
    "Tools": tools,
    "Structured output": structured,
}


@pytest.fixture
def model(provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """The model that every provider of the table serves."""
    made = Model()
    provider.reset(made)
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with on_loopback(provider, monkeypatch):
        yield made


def sections(page: str) -> dict[str, str]:
    """Return the code of a page by the headings it stands below; "" is before the first."""
    text = (FOLDER / f"{page}.md").read_text()
    _, *parts = re.split(r"^#{1,2} (.*)\n", text, flags=re.MULTILINE)
    titles = ["", *parts[2::2]]
    blocks = [
        re.findall(r"^```python\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
        for part in parts[1::2]
    ]
    return {title: "\n".join(block) for title, block in zip(titles, blocks, strict=True) if block}


@pytest.mark.parametrize("down", [False, True], ids=["first", "failover"])
@pytest.mark.parametrize("page", PACKAGES)
def test_page(page: str, down: bool, model: Model, provider: Loopback) -> None:
    if version_of(PACKAGES[page]) is None:
        pytest.skip(f"{PACKAGES[page]} is not installed; `nox -s frameworks` has it")
    if down:
        model.down = {FIRST}
    names: dict[str, Any] = {"__name__": "page"}
    code = sections(page)
    assert list(code) == ["", *CHECKS]
    for title, block in code.items():
        before = len(provider.received)
        exec(compile(block, f"{page}.md: {title or 'setup'}", "exec"), names)
        asked = [received.target for received in provider.received[before:]]
        if title:
            CHECKS[title](names)
            assert asked, "a provider was asked"
        assert set(asked) <= ({FIRST, SECOND} if down else {FIRST})
        assert not down or asked[::2] == [FIRST] * len(asked[1::2])
        assert not down or asked[1::2] == [SECOND] * len(asked[::2])


def test_the_table_has_every_page() -> None:
    """The table of frameworks names each page and each package, and what is tested of it."""
    table = (FOLDER / "README.md").read_text()
    rows = re.findall(r"^\| \[.*?\]\((.*?)\.md\) \| `(.*?)` .*?\|$", table, re.MULTILINE)
    assert dict(rows) == PACKAGES
    assert {page.stem for page in FOLDER.glob("*.md")} == {*PACKAGES, "README"}
