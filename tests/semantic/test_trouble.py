"""What goes wrong or takes too long in the semantic tier costs a hit, and never a call."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.caches.worlds import Counting, said, status
from tests.semantic.worlds import (
    AGAIN,
    OTHER,
    RESET,
    Broken,
    Everything,
    Slow,
    ask,
    client,
    names,
)

from portkey_local import AsyncPortkey, DiskCache
from portkey_local.semantic import recalling
from portkey_local.testing import HashingEmbedder, Loopback

MISSED, SERVED = "SEMANTIC MISS", "SEMANTIC HIT"


@pytest.fixture
def world() -> Any:
    with Loopback(Counting()) as server:
        yield server


@pytest.fixture
def hurried(monkeypatch):
    """A tier that waits for nothing."""
    monkeypatch.setattr(recalling, "PATIENCE", 0.05)
    monkeypatch.setattr(recalling, "WARM_UP", 0.05)


def failures(events: list[Any]) -> list[str]:
    return [event.reason for event in events if event.name == "cache.failed"]


# --- the model


def test_a_model_that_is_slow_is_not_waited_for(world, hurried):
    events: list[Any] = []
    model = Slow()
    with client(world.target("a"), cache_embedder=model, on_event=events.append) as portkey:
        began = time.monotonic()
        answer = ask(portkey, RESET)
        assert time.monotonic() - began < 5
        assert status(answer) == "MISS"
        assert answer.get_cache_decision().reason == "no answer in time"
        assert [reason.partition(":")[0] for reason in failures(events)] == ["Late"]
        model.go.set()
        assert status(ask(portkey, RESET)) == "HIT"


@pytest.mark.anyio
async def test_nor_does_it_hold_up_an_event_loop(world, hurried):
    model = Slow()
    async with client(world.target("a"), AsyncPortkey, cache_embedder=model) as portkey:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while not model.go.is_set():
                turns += 1
                await anyio.sleep(0.001)

        async with anyio.create_task_group() as group:
            group.start_soon(turn)
            answer = await ask(portkey, RESET)
            model.go.set()
        assert answer.get_cache_decision().reason == "no answer in time"
        assert turns > 5


def test_a_model_that_fails_is_left_alone_after_a_few_times(world):
    events: list[Any] = []
    model = Broken()
    with client(world.target("a"), cache_embedder=model, on_event=events.append) as portkey:
        answers = [ask(portkey, f"{RESET} {number}") for number in range(6)]
        assert {status(each) for each in answers} == {"MISS"}
        reasons = [each.get_cache_decision().reason for each in answers]
        assert reasons == ["failed"] * 3 + ["failed before"] * 3
    assert failures(events) == ["RuntimeError"] * 3
    assert len(model.embedded) == 3


def test_looks_that_are_late_in_a_crowd_are_no_fault_of_the_model():
    warmth = recalling.WarmthState()
    warmth.warmed()
    for turn in range(10):  # each time some are late at once, and others are answered
        for _ in range(100):
            warmth.failed(turn * 0.4, TimeoutError())
        warmth.warmed()
    assert warmth.patience(4.0) == recalling.PATIENCE
    for turn in range(3):
        warmth.failed(10.0 + turn, TimeoutError())
    assert warmth.patience(12.0) == 0.0
    assert warmth.patience(12.0 + recalling.REST) == recalling.PATIENCE


def test_a_call_whose_time_is_over_waits_for_no_model(world):
    model = Slow()
    with client(world.target("a"), cache_embedder=model, timeout=0.2) as portkey:
        began = time.monotonic()
        with pytest.raises(Exception, match="time"):
            ask(portkey, RESET)
        assert time.monotonic() - began < 5
        model.go.set()


# --- where questions are kept


def kept(directory: Path) -> dict[str, Any]:
    return {"cache_dir": directory, "cache_embedder": HashingEmbedder()}


def test_questions_are_there_after_a_restart(world, tmp_path):
    with client(world.target("a"), **kept(tmp_path / "c")) as portkey:
        first = ask(portkey, RESET)
        portkey.cache.flush()
    assert (tmp_path / "c" / "questions.db").exists()
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700
    with client(world.target("a"), **kept(tmp_path / "c")) as portkey:
        again = ask(portkey, AGAIN)
        assert (status(again), said(again)) == (SERVED, said(first))


def test_questions_of_another_process_are_found_as_they_come(world, tmp_path):
    with (
        client(world.target("a"), **kept(tmp_path / "c")) as one,
        client(world.target("a"), **kept(tmp_path / "c")) as other,
    ):
        ask(one, OTHER)
        assert status(ask(other, RESET)) == MISSED
        one.cache.flush()
        other.cache.flush()
        assert status(ask(one, AGAIN)) == SERVED
        assert status(ask(other, "How do I bake a sourdough bread?")) == SERVED


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("place", ["memory", "disk"])
def test_a_forked_process_answers_as_its_parent_did(world, tmp_path, place):
    given = kept(tmp_path / "c") if place == "disk" else {}
    with client(world.target("a"), **given) as portkey:
        ask(portkey, RESET)
        assert status(ask(portkey, AGAIN)) == SERVED
        portkey.cache.flush()
        child = os.fork()
        if child == 0:
            try:
                began = time.monotonic()
                served = status(ask(portkey, AGAIN)) == SERVED
                os._exit(0 if served and time.monotonic() - began < 2 else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert status(ask(portkey, AGAIN)) == SERVED


def test_a_broken_file_of_questions_is_set_aside(world, tmp_path):
    directory, events = tmp_path / "c", []
    directory.mkdir(mode=0o700)
    (directory / "questions.db").write_bytes(b"no database at all, but long enough" * 200)
    with client(world.target("a"), **kept(directory), on_event=events.append) as portkey:
        first = ask(portkey, RESET)
        assert status(first) == "MISS"
        assert failures(events)[0] == "DatabaseError"
        ask(portkey, RESET + " Please.")
        portkey.cache.flush()
        assert (directory / "questions.db.broken").exists()
        assert status(ask(portkey, AGAIN)) == SERVED


def test_a_row_that_somebody_planted_is_no_question(world, tmp_path):
    directory = tmp_path / "c"
    events: list[Any] = []
    with client(world.target("a"), **kept(directory), on_event=events.append) as portkey:
        ask(portkey, RESET)
        portkey.cache.flush()
        with sqlite3.connect(directory / "questions.db") as database:
            database.execute("UPDATE questions SET vector = 'text', number = number + 100")
        database.close()
        assert status(ask(portkey, AGAIN)) == "MISS"
        assert failures(events) == ["ValueError"]


def test_a_vector_that_is_none_is_passed(world, tmp_path):
    directory = tmp_path / "c"
    with client(world.target("a"), **kept(directory)) as portkey:
        ask(portkey, RESET)
        portkey.cache.flush()
        with sqlite3.connect(directory / "questions.db") as database:
            database.execute("UPDATE questions SET vector = x'00', number = number + 100")
        database.close()
        answer = ask(portkey, AGAIN)
        assert (status(answer), answer.get_cache_decision().reason) == (MISSED, "nothing near")


class Failing:
    """A place for questions where nothing works."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any) -> Any:
            raise OSError("disk full")

        return fail


