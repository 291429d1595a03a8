"""Questions in a file of their own beside the answers: shared by processes, there after a restart.

Ground rules: as in `disk`: bytes and texts only, in a folder that is its owner's alone; nothing is
written while a call waits, yet what waits to be written is found at once in this process. Numbers
only grow, so one indexed query tells what anybody has added since the last look. A file that is no
database any more is set aside, and begun anew; its numbers begin with the time, beyond all that
the old one had.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from portkey_local.caches.directory import inode_of
from portkey_local.caches.questions import SWEEP, Question
from portkey_local.caches.writer import Batch, Waiting, Writer

__all__ = ["DiskQuestions"]

T = TypeVar("T")
QUESTIONS: Final = 100_000  # about 200 MB, with vectors of 384 numbers
FILE: Final = "questions.db"
FOLDER_MODE: Final = 0o700
READ_WAIT: Final = 0.25  # seconds that a look waits for a locked database
WRITE_WAIT: Final = 5.0  # seconds that a write does, behind everybody's back
GONE: Final = b""  # waits in place of a question that is to be forgotten
TABLE: Final = """
CREATE TABLE IF NOT EXISTS questions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    scope BLOB NOT NULL,
    key BLOB NOT NULL UNIQUE,
    text BLOB NOT NULL,
    vector BLOB NOT NULL,
    created REAL NOT NULL,
    until REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS questions_by_scope ON questions (scope, number);
