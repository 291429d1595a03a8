"""One contract for every cache, against a model; and what only the disk has to endure."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import diskcache
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from portkey_local.caches import ledger, upkeep
from portkey_local.caches.directory import Planted, set_aside
from portkey_local.caches.disk import DiskCache
from portkey_local.caches.memory import OVERHEAD, MemoryCache
from portkey_local.caches.writer import ROOM, Full, Waiting, Writer

KEYS = [bytes([number]) * 32 for number in range(8)]
AGE = 60.0


def never(error: Exception) -> None:
    raise AssertionError(error)


def put(cache: Any, key: bytes, value: bytes, now: float = 0.0, age: float = AGE) -> None:
    cache.put(key, value, now, age, never)


@pytest.fixture(params=["memory", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = MemoryCache() if request.param == "memory" else DiskCache(tmp_path / "cache")
    yield made
    made.close()


def test_what_was_put_is_found_at_once_and_after_a_flush(cache):
    put(cache, KEYS[0], b"one")
    assert cache.ready(KEYS[0])
    assert cache.get(KEYS[0], 1.0) == b"one"
    cache.flush()
    assert cache.get(KEYS[0], 1.0) == b"one"
    assert cache.get(KEYS[1], 1.0) is None


def test_a_newer_value_takes_the_older_one_s_place(cache):
    for value in (b"one", b"two", b"three"):
        put(cache, KEYS[0], value)
        assert cache.get(KEYS[0], 1.0) == value
    cache.flush()
    assert cache.get(KEYS[0], 1.0) == b"three"


def test_it_can_be_closed_and_opened_again(cache):
    put(cache, KEYS[0], b"one")
    cache.close()
    cache.close()
    assert cache.get(KEYS[0], 1.0) == b"one"


def test_threads_share_it(cache):
    wrong: list[Any] = []

    def work(number: int) -> None:
        for turn in range(50):
            key = KEYS[(number + turn) % len(KEYS)]
            put(cache, key, key + b"!")
            if cache.get(key, 1.0) != key + b"!":
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.flush()
    assert not wrong
    assert [cache.get(key, 1.0) for key in KEYS] == [key + b"!" for key in KEYS]


# --- against a model


class MemoryMachine(RuleBasedStateMachine):
    """Memory against a plain ordered dict, with time and little room."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.room = 4 * (OVERHEAD + 10)
        self.cache = MemoryCache(max_entries=5, max_bytes=self.room)
        self.model: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()

    def _size(self) -> int:
        return sum(len(value) + OVERHEAD for value, _ in self.model.values())

    @rule(key=st.sampled_from(KEYS), size=st.integers(0, 2000), age=st.integers(1, 20))
    def put(self, key: bytes, size: int, age: int) -> None:
        value = os.urandom(size)
        put(self.cache, key, value, self.now, age)
        self.model.pop(key, None)
        if size + OVERHEAD > self.room:
            return
        self.model[key] = value, self.now + age
        while len(self.model) > 5 or self._size() > self.room:
            self.model.popitem(last=False)

    @rule(seconds=st.integers(0, 10))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(key=st.sampled_from(KEYS))
    def get(self, key: bytes) -> None:
        held = self.model.get(key)
        if held is not None and self.now >= held[1]:
            del self.model[key]
            held = None
        assert self.cache.get(key, self.now) == (held[0] if held else None)

    @invariant()
    def within_its_room(self) -> None:
        assert len(self.cache) == len(self.model) <= 5
        assert self._size() <= self.room