def test_a_place_for_questions_that_fails_is_an_event_and_a_miss(world):
    events: list[Any] = []
    with client(world.target("a"), cache_embedder=Everything(), on_event=events.append) as portkey:
        recall = portkey._plan.router.root.inner.similar.recall
        recall.nearby.questions = Failing()
        assert status(ask(portkey, RESET)) == "MISS"
        assert status(ask(portkey, RESET)) == "HIT"
    assert failures(events) == ["OSError"]


def test_a_question_that_cannot_be_kept_costs_no_call(world, monkeypatch):
    events: list[Any] = []
    with client(world.target("a"), cache_embedder=Everything(), on_event=events.append) as portkey:
        recall = portkey._plan.router.root.inner.similar.recall
        monkeypatch.setattr(recall.nearby.questions, "add", Failing().add)
        assert status(ask(portkey, RESET)) == MISSED
    assert failures(events) == ["OSError"]
    assert "cache.stored" in names(events)


def test_a_cache_of_the_user_s_own_has_its_questions_in_memory(world):
    class Mine:
        def __init__(self) -> None:
            self.kept: dict[bytes, bytes] = {}

        def ready(self, key: bytes) -> bool:
            return True

        def get(self, key: bytes, now: float) -> bytes | None:
            return self.kept.get(key)

        def put(self, key: bytes, value: bytes, *_: Any) -> None:
            self.kept[key] = value

        def flush(self) -> None:
            pass

        def close(self) -> None:
            pass

    with client(world.target("a"), cache=Mine()) as portkey:
        ask(portkey, RESET)
        assert status(ask(portkey, AGAIN)) == SERVED


def test_many_threads_ask_and_learn_at_once(world, tmp_path):
    with client(world.target("a"), **kept(tmp_path / "c")) as portkey:
        wrong: list[Any] = []

        def work(number: int) -> None:
            for turn in range(4):
                answer = ask(portkey, f"How do I reset password {turn} of account {number}?")
                wrong.extend([answer] if status(answer) == SERVED else [])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []  # every number is another question
    assert isinstance(DiskCache(tmp_path / "c").questions.keys(), list)
