"""The places where questions are kept: one suite for both, and what the disk's has besides."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from portkey_local.caches import questions_on_disk
from portkey_local.caches.disk import DiskCache
from portkey_local.caches.questions import MemoryQuestions, Question
from portkey_local.caches.questions_on_disk import DiskQuestions

SCOPES = [b"a", b"b"]


def question(key: int = 1, scope: bytes = b"a", text: str = "Why?", **given: float) -> Question:
    times = {"created": 0.0, "until": 60.0, **given}
    return Question(scope, bytes([key]) * 32, text, b"\0" * 8, **times)


def unexpected(error: Exception) -> None:
    raise AssertionError(error)


@pytest.fixture(params=["memory", "disk"])
def questions(request, tmp_path):
    place = MemoryQuestions() if request.param == "memory" else DiskQuestions(tmp_path / "c")
    yield place
    place.close()


def kept(place: Any) -> list[bytes]:
    return list(place.keys())


def told(found: Any) -> list[tuple[bytes, str]]:
    """What was found, once for each key: what is being written may come twice."""
    return sorted({each.key: each.text for each in found}.items())


def test_a_question_is_found_at_once_in_its_scope_alone(questions):
    questions.add(question(1), unexpected)
    questions.add(question(2, b"b", "How?"), unexpected)
    assert told(questions.since(b"a", 0)) == [(b"\1" * 32, "Why?")]
    assert told(questions.since(b"b", 0)) == [(b"\2" * 32, "How?")]
    assert told(questions.since(b"c", 0)) == []


def test_only_what_is_new_comes_after_a_number(questions):
    questions.add(question(1), unexpected)
    questions.flush()
    [first] = questions.since(b"a", 0)
    questions.add(question(2, text="How?"), unexpected)
    questions.flush()
    [second] = questions.since(b"a", first.number)
    assert (second.text, second.number > first.number) == ("How?", True)
    assert not questions.since(b"a", second.number)
    questions.add(question(1, until=120.0), unexpected)
    questions.flush()
    [again] = questions.since(b"a", second.number)
    assert (again.text, again.until) == ("Why?", 120.0)
    assert len(questions.since(b"a", 0)) == 2


def test_numbers_go_on_where_the_file_begins_anew(tmp_path):
    place = DiskQuestions(tmp_path / "c")
    place.add(question(1), unexpected)
    place.flush()
    [first] = place.since(b"a", 0)
    place.close()
    shutil.rmtree(tmp_path / "c")
    place.add(question(2), unexpected)
    place.flush()
    [second] = place.since(b"a", first.number)
    assert second.key == b"\2" * 32
    place.close()


@pytest.mark.parametrize("opened", [True, False], ids=["while open", "before"])
def test_a_broken_file_is_no_reason_to_delete_nothing(tmp_path, opened):
    cache = DiskCache(tmp_path / "c")
    cache.put(b"k", b"{}\nvalue", 0.0, 60.0, unexpected)
    cache.questions.add(question(1), unexpected)
    cache.flush()
    for remove in (lambda: cache.remove(cache.rows()), cache.clear):
        if not opened:
            cache.close()
        for path in (tmp_path / "c").glob("questions.db*"):
            path.write_bytes(b"garbage " * 2000)
        cache.put(b"k", b"{}\nvalue", 0.0, 60.0, unexpected)
        assert remove() == 1
        assert cache.questions.keys() == []
    cache.close()


def test_what_is_no_text_of_unicode_s_is_kept_as_it_is(questions):
    odd = "half a pair \ud800, a null \0, and \U0001f600"
    questions.add(question(1, text=odd), unexpected)
    questions.flush()
    assert [each.text for each in questions.since(b"a", 0)] == [odd]


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_of_too_many_the_oldest_go_and_so_do_those_whose_time_is_over(kind, tmp_path, monkeypatch):
    limit: dict[str, Any] = {"max_questions": 3}
    place: Any
    if kind == "memory":
        monkeypatch.setattr("portkey_local.caches.questions.SWEEP", 1)
        place = MemoryQuestions(**limit)
    else:
        monkeypatch.setattr(questions_on_disk, "SWEEP", 1)
        place = DiskQuestions(tmp_path / "c", **limit)
    for key in range(6):
        place.add(question(key), unexpected)
        place.flush()
    assert sorted(key[0] for key in kept(place)) == [3, 4, 5]
    place.add(question(7, created=100.0, until=160.0), unexpected)
    place.flush()
    assert [key[0] for key in kept(place)] == [7]
    place.close()


class Kept(RuleBasedStateMachine):
    """Either place, against a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[bytes, Question] = {}
        self.folder = Path(tempfile.mkdtemp())

    @initialize(disk=st.booleans())
    def begin(self, disk: bool) -> None:
        self.place: Any = DiskQuestions(self.folder) if disk else MemoryQuestions()
        self.disk = disk

    @rule(key=st.integers(0, 5), scope=st.sampled_from(SCOPES), text=st.sampled_from("xyz"))
    def add(self, key: int, scope: bytes, text: str) -> None:
        each = question(key, scope, text)
        self.model[each.key] = each
        self.place.add(each, unexpected)

    @rule(keys=st.lists(st.integers(0, 5), max_size=3))
    def remove(self, keys: list[int]) -> None:
        for key in keys:
            self.model.pop(bytes([key]) * 32, None)
        self.place.remove([bytes([key]) * 32 for key in keys])
        self.place.flush()

    @rule()
    def clear(self) -> None:
        self.model.clear()
        self.place.clear()

    @rule()
    def reopen(self) -> None:
        if self.disk:
            self.place.close()
            self.place = DiskQuestions(self.folder)

    @invariant()
    def what_is_kept_is_found(self) -> None:
        if not hasattr(self, "place"):
            return
        self.place.flush()
        for scope in SCOPES:
            expected = [each for each in self.model.values() if each.scope == scope]
            assert told(self.place.since(scope, 0)) == told(expected)

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.close()
        shutil.rmtree(self.folder, ignore_errors=True)


TestKept = Kept.TestCase
TestKept.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


# --- on disk


def test_nothing_is_made_before_there_is_something_to_keep(tmp_path):
    place = DiskQuestions(tmp_path / "c")
    assert not place.since(b"a", 0)
    place.remove([])
    place.clear()
    place.close()
    assert not (tmp_path / "c").exists()


def test_a_folder_that_cannot_be_used_is_told_and_the_question_forgotten(tmp_path):
    (tmp_path / "file").write_text("")
    place = DiskQuestions(tmp_path / "file" / "c")
    failures: list[Exception] = []
    place.add(question(), failures.append)
    place.flush()
    assert [type(error) for error in failures] == [NotADirectoryError]
    assert not place.since(b"a", 0)
    place.close()


def test_what_a_killed_process_has_written_is_there(tmp_path):
    script = f"""
        import os, signal
        from portkey_local.caches.questions import Question
        from portkey_local.caches.questions_on_disk import DiskQuestions
        place = DiskQuestions({str(tmp_path / "c")!r})
        for key in range(200):
            each = Question(b"a", bytes([key]) * 32, "Why?", b"x" * 8, 0.0, 60.0)
            place.add(each, print)
            if key == 99:
                place.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True
    )
    assert done.returncode == -9
    place = DiskQuestions(tmp_path / "c")
    found = {key[0] for key in kept(place)}
    assert found >= set(range(100))
    assert found == set(range(len(found)))  # in their order, none left out
    place.close()