class DiskMachine(RuleBasedStateMachine):
    """The disk against a plain dict, reopened and seen by a second one at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(os.environ["PORTKEY_LOCAL_HOME"]) / os.urandom(8).hex()
        self.cache = DiskCache(self.folder)
        self.other = DiskCache(self.folder)
        self.model: dict[bytes, bytes] = {}

    @rule(key=st.sampled_from(KEYS), value=st.binary(max_size=100))
    def put(self, key: bytes, value: bytes) -> None:
        put(self.cache, key, value)
        self.model[key] = value

    @rule()
    def reopen(self) -> None:
        self.cache.close()
        self.cache = DiskCache(self.folder)

    @rule(key=st.sampled_from(KEYS))
    def get(self, key: bytes) -> None:
        assert self.cache.get(key, 1.0) == self.model.get(key)

    @rule(key=st.sampled_from(KEYS))
    def another_sees_what_is_written(self, key: bytes) -> None:
        self.cache.flush()
        assert self.other.get(key, 1.0) == self.model.get(key)

    def teardown(self) -> None:
        self.cache.close()
        self.other.close()


TestMemory = MemoryMachine.TestCase
TestMemory.settings = settings(max_examples=60, stateful_step_count=30)
TestDisk = DiskMachine.TestCase
TestDisk.settings = settings(max_examples=15, stateful_step_count=20)


def test_memory_has_no_room_for_less_than_one():
    with pytest.raises(ValueError, match="1 or more"):
        MemoryCache(max_entries=0)
    with pytest.raises(ValueError, match="1 or more"):
        DiskCache("x", size_limit=0)


# --- the disk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "cache"


@pytest.fixture
def disk(folder: Path) -> Any:
    cache = DiskCache(folder, wait=0.05)
    yield cache
    cache.close()


def kept(disk: DiskCache, key: bytes = KEYS[0], value: bytes = b"one") -> None:
    put(disk, key, value)
    disk.flush()


def row(folder: Path, text: str, *values: Any) -> list[Any]:
    with sqlite3.connect(folder / "cache.db") as base:
        found = base.execute(text, values).fetchall()
    base.close()
    return found


def test_making_one_touches_nothing(folder, disk):
    assert not folder.exists()
    assert disk.get(KEYS[0], 0.0) is None
    assert folder.exists()


def test_the_directory_is_its_owner_s_alone(folder, disk):
    folder.mkdir(parents=True, mode=0o755)
    kept(disk)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600


def test_nothing_of_a_key_is_on_the_disk(folder, disk):
    key = os.urandom(32)
    kept(disk, key)
    disk.close()
    assert all(key not in path.read_bytes() for path in folder.iterdir())
    ((name,),) = row(folder, "select key from Cache")
    assert len(name) == 32


def test_time_is_over_on_the_disk_too(disk):
    put(disk, KEYS[0], b"one", age=0.05)
    assert disk.get(KEYS[0], 1.0) is None  # while it waits, by the time of day that is given
    disk.flush()
    time.sleep(0.06)
    assert disk.get(KEYS[0], 0.0) is None


def test_what_was_stored_longest_ago_goes_first_and_reading_does_not_write(folder):
    disk = DiskCache(folder, size_limit=300_000)
    for number in range(200):
        put(disk, number.to_bytes(32, "big"), os.urandom(4000))
        disk.flush()
        disk.get((0).to_bytes(32, "big"), 0.0)
    assert disk.get((0).to_bytes(32, "big"), 0.0) is None
    assert disk.get((199).to_bytes(32, "big"), 0.0) is not None
    assert sum(path.stat().st_size for path in folder.glob("cache.db")) < 600_000
    changes = row(folder, "select sum(access_count) from Cache")
    assert changes == [(0,)]
    disk.close()


def test_a_burst_is_written_some_at_a_time_and_stays_within_its_room(folder, monkeypatch):
    """Many values wait for a lock that is held; then they go in few transactions, newest kept."""
    disk = DiskCache(folder, size_limit=400_000, wait=0.05)
    kept(disk)
    written: list[int] = []
    writing = ledger.write
    monkeypatch.setattr(
        ledger, "write", lambda store, values: written.append(len(values)) or writing(store, values)
    )
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    other.execute("begin immediate")
    keys = [number.to_bytes(32, "big") for number in range(200)]
    for key in keys:
        put(disk, key, key[-1:] * 4000)
    put(disk, keys[199], b"newer")
    other.execute("rollback")
    other.close()
    disk.flush()
    assert max(written) > 10
    assert disk.get(keys[199], 0.0) == b"newer"
    assert disk.get(keys[198], 0.0) == keys[198][-1:] * 4000
    assert disk.get(keys[0], 0.0) is None
    assert (folder / "cache.db").stat().st_size < 700_000
    assert {row[0] for row in row(folder, "select typeof(key) from Cache")} == {"blob"}
    disk.close()


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("where", ["value", "file", "key"])
def test_a_planted_pickle_is_not_run_and_is_reported(folder, disk, tmp_path, where):
    kept(disk)
    sign = tmp_path / "run"
    bomb = pickle.dumps(Bomb(str(sign)))
    if where == "value":
        row(folder, "update Cache set mode = 4, value = ?", bomb)
    elif where == "file":
        (folder / "x.val").write_bytes(bomb)
        row(folder, "update Cache set mode = 4, value = null, filename = 'x.val'")
    else:
        row(folder, "update Cache set key = ?, raw = 0", bomb)
        assert disk.get(KEYS[0], 0.0) is None
        reopened = diskcache.Cache(str(folder), disk=disk._opened[0].disk.__class__)
        with pytest.raises(Planted):
            list(reopened)
        reopened.close()
    if where != "key":
        with pytest.raises(Planted, match="not read"):
            disk.get(KEYS[0], 0.0)
        kept(disk, value=b"two")  # the next answer takes its place
        assert disk.get(KEYS[0], 0.0) == b"two"
    assert not sign.exists()


def test_only_bytes_go_in(disk):
    kept(disk)
    with pytest.raises(TypeError, match="only bytes"):
        disk._opened[0].set(KEYS[0], {"a": 1})
    with pytest.raises(TypeError, match="only bytes"):
        disk._opened[0].set("text", b"")


@pytest.mark.parametrize("opened", [True, False], ids=["while open", "before"])
def test_a_broken_file_begins_anew_and_is_set_aside(folder, opened):
    disk = DiskCache(folder)
    kept(disk)
    if not opened:
        disk.close()
    for path in folder.glob("cache.db*"):
        path.write_bytes(b"garbage " * 2000)
    with pytest.raises(sqlite3.DatabaseError):
        disk.get(KEYS[0], 0.0)
    assert disk.get(KEYS[0], 0.0) is None  # it is told once
    disk.put(KEYS[1], b"two", 0.0, AGE, never)
    disk.flush()
    assert disk.get(KEYS[1], 0.0) == b"two"
    assert (folder / "cache.db.broken").exists()
    disk.close()


def test_a_locked_database_is_waited_for_briefly(folder, disk):
    kept(disk)
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    other.execute("begin immediate")
    put(disk, KEYS[1], b"two")  # returns at once
    assert disk.get(KEYS[1], 0.0) == b"two"
    begun = time.monotonic()
    assert disk.get(KEYS[0], 0.0) == b"one"  # a reader is not kept out by a writer
    assert time.monotonic() - begun < 1.0
    other.execute("rollback")
    other.close()
    disk.flush()
    assert DiskCache(folder).get(KEYS[1], 0.0) == b"two"


def test_a_directory_that_is_deleted_while_it_is_open_begins_anew(folder, disk):
    kept(disk)
    shutil.rmtree(folder)
    assert disk.get(KEYS[0], 0.0) is None
    kept(disk, KEYS[1], b"two")
    other = DiskCache(folder)
    assert other.get(KEYS[1], 0.0) == b"two"
    other.close()


def test_a_file_that_another_process_has_set_aside_is_not_set_aside_again(folder, disk):
    kept(disk)
    other = DiskCache(folder)
    assert other.get(KEYS[0], 0.0) == b"one"
    set_aside(folder)  # as the first does that finds it broken
    kept(disk, value=b"anew")
    assert other.get(KEYS[0], 0.0) == b"anew"
    other._inode = 0  # as if the file were another one still
    other._mend(sqlite3.DatabaseError("database disk image is malformed"))
    assert other.get(KEYS[0], 0.0) == b"anew"
    other.close()


@pytest.mark.parametrize("lock", [["pragma locking_mode = exclusive", "begin exclusive"], []])
def test_a_database_that_is_locked_for_good_holds_up_nobody_for_long(folder, disk, lock):
    kept(disk)
    disk.close()
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    for statement in lock or ["begin immediate"]:  # which keeps out only who writes
        other.execute(statement)
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises((sqlite3.OperationalError, diskcache.Timeout)):
            disk.get(KEYS[0], 0.0)
    assert time.monotonic() - begun < 2.0
    other.execute("rollback")
    other.close()


def test_a_directory_that_cannot_be_used_is_left_alone_for_a_while(tmp_path):
    (tmp_path / "file").write_text("in the way")
    disk = DiskCache(tmp_path / "file" / "cache")
    heard: list[Exception] = []
    for _ in range(3):
        with pytest.raises((NotADirectoryError, FileExistsError)):
            disk.get(KEYS[0], 0.0)
    disk.put(KEYS[0], b"one", 0.0, AGE, heard.append)
    disk.flush()
    assert isinstance(heard[0], OSError)
    disk.close()


def test_what_waits_has_an_end():
    gate = threading.Event()
    writer = Writer(lambda _batch: gate.wait(5))
    big = Waiting(bytes(ROOM // 2), 0.0, 1.0, never)
    writer.add(KEYS[0], big)
    writer.add(KEYS[1], big)
    with pytest.raises(Full):
        writer.add(KEYS[2], big)
    gate.set()
    writer.flush()
    assert KEYS[0] not in writer


def test_a_write_that_fails_is_told_and_the_next_one_is_written():
    heard: list[Exception] = []
    written: list[bytes] = []

    gate = threading.Event()

    def write(batch: Any) -> None:
        gate.wait(5)
        if any(waiting.value == b"bad" for _, waiting in batch):
            raise OSError("disk full")
        written.extend(key for key, _ in batch)

    writer = Writer(write)
    writer.add(KEYS[0], Waiting(b"bad", 0.0, 1.0, heard.append))
    for key in KEYS[1:4]:
        writer.add(key, Waiting(b"good", 0.0, 1.0, never))
    writer.add(KEYS[4], Waiting(b"bad", 0.0, 1.0, heard.append))
    gate.set()
    writer.flush()
    assert [str(error) for error in heard] == ["disk full"] * 2
    assert written == KEYS[1:4]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_process_reads_and_writes(folder, disk):
    kept(disk)
    put(disk, KEYS[1], b"two")  # may still wait
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if disk.get(KEYS[0], 0.0) == b"one":
                put(disk, KEYS[2], b"three")
                disk.close()
                code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert time.monotonic() - begun < 2.0
    disk.flush()
    assert [disk.get(key, 0.0) for key in KEYS[:3]] == [b"one", b"two", b"three"]


WRITES = """
import os, sys, time
from portkey_local.caches.disk import DiskCache
folder, seed, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
disk = DiskCache(folder, wait=2.0)
def fail(error):
    print("FAILED", repr(error), flush=True)