CREATE INDEX IF NOT EXISTS questions_by_end ON questions (until);
"""
ADD: Final = """
INSERT OR REPLACE INTO questions (scope, key, text, vector, created, until)
VALUES (?, ?, ?, ?, ?, ?)
"""
SINCE: Final = """
SELECT scope, key, text, vector, created, until, number FROM questions
WHERE scope = ? AND number > ? ORDER BY number
"""
COUNTED: Final = "SELECT count(*) FROM sqlite_sequence"
BEGIN: Final = """
INSERT INTO sqlite_sequence (name, seq)
SELECT 'questions', ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence)
"""
OLDEST: Final = """
DELETE FROM questions
WHERE number <= (SELECT number FROM questions ORDER BY number DESC LIMIT 1 OFFSET ?)
"""

BROKEN: Final = ("malformed", "not a database", "disk image", "no such table", "no such column")

_LEFT: Final[list[_Door]] = []  # a parent's connections, which its child must not close


class DiskQuestions:
    """Keeps questions in `directory`, at most about `max_questions` of them; opens nothing yet."""

    def __init__(
        self, directory: str | os.PathLike[str], *, max_questions: int = QUESTIONS
    ) -> None:
        """Take where to keep questions."""
        self.directory = Path(directory).expanduser()
        self.max_questions = max_questions
        self._writer = Writer(self._write)
        self._begin()

    def _begin(self) -> None:
        self._owner = os.getpid()
        self._waiting: dict[bytes, Question] = {}
        self._reading = _Door(self.directory, READ_WAIT)
        self._writing = _Door(self.directory, WRITE_WAIT)
        self._written = SWEEP  # the first write sweeps as well

    def add(self, question: Question, failed: Callable[[Exception], None], /) -> None:
        """Keep a question; written by a thread of our own."""
        self._at_home()
        self._waiting[question.key] = question
        age = question.until - question.created

        def lost(error: Exception) -> None:
            self._leave(question)
            failed(error)

        try:
            self._writer.add(question.key, Waiting(question.vector, question.until, age, lost))
        except BaseException:
            self._waiting.pop(question.key, None)
            raise

    def since(self, scope: bytes, number: int, /) -> Sequence[Question]:
        """Return the questions of a scope that came after `number`, from whatever process."""
        self._at_home()
        # First what waits: what is written meanwhile comes twice then, and not never.
        waiting = [each for each in list(self._waiting.values()) if each.scope == scope]
        if not (self.directory / FILE).exists():
            return waiting
        with self._reading.opened() as database:
            rows = database.execute(SINCE, (scope, number)).fetchall()
        return [*map(_question, rows), *waiting]

    def keys(self) -> list[bytes]:
        """Return the keys that the written questions lead to."""
        self._at_home()
        self.flush()
        if not (self.directory / FILE).exists():
            return []
        return self._reading.mended(_keys)

    def remove(self, keys: Collection[bytes], /) -> None:
        """Forget the questions that lead to these keys; written by a thread of our own."""
        self._at_home()
        for key in keys:
            self._waiting.pop(key, None)
            self._writer.add(key, Waiting(GONE, 0.0, 0.0, _unheeded))

    def clear(self) -> None:
        """Forget all, and give the room back."""
        self._at_home()
        self.flush()
        if not (self.directory / FILE).exists():
            return
        self._writing.mended(_cleared)

    def flush(self) -> None:
        """Wait until what was added is written."""
        self._writer.flush()

    def close(self) -> None:
        """Write what waits, and close the file; the next call opens it again."""
        self._at_home()
        self._writer.stop()
        self._reading.close()
        self._writing.close()

    def _at_home(self) -> None:
        """In a forked process begin anew: the parent writes what waits there."""
        if self._owner != os.getpid():
            _LEFT.extend((self._reading, self._writing))
            self._begin()

    def _write(self, batch: Batch) -> None:
        """Write some questions, and forget those that are to be, in one transaction."""
        added = [(key, self._waiting.get(key)) for key, each in batch if each.value != GONE]
        gone = [(key,) for key, each in batch if each.value == GONE]
        questions = [question for _, question in added if question is not None]
        with self._writing.opened() as database, database:
            database.executemany("DELETE FROM questions WHERE key = ?", gone)
            database.executemany(ADD, map(_row, questions))
            self._written += len(questions)
            if questions and self._written >= SWEEP:
                self._written = 0
                database.execute("DELETE FROM questions WHERE until <= ?", (questions[0].created,))
                database.execute(OLDEST, (self.max_questions,))
        for question in questions:
            self._leave(question)

    def _leave(self, question: Question) -> None:
        """Let a question wait no more, unless a newer one of its key does."""
        if self._waiting.get(question.key) is question:
            del self._waiting[question.key]


class _Door:
    """One connection to the file, for one thread at a time; opened when it is first needed."""

    def __init__(self, directory: Path, wait: float) -> None:
        self._directory = directory
        self._wait = wait
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file = directory / FILE
        self._inode = 0

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Give the connection; of a file that is no database, begin anew and raise what it said."""
        with self._lock:
            try:
                if self._connection is None or self._inode != inode_of(self._file):
                    self._close()
                    self._connection = _open(self._directory, self._wait)
                    self._inode = inode_of(self._file)
                yield self._connection
            except sqlite3.DatabaseError as error:
                if _is_broken(error):
                    opened = self._connection is not None
                    self._close()
                    if not opened or self._inode == inode_of(self._file):  # else one was first
                        _set_aside(self._directory)
                raise

    def mended(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the file, or with the new one where it was no database any more."""
        try:
            with self.opened() as database:
                return work(database)
        except sqlite3.DatabaseError as error:
            if not _is_broken(error):
                raise
            with self.opened() as database:
                return work(database)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _unheeded(_: Exception) -> None:
    """Take a failure to forget: whoever meets the question finds that it leads nowhere."""


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    return any(words in str(error) for words in BROKEN)


def _keys(database: sqlite3.Connection) -> list[bytes]:
    return [key for (key,) in database.execute("SELECT key FROM questions")]


def _cleared(database: sqlite3.Connection) -> None:
    with database:
        database.execute("DELETE FROM questions")
    database.execute("VACUUM")


def _set_aside(directory: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path = directory / f"{FILE}{end}"
        with suppress(FileNotFoundError):
            path.replace(path.with_name(f"{path.name}.broken"))


def _open(directory: Path, wait: float) -> sqlite3.Connection:
    directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    directory.chmod(FOLDER_MODE)  # raises in a directory that is somebody else's
    connection = sqlite3.connect(directory / FILE, timeout=wait, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(TABLE).close()
        with connection:
            if not connection.execute(COUNTED).fetchone()[0]:
                connection.execute(BEGIN, (time.time_ns() // 1_000_000,))
    except BaseException:
        connection.close()
        raise
    return connection


def _row(question: Question) -> tuple[Any, ...]:
    text = question.text.encode("utf-8", "surrogatepass")
    head = (question.scope, question.key, text, question.vector)
    return (*head, question.created, question.until)


def _question(row: tuple[Any, ...]) -> Question:
    """Read a row; raise ValueError for one that is not ours."""
    scope, key, text, vector, created, until, number = row
    if not all(isinstance(part, bytes) for part in (scope, key, text, vector)):
        raise ValueError("a row among the kept questions is not ours")
    return Question(
        scope, key, text.decode("utf-8", "surrogatepass"), vector, created, until, number
    )
