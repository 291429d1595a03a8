"""What is in a cache and what is taken out of it: one contract for memory and disk, and clients."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tests.caches.worlds import HELLO, Counting, config, said, status

from portkey_local import AsyncPortkey, DiskCache, MemoryCache, Portkey
from portkey_local.caches import ledger, memory, upkeep
from portkey_local.caches.about import LONGEST, first_line, read, writer_of
from portkey_local.caches.keys import pair_of
from portkey_local.caches.upkeep import CacheEntry, Criteria
from portkey_local.effects import Row
from portkey_local.model import Reply, Source
from portkey_local.testing import Loopback

KEYS = [bytes([number]) * 32 for number in range(8)]
NOW = time.time()  # a disk has no other time


def never(error: Exception) -> None:
    raise AssertionError(error)


def value(number: int, **said: Any) -> bytes:
    """Return an entry's bytes, as old as its number is small."""
    told = {"created": NOW - 100 + number, **said}
    return json.dumps(told).encode() + b"\n" + json.dumps([0, 0, 200, {}, number, None, 0]).encode()


@pytest.fixture(params=["memory", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = MemoryCache() if request.param == "memory" else DiskCache(tmp_path / "cache")
    yield made
    made.close()


@pytest.fixture
def filled(cache: Any) -> Any:
    """A cache with four entries of two namespaces and models, and one by an older version."""
    for number, (namespace, model) in enumerate([("a", "m"), ("a", "n"), ("b", "m"), ("b", "n")]):
        said = {"namespace": namespace, "model": model, "writer": writer_of(f"user {number}")}
        cache.put(KEYS[number], value(number, **said), NOW, 1e9, never)
    cache.put(KEYS[4], b'[0,0,200,{},{"old":true},null,false]', NOW, 1e9, never)
    return cache


def kept(cache: Any) -> set[int]:
    return {number for number, key in enumerate(KEYS) if cache.get(key, NOW) is not None}


# --- one contract


def test_rows_tell_what_is_kept_without_its_value(filled):
    found = {row.name: row for row in filled.rows()}
    assert len(found) == 5
    assert sum(row.line is None for row in found.values()) == 1
    assert all(row.wrong is None and row.size > 20 for row in found.values())
    entries = [entry for _, entry in upkeep.entries(filled, NOW, Criteria())]
    assert sorted(e.model for e in entries if e.model) == ["m", "m", "n", "n"]
    (older,) = [entry for entry in entries if entry.model is None]
    assert older.to_dict().keys() == {"name", "created", "expires", "size"}


@pytest.mark.parametrize(
    ("criteria", "gone"),
    [
        ({"namespace": "a"}, {0, 1}),
        ({"model": "m"}, {0, 2}),
        ({"namespace": "a", "model": "m"}, {0}),
        ({"writer": "user 3"}, {3}),
        ({"writer": writer_of("user 3")}, {3}),
        ({"writer": "nobody"}, set()),
        ({"older_than": 98.5, "namespace": "a"}, {0, 1}),
        ({"older_than": 99.5, "namespace": "a"}, {0}),
        ({"namespace": ""}, set()),
    ],
)
def test_what_fits_all_criteria_is_deleted(filled, criteria, gone):
    assert upkeep.delete(filled, NOW, Criteria(**criteria)) == len(gone)
    assert kept(filled) == {0, 1, 2, 3, 4} - gone


def test_a_name_or_its_beginning(filled):
    row = next(iter(filled.rows()))
    assert upkeep.delete(filled, NOW, Criteria(names=(row.name[:12],))) == 1
    assert len(kept(filled)) == 4


def test_without_a_criterion_nothing_is_deleted(filled):
    with pytest.raises(ValueError, match="say which"):
        upkeep.delete(filled, NOW, Criteria())
    assert len(kept(filled)) == 5


def test_everything_is_cleared_but_no_veto(filled):
    filled.veto(pair_of(KEYS[0], KEYS[1]))
    assert filled.clear() == 5
    assert not kept(filled)
    assert filled.vetoed(pair_of(KEYS[1], KEYS[0]))
    filled.put(KEYS[0], value(0), NOW, 1e9, never)
    assert kept(filled) == {0}


def test_what_was_replaced_since_it_was_seen_is_not_deleted(filled):
    rows = list(filled.rows())
    filled.put(KEYS[0], value(9), NOW, 1e9, never)
    filled.flush()
    assert filled.remove(rows) == 4
    assert filled.get(KEYS[0], NOW) == value(9)
    assert sum(filled.value(row) is not None for row in rows) == 0


def test_keys_are_forgotten_once(filled):
    assert filled.forget([KEYS[0], KEYS[1], KEYS[7]]) == 2
    assert filled.forget([KEYS[0]]) == 0
    assert kept(filled) == {2, 3, 4}


def test_vetoes_are_remembered_and_have_an_end(cache, monkeypatch):
    monkeypatch.setattr(ledger, "VETOES", 3)
    monkeypatch.setattr(memory, "VETOES", 3)
    assert not cache.vetoed(KEYS[0])
    assert cache.vetoes() == 0
    for key in KEYS[:5]:
        cache.veto(key)
        cache.veto(key)
    assert [cache.vetoed(key) for key in KEYS[:5]] == [False, False, True, True, True]
    assert cache.vetoes() == 3


def test_numbers(filled):
    filled.put(KEYS[5], value(5), NOW - 10, 1.0, never)
    found = upkeep.stats(filled, NOW + 1e8)
    assert (found.entries, found.wrong, found.vetoes) == (5, 0, 0)
    assert found.namespaces == {"a": 2, "b": 2}
    assert found.models == {"m": 2, "n": 2}
    assert found.oldest == NOW - 100
    assert json.dumps(found.to_dict())


def test_an_export_has_answers_only_when_asked(filled, tmp_path):
    file = tmp_path / "out.jsonl"
    for bodies in (False, True):
        count = upkeep.export_to(file, upkeep.export(filled, NOW, Criteria(), bodies=bodies))
        told = [json.loads(line) for line in file.read_text().splitlines()]
        assert count == len(told) == 5
        assert all(("answer" in each) is bodies for each in told)
    assert {each["answer"] for each in told if each.get("model")} == {0, 1, 2, 3}
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_export_that_is_interrupted_leaves_the_old_file(tmp_path):
    file = tmp_path / "out.jsonl"
    file.write_text("old")

    def lines() -> Any:
        yield "one"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upkeep.export_to(file, lines())
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_looking_works_while_others_write(cache):
    """A row that goes or changes meanwhile breaks nothing."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.0002):
            number = (number + 1) % 300
            cache.put(number.to_bytes(32, "big"), value(number % 100), NOW, 1e9, never)
            if number % 50 == 0:
                cache.forget([(number + 25).to_bytes(32, "big")])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(8):
            upkeep.stats(cache, NOW)
            upkeep.delete(cache, NOW, Criteria(older_than=50))
            list(upkeep.export(cache, NOW, Criteria(), bodies=True))
    finally:
        stop.set()
        writer.join()


@given(st.binary(max_size=100))
def test_a_first_line_is_read_or_not(line):
    """Whatever bytes a value begins with, it says something or nothing, and raises nothing."""
    told = first_line(line + b"\n" + b"x")
    assert told is None or told in line
    assert isinstance(read(told), dict)
    assert isinstance(read(line), dict)


def test_a_first_line_that_is_too_long_is_none():
    assert first_line(b"{" + b" " * LONGEST + b"}\n") is None


# --- the disk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def disk(folder: Path) -> Any:
    made = DiskCache(folder)
    yield made
    made.close()


def sql(folder: Path, text: str, *values: Any) -> None:
    base = sqlite3.connect(folder / "cache.db")
    with base:
        base.execute(text, values)
    base.close()


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("where", ["value", "file", "key"])
def test_a_planted_pickle_is_named_and_can_be_deleted(folder, disk, tmp_path, where):
    """Neither run nor read; and a file that a row names is not ours to delete."""
    sign, precious = tmp_path / "run", tmp_path / "precious"
    precious.write_text("mine")
    bomb = pickle.dumps(Bomb(str(sign)))
    for number in range(3):
        disk.put(KEYS[number], value(number), NOW, 1e9, never)
    disk.flush()
    if where == "value":
        sql(folder, "update Cache set mode = 4, value = ? where rowid = 2", bomb)
    elif where == "file":
        text = "update Cache set mode = 4, value = null, filename = '../precious' where rowid = 2"
        sql(folder, text)
    else:
        sql(folder, "update Cache set key = ?, raw = 0 where rowid = 2", bomb)
    found = upkeep.stats(disk, NOW)
    assert (found.entries, found.wrong) == (2, 1)
    (wrong,) = [row for row in disk.rows() if row.wrong]
    assert wrong.name == "row-2"
    assert disk.value(wrong) is None
    told = [json.loads(line) for line in upkeep.export(disk, NOW, Criteria(), bodies=True)]
    assert [each.get("wrong") for each in told if "answer" not in each] == [wrong.wrong]
    if where != "key":
        disk.put(KEYS[1], value(7), NOW, 1e9, never)  # in its place
        disk.flush()
        assert disk.get(KEYS[1], NOW) == value(7)
    else:
        assert upkeep.delete(disk, NOW, Criteria(names=("row-2",))) == 1
    assert upkeep.stats(disk, NOW).wrong == 0
    assert not sign.exists()
    assert precious.read_text() == "mine"


def test_a_planted_first_line_is_no_harm(folder, disk):
    disk.put(KEYS[0], value(0), NOW, 1e9, never)
    disk.flush()
    for tag in (b"\x80\x04N.", 5, "[]", "{", '{"model": 7, "created": "soon"}', None):
        sql(folder, "update Cache set tag = ?", tag)
        ((_, entry),) = upkeep.entries(disk, NOW, Criteria())
        assert entry.model is None
        assert isinstance(entry.created, float)


def test_other_processes_see_what_was_deleted_and_vetoed(folder, disk):
    other = DiskCache(folder)
    disk.put(KEYS[0], value(0), NOW, 1e9, never)
    disk.flush()
    assert other.get(KEYS[0], NOW) is not None
    assert other.forget([KEYS[0]]) == 1
    assert disk.get(KEYS[0], NOW) is None
    other.veto(pair_of(KEYS[0], KEYS[1]))
    assert disk.vetoed(pair_of(KEYS[0], KEYS[1]))
    other.close()


def test_what_waits_to_be_written_is_forgotten_too(disk):
    disk.put(KEYS[0], value(0), NOW, 1e9, never)
    assert disk.forget([KEYS[0]]) == 1
    assert disk.get(KEYS[0], NOW) is None


def test_looking_does_not_read_values(disk):
    """A hundred entries of 100 KB are listed from a hundred short lines."""
    for number in range(100):
        disk.put(number.to_bytes(32, "big"), value(number) + bytes(100_000), NOW, 1e9, never)
    disk.flush()
    store, _ = disk._store()
    seen: list[str] = []
    store._con.set_trace_callback(seen.append)
    assert upkeep.stats(disk, NOW).size > 10_000_000
    store._con.set_trace_callback(None)
    assert not any(
        "value" in text.replace("typeof(value)", "").replace("length(value)", "") for text in seen
    )


# --- clients


@pytest.fixture
def world(provider: Loopback) -> Loopback:
    provider.reset(Counting())
    return provider


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    return {} if request.param == "memory" else {"cache_dir": tmp_path / "cache"}


def ask(client: Any, question: str = "Hello!", **given: Any) -> Any:
    body = {"model": "m", "messages": [{"role": "user", "content": question}], **given}
    return client.chat.completions.create(**body)


def test_a_client_says_what_it_keeps(world, place):
    given = {"cache_namespace": "team", "metadata": {"_user": "alice"}, "trace_id": "t-1", **place}
    with Portkey(config=config(world.target("a")), **given) as client:
        ask(client, "a secret question")
        client.with_options(metadata={"user_id": "bob"}).embeddings.create(model="e", input=["x"])
        ask(client.with_options(metadata=None), "another", user="carol")
        found = {entry.endpoint: entry for entry in client.cache.entries(writer="alice")}
        (entry,) = found.values()
        assert isinstance(entry, CacheEntry)
        assert (entry.namespace, entry.model, entry.provider) == ("team", "m", "openai")
        assert (entry.trace_id, entry.writer) == ("t-1", writer_of("alice"))
        assert 299 < entry.expires - entry.created <= 301
        for writer in ("bob", "carol"):
            assert len(list(client.cache.entries(writer=writer))) == 1
        assert client.cache.stats().entries == 3
        assert "secret" not in repr(list(client.cache.entries()))
        assert client.cache.delete(writer="t-1", model="e") == 1
        assert client.cache.delete(namespace="team") == 2
        assert client.cache.clear() == 0


def test_an_export_of_a_client(world, place, tmp_path):
    with Portkey(config=config(world.target("a")), **place) as client:
        ask(client)
        list(ask(client, "again", stream=True))
        client.cache.flush()
        assert client.cache.export(tmp_path / "out", bodies=True) == 2
    told = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    answers = [each["answer"] for each in told]
    assert answers[0]["choices"][0]["message"]["content"] == "answer 1 of a"
    assert answers[1][-1] == "[DONE]"


FORMS = {
    "the answer itself": ask,
    "a hit": lambda client: ask(client) and ask(client),
    "a stream": lambda client: ask(client, stream=True),
    "a raw response": lambda client: client.chat.completions.with_raw_response.create(
        model="m", messages=HELLO
    ),
    "a copy": lambda client: copy.deepcopy(ask(client)),
    "what was pickled": lambda client: pickle.loads(pickle.dumps(ask(client))),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_rejected_answer_is_asked_for_anew(world, place, form):
    with Portkey(config=config(world.target("a")), **place) as client:
        ask(client, "something else")
        answer = FORMS[form](client)
        if form == "a stream":
            list(answer)
        assert client.cache.reject(answer)
        assert not client.cache.reject(answer)
        assert status(ask(client)) == "MISS"
        assert status(ask(client)) == "HIT"
        assert status(ask(client, "something else")) == "HIT"


def test_a_rejected_list_of_embeddings(world, place):
    with Portkey(config=config(world.target("a")), **place) as client:
        answer = client.embeddings.create(model="e", input=["a", "b"])
        client.embeddings.create(model="e", input=["c"])
        assert client.cache.reject(answer)
        assert status(client.embeddings.create(model="e", input="c")) == "HIT"
        assert status(client.embeddings.create(model="e", input="b")) == "MISS"


def nested(url: str) -> dict[str, Any]:
    target = config(url)
    return {"strategy": {"mode": "single"}, "targets": [target], "cache": target["cache"]}


@pytest.mark.parametrize("again", [False, True], ids=["the first one", "one served from it"])
def test_an_answer_in_a_cache_within_a_cache_is_rejected_in_both(world, place, again):
    with Portkey(config=nested(world.target("a")), **place) as client:
        answer = ask(client)
        assert client.cache.stats().entries == 2
        assert client.cache.reject(ask(client) if again else answer)
        assert client.cache.stats().entries == 0


def test_so_are_embeddings(world):
    with Portkey(config=nested(world.target("a"))) as client:
        answers = [client.embeddings.create(model="e", input=["a", "b"]) for _ in range(2)]
        assert status(answers[1]) == "HIT"
        assert client.cache.reject(answers[1])
        assert client.cache.stats().entries == 0


def test_what_no_cache_has_is_rejected_in_vain(world):
    without = {k: v for k, v in config(world.target("a")).items() if k != "cache"}
    with Portkey(config=without) as client:
        assert not client.cache.reject(ask(client))
        for wrong in (None, "text", {"choices": []}):
            with pytest.raises(TypeError, match="no response of a Portkey client"):
                client.cache.reject(wrong)


def test_a_rejected_likeness_is_remembered(world, place):
    """What a semantic tier hands out names a pair; a rejection keeps it."""
    pair = pair_of(b"asked", b"matched")
    with Portkey(config=config(world.target("a")), **place) as client:
        answer = ask(client)
        told = answer.get_headers
        told.source = Source(told.source.keys, pair)
        assert client.cache.reject(answer)
        assert client._engine.cache.vetoed(pair)
        assert client.cache.stats().vetoes == 1
        assert client.cache.reject(answer)  # the pair, though the entry is gone


@pytest.mark.anyio
async def test_the_same_for_asynchronous_code(world, place, tmp_path):
    async with AsyncPortkey(config=config(world.target("a")), **place) as client:
        answer = await ask(client)
        await client.cache.flush()
        assert (await client.cache.stats()).entries == 1
        assert [entry.model for entry in await client.cache.entries(model="m")] == ["m"]
        assert await client.cache.export(tmp_path / "out") == 1
        assert await client.cache.reject(answer)
        await ask(client)
        assert await client.cache.delete(older_than=0) == 1
        assert await client.cache.clear() == 0


def test_a_cache_of_the_user_s_own_says_what_it_lacks(world):
    class Own(MemoryCache):
        rows = vetoes = property()  # type: ignore[assignment]

    with Portkey(config=config(world.target("a")), cache=Own()) as client:
        answer = ask(client)
        for use in (client.cache.stats, client.cache.clear, lambda: client.cache.reject(answer)):
            with pytest.raises(
                TypeError, match="Own cannot be looked through: it has no rows, vet"
            ):
                use()
        client.cache.flush()


def test_a_directory_of_an_older_version_is_read_as_misses(world, tmp_path):
    """Its entries are listed, found by nobody, and go like all others."""
    folder = tmp_path / "cache"
    old = DiskCache(folder)
    old.put(KEYS[0], b'[1,0,200,{},{"id":"x","choices":[]},null,false]', NOW, 1e9, never)
    old.close()
    with Portkey(config=config(world.target("a")), cache_dir=folder) as client:
        assert status(ask(client)) == "MISS"
        assert status(ask(client)) == "HIT"
        assert client.cache.stats().entries == 2
        assert client.cache.delete(older_than=0) == 2


def test_a_value_without_its_first_line_is_a_miss(world):
    cache = MemoryCache()
    with Portkey(config=config(world.target("a")), cache=cache) as client:
        ask(client)
        (key,) = cache._kept
        cache.put(key, cache._kept[key][0].partition(b"\n")[2], NOW, 1e9, never)
        assert status(ask(client)) == "MISS"


RESTART = """
import sys
from portkey_local import Portkey
given = {"provider": "openai", "api_key": "sk-of-one-tenant", "custom_host": sys.argv[1]}
with Portkey(config={**given, "cache": "simple"}, cache_dir=sys.argv[2]) as client:
    question = [{"role": "user", "content": "Hello!"}]
    answer = client.chat.completions.create(model="m", messages=question)
    print(answer.get_headers()["cache-status"], answer.choices[0].message.content, sep="|")
"""


def test_a_restart_and_a_fork_give_the_same_hits(world, tmp_path):
    url, folder = world.target("a"), tmp_path / "cache"
    with Portkey(config=config(url), cache_dir=folder) as client:
        text = said(ask(client))
        client.cache.flush()
        child = os.fork() if hasattr(os, "fork") else None
        if child == 0:
            code = 1
            try:
                code = 0 if (status(ask(client)), said(ask(client))) == ("HIT", text) else 1
            finally:
                os._exit(code)
        if child is not None:
            assert os.waitpid(child, 0)[1] == 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", RESTART, url, str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert told.stdout.strip() == f"HIT|{text}"
    assert len(world.received) == 1


def test_a_row_shows_no_value():
    assert "secret" not in repr(Row("n", None, 1, 0.0, 0.0, b"secret"))
    assert Reply.__dataclass_fields__["source"].default is None