until, number = time.time() + seconds, 0
while time.time() < until:
    number += 1
    key = (seed * 10**9 + number % 500).to_bytes(32, "big")
    if number % 10 == 0:
        disk.put(key, key * 40, time.time(), 600.0, fail)
        if number % 100 == 0:
            disk.flush()
            print("KEPT", seed, number % 500, flush=True)
    else:
        found = disk.get(key, time.time())
        if found not in (None, key * 40):
            print("WRONG", flush=True)
disk.close()
"""


def storm(folder: Path, *, seconds: float, every: float) -> None:
    """Let four processes write for a while, and kill one of them again and again."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def begin(seed: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITES, str(folder), str(seed), str(seconds)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    running = [begin(seed) for seed in range(4)]
    said: list[str] = []
    until = time.monotonic() + seconds
    seed = 4
    watching = DiskCache(folder, wait=5.0)
    while time.monotonic() + every < until:
        time.sleep(every)
        victim = running.pop(0)
        victim.send_signal(signal.SIGKILL)
        said += victim.communicate()[0].splitlines()
        assert upkeep.stats(watching, time.time()).wrong == 0
        running.append(begin(seed))
        seed += 1
    for each in running:
        said += each.communicate(timeout=seconds + 30)[0].splitlines()
        assert each.returncode == 0
    watching.close()
    assert not [line for line in said if line.startswith(("FAILED", "WRONG"))]
    kept_ones = {tuple(map(int, line.split()[1:])) for line in said if line.startswith("KEPT")}
    assert kept_ones
    disk = DiskCache(folder)
    for number, place in kept_ones:
        key = (number * 10**9 + place).to_bytes(32, "big")
        assert disk.get(key, time.time()) == key * 40
    disk.close()
    assert row(folder, "pragma integrity_check") == [("ok",)]
    assert not list(folder.glob("*.broken"))


