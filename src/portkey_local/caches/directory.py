"""A directory of diskcache's as ours: bytes only, its owner's alone, and mended where it is broken.

Ground rules: this and `ledger` are all that is known of diskcache and its tables. Nothing that lies
in the directory is run, and no file that a row names is read or deleted.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    import diskcache

__all__ = [
    "FILES",
    "KEY_FILE",
    "Database",
    "Planted",
    "database",
    "inode_of",
    "is_broken",
    "is_ours",
    "name_of",
    "patiently",
    "probe",
    "secret_of",
    "set_aside",
]

T = TypeVar("T")
Database: TypeAlias = "diskcache.Cache"
WRITE_WAIT: Final = 5.0  # seconds that a write waits for its turn
FILES: Final = ("cache.db", "cache.db-wal", "cache.db-shm")
KEY_FILE: Final = "secret"
KEY_SIZE: Final = 32  # bytes


class Planted(Exception):
    """Something in the directory is no bytes of ours, and would be run if it were read."""


def database(directory: Path, size_limit: int, wait: float) -> Database:
    """Open a directory's database, or make it; raise sqlite3's errors for one that is broken."""
    import diskcache  # loaded here, because most clients keep nothing on disk

    if (file := directory / FILES[0]).exists():
        probe(file, wait)
    return diskcache.Cache(
        str(directory),
        timeout=wait,
        disk=_disk(),
        size_limit=size_limit,
        eviction_policy="least-recently-stored",
        statistics=0,
    )


def probe(file: Path, wait: float) -> None:
    """Raise what is wrong with a database; diskcache would wait a minute for a locked one.

    It writes where it opens, so a lock that keeps only writers out counts as well.
    """
    with closing(sqlite3.connect(file, timeout=wait)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("BEGIN IMMEDIATE")


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

        def remove(self, file_path: Any) -> None:
            """Delete no file: none is ours, and a row could name any."""

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


def patiently(work: Callable[[], T]) -> T:
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


def is_broken(error: sqlite3.DatabaseError) -> bool:
    """Whether an error says that the file is no database any more."""
    return any(words in str(error) for words in ("malformed", "not a database", "disk image"))


def inode_of(file: Path) -> int:
    """Return what tells a file from one that was put in its place; 0 where there is none."""
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return 0


def set_aside(directory: Path) -> None:
    """Move a broken database out of the way, in place of an earlier one."""
    for name in FILES:
        with suppress(FileNotFoundError):
            (directory / name).replace(directory / f"{name}.broken")


def name_of(key: bytes, secret: bytes) -> bytes:
    """Return the name of an entry, of which nobody without the secret can tell what was asked."""
    return hashlib.blake2b(key, key=secret, digest_size=32).digest()


def is_ours(directory: Path) -> bool:
    """Whether a directory is a cache that we have made; one of diskcache's has no such secret."""
    file, secret = directory / FILES[0], directory / KEY_FILE
    return file.is_file() and secret.is_file() and secret.stat().st_size == KEY_SIZE


def secret_of(path: Path) -> bytes:
    """Return the directory's secret, made by the first who comes."""
    with suppress(FileNotFoundError):
        return _read(path)
    made = path.with_name(f".secret-{secrets.token_hex(8)}")
    descriptor = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_SIZE))
    try:
        with suppress(FileExistsError):  # another process may have been first
            os.link(made, path)  # whole or not at all
    finally:
        made.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    secret = path.read_bytes()
    if len(secret) != KEY_SIZE:
        raise ValueError(f"{path} is not a secret of ours; delete the directory")
    return secret
