"""Looks through a directory of diskcache's, row by row, writes and tidies it, while others do.

Ground rules: no value is read unless it is asked for, and nothing but bytes is ever decoded: a row
that holds anything else is told and not touched. What is deleted is deleted as rows alone. A long
look is many short ones, so that nobody waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, Final

from portkey_local.caches.about import first_line
from portkey_local.caches.directory import Database, patiently
from portkey_local.effects import Row

__all__ = ["forget", "remove", "rows", "value", "veto", "vetoed", "vetoes", "write"]

BATCH: Final = 500
VETOES: Final = 10_000  # remembered pairs, some 400 KB
WRONG: Final = "something that is no bytes of ours; it was not read"
LOOK: Final = (
    "SELECT rowid, key, raw, store_time, expire_time, tag, mode, typeof(value), length(value),"
    " filename FROM Cache WHERE rowid > ? ORDER BY rowid LIMIT ?"
)
WRITE: Final = (
    "INSERT INTO Cache (key, raw, store_time, expire_time, access_time, access_count, tag, size,"
    " mode, filename, value) VALUES"
)
PLACES: Final = "(?, 1, ?, ?, ?, 0, ?, 0, 1, NULL, ?)"
INSTEAD: Final = (
    "ON CONFLICT (key, raw) DO UPDATE SET store_time = excluded.store_time,"
    " expire_time = excluded.expire_time, access_time = excluded.access_time, access_count = 0,"
    " tag = excluded.tag, size = 0, mode = 1, filename = NULL, value = excluded.value"
)
TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS Vetoes (id INTEGER PRIMARY KEY, pair BLOB NOT NULL UNIQUE)"
)
KNOWN: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'Vetoes'"
FEW: Final = (
    "DELETE FROM Vetoes WHERE id <= (SELECT id FROM Vetoes ORDER BY id DESC LIMIT 1 OFFSET ?)"
)


def write(store: Database, values: Sequence[tuple[bytes, bytes, float]]) -> None:
    """Write values, each under its name for so many seconds, in one transaction.

    The first goes by diskcache's own way, which also sweeps out a few that are over. The others go
    in one statement: each statement waits for the interpreter's lock, and in a busy program that
    takes longer than all the writing.
    """
    name, value, age = values[0]
    with store.transact():
        store.set(name, value, expire=age, tag=_tag(value))
        if len(values) > 1:
            now = time.time()
            given = [_columns(name, value, now, now + age) for name, value, age in values[1:]]
            text = f"{WRITE} {', '.join([PLACES] * len(given))} {INSTEAD}"
            _sql(store, text, *chain.from_iterable(given))
    if len(values) > 1 and store.volume() > store.size_limit:
        store.cull()


def _columns(name: bytes, value: bytes, now: float, until: float) -> tuple[Any, ...]:
    return name, now, until, now, _tag(value), value


def _tag(value: bytes) -> str | None:
    line = first_line(value)
    return None if line is None else line.decode(errors="replace")


def rows(store: Database) -> Iterator[Row]:
    """Go through the rows in the order in which they first came."""
    last = 0
    while found := patiently(partial(_look, store, last)):
        last = found[-1][0]
        yield from map(_row, found)


def _look(store: Database, last: int) -> list[Any]:
    found: list[Any] = _sql(store, LOOK, last, BATCH).fetchall()
    return found


def _row(found: Sequence[Any]) -> Row:
    number, key, raw, created, expires, tag, mode, kind, size, file = found
    wrong = type(key) is not bytes or raw != 1 or mode != 1 or kind != "blob" or file is not None
    return Row(
        name=f"row-{number}" if wrong else key.hex(),
        line=tag.encode() if isinstance(tag, str) and not wrong else None,
        size=size or 0,
        created=_time(created),
        expires=_time(expires),
        place=(number, created),
        wrong=WRONG if wrong else None,
    )


def _time(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def value(store: Database, row: Row) -> bytes | None:
    """Return the value of a row, or None where it is gone or `wrong`."""
    if row.wrong is not None:
        return None
    text = "SELECT value FROM Cache WHERE rowid = ? AND store_time = ?"
    found = patiently(lambda: _sql(store, text, *row.place).fetchone())
    return found[0] if found is not None and type(found[0]) is bytes else None


def remove(store: Database, doomed: Iterable[Row]) -> int:
    """Delete rows that are still as they were seen; return how many were."""
    places = (row.place for row in doomed)
    text = "DELETE FROM Cache WHERE rowid = ? AND store_time IS ?"
    return _many(store, text, places)


def forget(store: Database, names: Iterable[bytes]) -> int:
    """Delete the rows of these names; return how many there were."""
    return _many(store, "DELETE FROM Cache WHERE key = ?", ((name,) for name in names))


def _many(store: Database, text: str, given: Iterator[tuple[Any, ...]]) -> int:
    """Do one thing to many rows, some at a time; return how many it met."""
    count = 0
    while some := list(islice(given, BATCH)):
        count += patiently(partial(_together, store, text, some))
    return count


def _together(store: Database, text: str, given: Iterable[tuple[Any, ...]]) -> int:
    with store.transact():
        return sum(_sql(store, text, *values).rowcount for values in given)


def veto(store: Database, pair: bytes) -> None:
    """Remember a pair; of too many, the oldest is forgotten."""

    def write() -> None:
        with store.transact():
            _sql(store, TABLE)
            _sql(store, "INSERT OR IGNORE INTO Vetoes (pair) VALUES (?)", pair)
            _sql(store, FEW, VETOES)

    patiently(write)


def vetoed(store: Database, pair: bytes) -> bool:
    """Whether a pair is remembered."""
    text = "SELECT 1 FROM Vetoes WHERE pair = ?"
    return _has_table(store) and _sql(store, text, pair).fetchone() is not None


def vetoes(store: Database) -> int:
    """Return how many pairs are remembered."""
    if not _has_table(store):
        return 0
    count: int = _sql(store, "SELECT count(*) FROM Vetoes").fetchone()[0]
    return count


def _has_table(store: Database) -> bool:
    return bool(_sql(store, KNOWN).fetchone()[0])


def _sql(store: Database, text: str, *values: Any) -> Any:
    """Do one thing with this thread's connection, which diskcache keeps to itself."""
    return store._sql(text, values)  # noqa: SLF001 - it has no other way to look without reading