def test_nothing_is_lost_when_one_of_four_processes_is_killed(folder):
    storm(folder, seconds=2.5, every=1.0)


@pytest.mark.soak
@pytest.mark.timeout(200)
def test_nothing_is_lost_in_a_minute_of_it(folder):
    storm(folder, seconds=60.0, every=5.0)


def test_processes_that_begin_together_agree_on_the_secret(folder):
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        pool.starmap(_keep_one, [(str(folder), number) for number in range(8)])
    disk = DiskCache(folder)
    assert all(disk.get(KEYS[number], 0.0) == b"v" for number in range(8))
    disk.close()
    assert {path.name for path in folder.iterdir()} >= {"secret", "cache.db"}
    assert not list(folder.glob(".secret-*"))


def _keep_one(folder: str, number: int) -> None:
    disk = DiskCache(folder)
    put(disk, KEYS[number], b"v")
    disk.close()


def test_what_waits_is_written_when_the_program_ends(folder):
    program = (
        "import sys; from portkey_local.caches.disk import DiskCache\n"
        f"DiskCache({str(folder)!r}).put({KEYS[0]!r}, b'last', 0.0, 600.0, print)\n"
    )
    # The cache is dropped at once here: what it was given must be written all the same.
    program = program.replace("DiskCache('", "d = DiskCache('").replace("').put(", "'); d.put(")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    disk = DiskCache(folder)
    assert disk.get(KEYS[0], 0.0) == b"last"
    disk.close()
    gc.collect()
