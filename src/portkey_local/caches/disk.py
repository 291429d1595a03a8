"""A cache in a directory, on diskcache: shared by processes, and still there after a restart.

Ground rules: bytes only. diskcache would write other values as pickles, and run the code in any
pickle it finds; this one refuses both and says so. The directory is its owner's alone, and the
names of the entries are digests keyed with a secret that lies in it. Nothing is written while a
call waits: `writer` does that, and what waits to be written is found at once in this process. What
was stored longest ago goes first, so that reading never writes.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from portkey_local.caches import ledger
from portkey_local.caches.directory import (
    FILES,
    KEY_FILE,
    Database,
    database,
    inode_of,
    is_broken,
    name_of,
    patiently,
    secret_of,
    set_aside,
)
from portkey_local.caches.questions_on_disk import DiskQuestions
from portkey_local.caches.writer import Batch, Waiting, Writer
from portkey_local.effects import Row

__all__ = ["DiskCache"]

SIZE: Final = 1024**3
FOLDER_MODE: Final = 0o700
READ_WAIT: Final = 0.25  # seconds that a lookup waits for a locked database
REST: Final = 5.0  # seconds for which a directory that cannot be used is left alone


class DiskCache:
    """Keeps answers in `directory`, at most about `size_limit` bytes of them.

    Opens nothing until it is asked. Several processes may share a directory; each finds what the
    others have written. A directory whose file is no database any more begins anew, and the old
    file is set aside as `cache.db.broken`; so does one that was deleted.
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
        self._opened: tuple[Database, bytes] | None = None
        self._file = self.directory / FILES[0]
        self._inode = 0
        self._rest_until = 0.0
        self._trouble: Exception | None = None
        self._lost: sqlite3.DatabaseError | None = None  # that nobody has been told of yet
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
            value = store.get(name_of(key, secret))
        except sqlite3.DatabaseError as error:
            self._mend(error)
            raise
        if value is not None:
            return bytes(value)
        lost, self._lost = self._lost, None
        if lost is not None:  # the file was broken when it was opened; a miss is the time to say so
            raise lost.with_traceback(None)
        return None

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

    def _write(self, batch: Batch) -> None:
        try:
            patiently(lambda: self._set(batch))
        except sqlite3.DatabaseError as error:
            self._mend(error)
            self._set(batch)

    def _set(self, batch: Batch) -> None:
        store, secret = self._store()
        values = [(name_of(key, secret), waiting) for key, waiting in batch]
        ledger.write(store, [(name, each.value, each.age) for name, each in values])

    def flush(self) -> None:
        """Wait until what was put is written."""
        self._writer.flush()
        self.questions.flush()

    def close(self) -> None:
        """Write what waits, and close the files; the next call opens them again."""
        self._writer.stop()
        self.questions.close()
        with self._lock:
            self._let_go()

    def _leave(self) -> None:
        """Close the connection of a thread that ends; sqlite has one for each."""
        opened = self._opened
        if opened is not None:
            opened[0].close()

    # --- looked through, and tidied

    def rows(self) -> Iterator[Row]:
        """Go through what is written, also by other processes; no value is read."""
        self._writer.flush()
        store, _ = self._store()
        return ledger.rows(store)

    def value(self, row: Row, /) -> bytes | None:
        """Return a row's value, or None where it is gone or `wrong`."""
        store, _ = self._store()
        return ledger.value(store, row)

    def remove(self, rows: Iterable[Row], /) -> int:
        """Delete rows, unless their values have been replaced since; return how many."""
        store, secret = self._store()
        gone: set[str] = set()

        def noted() -> Iterator[Row]:
            for row in rows:
                gone.add(row.name)
                yield row

        count = ledger.remove(store, noted())
        if gone:
            keys = self.questions.keys()
            self.questions.remove([key for key in keys if name_of(key, secret).hex() in gone])
        return count

    def forget(self, keys: Iterable[bytes], /) -> int:
        """Delete what is kept under keys; return how much of it there was."""
        self._writer.flush()
        store, secret = self._store()
        keys = list(keys)
        self.questions.remove(keys)
        return ledger.forget(store, [name_of(key, secret) for key in keys])

    def clear(self) -> int:
        """Delete every row, but no veto; return how many."""
        count = self.remove(self.rows())
        self.questions.clear()
        return count

    def veto(self, pair: bytes, /) -> None:
        """Remember a pair of questions that have not the same answer, for all processes."""
        store, secret = self._store()
        ledger.veto(store, name_of(pair, secret))

    def vetoed(self, pair: bytes, /) -> bool:
        """Whether a pair is remembered."""
        store, secret = self._store()
        return ledger.vetoed(store, name_of(pair, secret))

    def vetoes(self) -> int:
        """Return how many pairs are remembered."""
        store, _ = self._store()
        return ledger.vetoes(store)

    # --- the directory

    def _store(self) -> tuple[Database, bytes]:
        """Return the open directory; raise what is wrong with it, without asking it too often."""
        if self._owner != os.getpid():  # forked: another thread's lock would never be released
            self._lock, self._owner, self._opened = threading.Lock(), os.getpid(), None
        opened = self._opened
        if opened is not None and self._inode == inode_of(self._file):
            return opened
        with self._lock:
            if self._opened is None or self._inode != inode_of(self._file):
                self._let_go()
                self._opened = self._open()
                self._inode = inode_of(self._file)
            return self._opened

    def _let_go(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(sqlite3.Error):
                opened[0].close()

    def _open(self) -> tuple[Database, bytes]:
        if self._trouble is not None and time.monotonic() < self._rest_until:
            raise self._trouble.with_traceback(None)
        try:
            opened = self._opened_anew()
        except Exception as error:
            self._trouble, self._rest_until = error, time.monotonic() + REST
            raise
        self._trouble = None
        return opened

    def _opened_anew(self) -> tuple[Database, bytes]:
        self.directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self.directory.chmod(FOLDER_MODE)  # raises in a directory that is somebody else's
        secret = secret_of(self.directory / KEY_FILE)
        try:
            return database(self.directory, self.size_limit, self._wait), secret
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
            set_aside(self.directory)
            self._lost = error
            return database(self.directory, self.size_limit, self._wait), secret

    def _mend(self, error: sqlite3.DatabaseError) -> None:
        """Begin anew where the file is no database any more."""
        if is_broken(error):
            with self._lock:
                if self._opened is not None:
                    self._let_go()
                    if self._inode == inode_of(self._file):  # else another process was first
                        set_aside(self.directory)
