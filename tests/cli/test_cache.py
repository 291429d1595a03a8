"""`portkey-local cache`: what a directory has, and what goes, while others use it."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from portkey_local import DiskCache
from portkey_local.caches.about import writer_of

DAY = 86_400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with three entries: of today, of yesterday, and of last week."""
    made = tmp_path / "cache"
    cache = DiskCache(made)
    now = time.time()
    rows = [("a", "gpt-4o", 0.0), ("a", "gpt-4o-mini", DAY), ("", "gpt-4o", 7 * DAY)]
    for number, (namespace, model, age) in enumerate(rows):
        said = {
            "namespace": namespace,
            "model": model,
            "created": now - age,
            "writer": writer_of(f"user {number}"),
            "trace_id": f"trace-{number}",
        }
        answer = [0, 0, 200, {}, {"id": number, "text": "sécret"}, None, False]
        value = json.dumps(said).encode() + b"\n" + json.dumps(answer).encode()
        cache.put(bytes([number]) * 32, value, now, 1e6, print)
    cache.close()
    return made


def names(run: Any, folder: Path, *options: str) -> list[Any]:
    told = run("cache", "ls", "--json", "--dir", str(folder), *options)
    assert told.exit_code == 0, told.output
    return [json.loads(line) for line in told.stdout.splitlines()]


def test_a_list_has_no_answers(run, folder):
    told = run("cache", "ls", "--dir", str(folder))
    assert told.exit_code == 0
    assert len(told.stdout.splitlines()) == 3
    assert "model=gpt-4o-mini" in told.stdout
    assert "1d ago" in told.stdout
    assert "cret" not in told.stdout
    assert [each["model"] for each in names(run, folder, "--namespace", "a")] == [
        "gpt-4o",
        "gpt-4o-mini",
    ]


def test_numbers(run, folder):
    told = json.loads(run("cache", "stats", "--json", "--dir", str(folder)).stdout)
    assert (told["entries"], told["models"]) == (3, {"gpt-4o": 2, "gpt-4o-mini": 1})
    shown = run("cache", "stats", "--dir", str(folder)).stdout
    assert "gpt-4o 2" in shown
    assert "7d ago" in shown


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--model", "gpt-4o"], ["gpt-4o-mini"]),
        (["--namespace", ""], ["gpt-4o", "gpt-4o-mini"]),
        (["--older-than", "36h"], ["gpt-4o", "gpt-4o-mini"]),
        (["--older-than", "0.5d", "--namespace", "a"], ["gpt-4o", "gpt-4o"]),
        (["--older-than", "60"], ["gpt-4o"]),
        (["--writer", "user 1"], ["gpt-4o", "gpt-4o"]),
        (["--writer", "trace-2"], ["gpt-4o", "gpt-4o-mini"]),
    ],
)
def test_what_fits_goes(run, folder, options, left):
    told = run("cache", "rm", "--dir", str(folder), *options)
    assert (told.exit_code, told.stdout) == (0, f"{3 - len(left)} deleted\n")
    assert [each["model"] for each in names(run, folder)] == left


def test_names_and_their_beginnings(run, folder):
    first, second, _ = (each["name"] for each in names(run, folder))
    told = run("cache", "rm", first[:8], second, "--dir", str(folder))
    assert told.stdout == "2 deleted\n"


def test_nothing_goes_unless_it_is_said_what(run, folder):
    for options in ([], ["--older-than", "yesterday"], ["--older-than", "-1d"]):
        assert run("cache", "rm", "--dir", str(folder), *options).exit_code in (1, 2)
    assert len(names(run, folder)) == 3


def test_everything_goes_after_a_question(run, folder):
    assert run("cache", "clear", "--dir", str(folder), typed="n\n").exit_code == 1
    assert len(names(run, folder)) == 3
    assert "3 deleted" in run("cache", "clear", "--dir", str(folder), typed="y\n").stdout
    assert run("cache", "clear", "--yes", "--dir", str(folder)).stdout == "0 deleted\n"


def test_an_export(run, folder, tmp_path):
    lines = run("cache", "export", "-", "--dir", str(folder), "--model", "gpt-4o").stdout
    assert [json.loads(line)["model"] for line in lines.splitlines()] == ["gpt-4o"] * 2
    assert "cret" not in lines
    file = tmp_path / "out.jsonl"
    told = run("cache", "export", str(file), "--bodies", "--dir", str(folder))
    assert told.stdout == f"3 written to {file}\n"
    assert json.loads(file.read_text().splitlines()[0])["answer"] == {"id": 0, "text": "sécret"}
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_no_bytes_of_ours_is_named(run, folder):
    base = sqlite3.connect(folder / "cache.db")
    with base:
        base.execute("update Cache set mode = 4 where rowid = 2")
    base.close()
    told = run("cache", "stats", "--dir", str(folder))
    assert "not read" in told.stdout
    assert "warning" in told.output
    assert "row-2" in run("cache", "ls", "--dir", str(folder)).stdout
    assert run("cache", "rm", "row-2", "--dir", str(folder)).stdout == "1 deleted\n"


def test_without_a_directory_it_says_which_to_give(run, folder, tmp_path):
    told = run("cache", "stats")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "--dir" in told.output
    told = run("cache", "clear", "--yes", "--dir", str(tmp_path / "nothing"))
    assert told.exit_code == 1
    assert "no cache directory" in " ".join(told.output.split())
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("secret", [None, b"", b"somebody else's"])
def test_a_directory_of_somebody_else_s_is_left_as_it_is(run, tmp_path, secret):
    other = sqlite3.connect(tmp_path / "cache.db")
    other.execute("create table theirs (a)")
    other.close()
    if secret is not None:
        (tmp_path / "secret").write_bytes(secret)
    tmp_path.chmod(0o755)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for command in (["ls"], ["stats"], ["clear", "--yes"], ["rm", "row-1"]):
        told = run("cache", *command, "--dir", str(tmp_path))
        assert told.exit_code == 1
        assert told.output.startswith("error:")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_directory_that_is_locked_is_a_line(run, folder, monkeypatch):
    monkeypatch.setattr(sys.modules["portkey_local.cli.cache"], "WAIT", 0.05)
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    other.execute("begin immediate")
    begun = time.monotonic()
    told = run("cache", "ls", "--dir", str(folder))
    other.close()
    assert told.exit_code == 1
    assert "locked" in told.output
    assert time.monotonic() - begun < 5


def test_a_broken_database_is_a_line_and_stays_where_it_is(run, folder):
    (folder / "cache.db").write_bytes(b"garbage " * 1000)
    for file in ("cache.db-wal", "cache.db-shm"):
        (folder / file).unlink(missing_ok=True)
    told = run("cache", "stats", "--dir", str(folder))
    assert told.exit_code == 1
    assert told.output.startswith("error:")
    assert (folder / "cache.db").read_bytes().startswith(b"garbage")


def test_an_interrupted_command_leaves_what_there_was(run, folder, monkeypatch):
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("portkey_local.caches.upkeep.delete", interrupted)
    told = run("cache", "rm", "--model", "gpt-4o", "--dir", str(folder))
    assert told.exit_code == 130
    assert len(names(run, folder)) == 3
