"""A cache in a directory, on diskcache: shared by processes, and still there after a restart.

Ground rules: bytes only. diskcache would write other values as pickles, and run the code in any
pickle it finds; this one refuses both and says so. The directory is its owner's alone, and the
names of the entries are digests keyed with a secret that lies in it. Nothing is written while a
call waits: `writer` does that, and what waits to be written is found at once in this process. What
was stored longest ago goes first, so that reading never writes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from portkey_local.caches.questions_on_disk import DiskQuestions
from portkey_local.caches.writer import Waiting, Writer

if TYPE_CHECKING:
    import diskcache

__all__ = ["DiskCache", "Planted"]

SIZE: Final = 1024**3
FOLDER_MODE: Final = 0o700
READ_WAIT: Final = 0.25  # seconds that a lookup waits for a locked database
WRITE_WAIT: Final = 5.0  # seconds that a write does, behind everybody's back
REST: Final = 5.0  # seconds for which a directory that cannot be used is left alone
FILES: Final = ("cache.db", "cache.db-wal", "cache.db-shm")


class Planted(Exception):
    """Something in the directory is no bytes of ours, and would be run if it were read."""


class DiskCache:
    """Keeps answers in `directory`, at most about `size_limit` bytes of them.

    Opens nothing until it is asked. Several processes may share a directory; each finds what the
    others have written. A directory whose file is no database any more begins anew, and the old
    file is set aside as `cache.db.broken`.
    """

    def __init__(
        self, directory: str | os.PathLike[str], *, size_limit: int = SIZE, wait: float = READ_WAIT
    ) -> None:
        """Take where to keep answers; `wait` is how long a lookup waits for a locked database."""
        if size_limit < 1:
            raise ValueError("size_limit must be 1 or more")
        self.directory = Path(directory).expanduser()
        self.size_limit = size_limit
        self._wait = wait
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._opened: tuple[diskcache.Cache, bytes] | None = None
        self._rest_until = 0.0
        self._trouble: Exception | None = None
        self._writer = Writer(self._write, self._leave)
        self.questions = DiskQuestions(self.directory)

    def ready(self, key: bytes, /) -> bool:
        """Whether an answer waits to be written, and so is at hand."""
        return key in self._writer

    def get(self, key: bytes, now: float, /) -> bytes | None:
        """Return what is kept under a key; `now` says whether its time is over until written."""
        waiting = self._writer.get(key)
        if waiting is not None:
            return waiting.value if now < waiting.until else None
        try:
            store, secret = self._store()
            value = store.get(_name(key, secret))
        except sqlite3.DatabaseError as error:
            self._mend(error)
            raise
        return None if value is None else bytes(value)

    def put(
        self,
        key: bytes,
        value: bytes,
        now: float,
        max_age: float,
        failed: Callable[[Exception], None],
        /,
    ) -> None:
        """Keep a value for so many seconds; written by a thread of our own."""
        self._writer.add(key, Waiting(value, now + max_age, max_age, failed))

    def _write(self, key: bytes, waiting: Waiting) -> None:
        try:
            _patiently(lambda: self._set(key, waiting))
        except sqlite3.DatabaseError as error:
            self._mend(error)
            self._set(key, waiting)

    def _set(self, key: bytes, waiting: Waiting) -> None:
        store, secret = self._store()
        store.set(_name(key, secret), waiting.value, expire=waiting.age)

    def flush(self) -> None:
        """Wait until what was put is written."""
        self._writer.flush()
        self.questions.flush()

    def close(self) -> None:
        """Write what waits, and close the files; the next call opens them again."""
        self._writer.stop()
        self.questions.close()
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()

    def _leave(self) -> None:
        """Close the connection of a thread that ends; sqlite has one for each."""
        opened = self._opened
        if opened is not None:
            opened[0].close()

    # --- the directory

    def _store(self) -> tuple[diskcache.Cache, bytes]:
        """Return the open directory; raise what is wrong with it, without asking it too often."""
        if self._owner != os.getpid():  # forked: another thread's lock would never be released
            self._lock, self._owner, self._opened = threading.Lock(), os.getpid(), None
        opened = self._opened
        if opened is not None:
            return opened
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> tuple[diskcache.Cache, bytes]:
        if self._trouble is not None and time.monotonic() < self._rest_until:
            raise self._trouble.with_traceback(None)
        try:
            opened = self._opened_anew()
        except Exception as error:
            self._trouble, self._rest_until = error, time.monotonic() + REST
            raise
        self._trouble = None
        return opened

    def _opened_anew(self) -> tuple[diskcache.Cache, bytes]:
        self.directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self.directory.chmod(FOLDER_MODE)  # raises in a directory that is somebody else's
        secret = _secret(self.directory / "secret")
        try:
            return _database(self.directory, self.size_limit, self._wait), secret
        except sqlite3.DatabaseError as error:
            if not _is_broken(error):
                raise
            _set_aside(self.directory)
            return _database(self.directory, self.size_limit, self._wait), secret

    def _mend(self, error: sqlite3.DatabaseError) -> None:
        """Begin anew where the file is no database any more."""
        if _is_broken(error):
            with self._lock:
                opened, self._opened = self._opened, None
                if opened is not None:
                    with suppress(sqlite3.Error):
                        opened[0].close()
                    _set_aside(self.directory)


def _database(directory: Path, size_limit: int, wait: float) -> diskcache.Cache:
    import diskcache  # loaded here, because most clients keep nothing on disk

    if (file := directory / FILES[0]).exists():
        _probe(file, wait)
    return diskcache.Cache(
        str(directory),
        timeout=wait,
        disk=_disk(),
        size_limit=size_limit,
        eviction_policy="least-recently-stored",
        statistics=0,
    )


def _probe(file: Path, wait: float) -> None:
    """Raise what is wrong with a database; diskcache would wait a minute for a locked one."""
    with closing(sqlite3.connect(file, timeout=wait)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _disk() -> Any:
    """Return the class that diskcache reads and writes values by; it takes bytes and no pickle."""
    import diskcache

    class BytesOnly(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
        """Bytes in the database itself: no pickle, no file whose name a row could choose."""

        def put(self, key: Any) -> tuple[Any, bool]:
            return sqlite3.Binary(_bytes(key)), True

        def get(self, key: Any, raw: Any) -> bytes:
            if not raw or not isinstance(key, (bytes, memoryview)):
                raise Planted("a key in the cache directory is a pickle; it was not read")
            return bytes(key)

        def store(self, value: Any, read: Any, key: Any = None) -> tuple[int, int, None, Any]:  # noqa: ARG002
            return 0, diskcache.core.MODE_RAW, None, sqlite3.Binary(_bytes(value))

        def fetch(self, mode: int, filename: Any, value: Any, read: Any) -> bytes:  # noqa: ARG002
            if mode != diskcache.core.MODE_RAW or not isinstance(value, (bytes, memoryview)):
                raise Planted("an entry in the cache directory is no bytes; it was not read")
            return bytes(value)

    return BytesOnly


def _bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise TypeError("only bytes are kept")
    return value


def _patiently(work: Callable[[], Any]) -> Any:
    """Do what may meet a locked database, again and again for a while."""
    import diskcache

    until = time.monotonic() + WRITE_WAIT
    while True:
        try:
            return work()
        except (diskcache.Timeout, sqlite3.OperationalError) as error:
            locked = isinstance(error, diskcache.Timeout) or "locked" in str(error)
            if not locked or time.monotonic() >= until:
                raise
            time.sleep(0.01)


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    return any(words in str(error) for words in ("malformed", "not a database", "disk image"))


def _set_aside(directory: Path) -> None:
    """Move a broken database out of the way, in place of an earlier one."""
    for name in FILES:
        with suppress(FileNotFoundError):
            (directory / name).replace(directory / f"{name}.broken")


def _name(key: bytes, secret: bytes) -> bytes:
    """Return the name of an entry, of which nobody without the secret can tell what was asked."""
    return hashlib.blake2b(key, key=secret, digest_size=32).digest()


def _secret(path: Path) -> bytes:
    """Return the directory's secret, made by the first who comes."""
    with suppress(FileNotFoundError):
        return _read(path)
    made = path.with_name(f".secret-{secrets.token_hex(8)}")
    descriptor = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
    try:
        with suppress(FileExistsError):  # another process may have been first
            os.link(made, path)  # whole or not at all
    finally:
        made.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    secret = path.read_bytes()
    if len(secret) != 32:
        raise ValueError(f"{path} is not a secret of ours; delete the directory")
    return secret
