"""The README's snippets run, against a provider on loopback that stands for all of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.staging import blocks_of, on_loopback

from portkey_local.testing import Loopback

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = blocks_of(README)
PYTHON = [text for language, text in BLOCKS if language == "python"]


@pytest.fixture
def stage(
    provider: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Loopback]:
    """Let every provider the README names live on loopback, with keys as the README has them."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "keys.toml").write_text(next(text for language, text in BLOCKS if language == "toml"))
    with on_loopback(provider, monkeypatch):
        yield provider


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_snippet(number: int, stage: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each Python block of the README runs by itself, the imports of the earlier ones given."""
    import portkey_local

    source = PYTHON[number].replace("https://llm.example.com/v1", stage.target("house"))
    source = source.replace("https://api.groq.com/openai/v1", stage.target("groq"))
    names = {name: getattr(portkey_local, name) for name in portkey_local.__all__}
    exec(compile(source, f"README block {number}", "exec"), names)
    client = names.get("client")
    if isinstance(client, portkey_local.Portkey):
        client.close()
    if ".create(" in source and "except GuardrailDenied" not in source:
        assert stage.received, "the snippet asked a provider"


def test_the_error_it_shows_is_the_error_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The message in the README is what the snippet before it prints."""
    index = next(i for i, (_, text) in enumerate(BLOCKS) if "falback" in text)
    exec(compile(BLOCKS[index][1], "README", "exec"), {})
    assert capsys.readouterr().out.strip() == BLOCKS[index + 1][1].strip()


def test_every_event_is_in_the_table() -> None:
    """The README's table of events names what the source emits, and nothing else."""
    source = Path(__file__).resolve().parents[1] / "src" / "portkey_local"
    kinds = "attempt|cache|circuit|condition|fallback|guardrail|parameters|retry|stream|target"
    pattern = re.compile(rf'"((?:{kinds})\.\w+|timeout)"')
    kernel = [source / "strategies", source / "policies", source / "drivers"]
    emitted = {
        name
        for folder in kernel
        for file in folder.glob("*.py")
        for name in pattern.findall(file.read_text())
    }
    table = README.read_text().split("| event | when |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([\w.]+)`", table, re.MULTILINE)) == emitted
