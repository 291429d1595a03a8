"""What is in a cache, and what is taken out of it: by name, namespace, age, model or writer.

Ground rules: everything here works while others read and write. Looking reads no answer, and what
cannot be read is told, never skipped; only an export with bodies reads answers. A file is written
beside the one it replaces, so that an export that is interrupted leaves nothing half.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final, cast

from pydantic_core import from_json

from portkey_local.caches.about import read, writer_of
from portkey_local.effects import Browsable, Cache, Row

__all__ = [
    "CacheEntry",
    "CacheStats",
    "Criteria",
    "browsable",
    "delete",
    "entries",
    "export",
    "export_to",
    "stats",
]

METHODS: Final = (
    "rows", "value", "remove", "forget", "clear", "veto", "vetoed", "vetoes",
)  # fmt: skip
TOLD: Final = ("namespace", "endpoint", "model", "provider", "trace_id", "writer")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """What is known of an entry without its answer; nothing of a prompt is.

    Times are seconds since 1970, `size` is in bytes. `writer` is the digest of the user who caused
    it, `trace_id` that of the call. `wrong` says why it was not read; of an entry that an older
    version wrote nothing more is known than its name, its times and its size.
    """

    name: str
    created: float
    expires: float
    size: int
    namespace: str | None = None
    endpoint: str | None = None
    model: str | None = None
    provider: str | None = None
    trace_id: str | None = None
    writer: str | None = None
    wrong: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict without what is unknown."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """A cache in numbers: `expired` entries are over and not yet swept, `wrong` ones were not read,
    `vetoes` are remembered pairs. The three mappings count what is served.
    """

    entries: int
    size: int
    expired: int
    wrong: int
    vetoes: int
    oldest: float | None
    newest: float | None
    namespaces: Mapping[str, int] = field(default_factory=dict)
    models: Mapping[str, int] = field(default_factory=dict)
    endpoints: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Which entries are meant: those that fit all that is given.

    `names` are beginnings of names, `older_than` is in seconds, `writer` a user's name, its digest,
    or a trace id.
    """

    names: tuple[str, ...] = ()
    namespace: str | None = None
    older_than: float | None = None
    model: str | None = None
    writer: str | None = None

    def __bool__(self) -> bool:
        """Whether anything is given."""
        return self != Criteria()

    def fit(self, entry: CacheEntry, now: float) -> bool:
        """Whether an entry is meant."""
        if self.names and not entry.name.startswith(self.names):
            return False
        if self.older_than is not None and now - entry.created < self.older_than:
            return False
        if self.namespace is not None and entry.namespace != self.namespace:
            return False
        if self.model is not None and entry.model != self.model:
            return False
        return self.writer is None or self.writer_fits(entry)

    def writer_fits(self, entry: CacheEntry) -> bool:
        """Whether an entry is its writer's."""
        known = {entry.writer, entry.trace_id} - {None}
        return self.writer is not None and bool(known & {self.writer, writer_of(self.writer)})


def browsable(cache: Cache) -> Browsable:
    """Return a cache that can be looked through. Raises TypeError for one that cannot."""
    missing = [name for name in METHODS if not hasattr(cache, name)]
    if missing:
        raise TypeError(
            f"{type(cache).__name__} cannot be looked through: it has no {', '.join(missing)}; "
            "MemoryCache and DiskCache can"
        )
    return cast("Browsable", cache)


def entries(
    cache: Browsable, now: float, criteria: Criteria, *, expired: bool = False
) -> Iterator[tuple[Row, CacheEntry]]:
    """Go through the entries that are meant; those whose time is over only if asked for."""
    for row in cache.rows():
        entry = _entry(row)
        over = now >= row.expires and row.wrong is None
        if (expired or not over) and criteria.fit(entry, now):
            yield row, entry


def _entry(row: Row) -> CacheEntry:
    said = read(row.line)
    created = said.get("created")
    told: dict[str, Any] = {name: said[name] for name in TOLD if isinstance(said.get(name), str)}
    return CacheEntry(
        name=row.name,
        created=created if isinstance(created, (int, float)) else row.created,
        expires=row.expires,
        size=row.size,
        wrong=row.wrong,
        **told,
    )


def delete(cache: Browsable, now: float, criteria: Criteria) -> int:
    """Delete the entries that are meant; return how many. Raises ValueError where nothing is given:
    `clear` deletes everything.
    """
    if not criteria:
        raise ValueError("say which entries: by name, namespace, older_than, model or writer")
    return cache.remove(row for row, _ in entries(cache, now, criteria, expired=True))


def stats(cache: Browsable, now: float) -> CacheStats:
    """Return a cache in numbers."""
    kept, expired, wrong, size = [], 0, 0, 0
    for row, entry in entries(cache, now, Criteria(), expired=True):
        size += row.size
        if row.wrong is not None:
            wrong += 1
        elif now >= row.expires:
            expired += 1
        else:
            kept.append(entry)
    times = [entry.created for entry in kept if entry.created]
    return CacheStats(
        entries=len(kept),
        size=size,
        expired=expired,
        wrong=wrong,
        vetoes=cache.vetoes(),
        oldest=min(times, default=None),
        newest=max(times, default=None),
        namespaces=_counted(entry.namespace for entry in kept),
        models=_counted(entry.model for entry in kept),
        endpoints=_counted(entry.endpoint for entry in kept),
    )


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(value for value in values if value is not None).most_common())


def export(cache: Browsable, now: float, criteria: Criteria, *, bodies: bool) -> Iterator[str]:
    """Return a line of JSON for each entry that is meant, with its answer if `bodies` is true."""
    for row, entry in entries(cache, now, criteria):
        told = entry.to_dict()
        if bodies and row.wrong is None:
            told["answer"] = _answer(cache.value(row))
        yield json.dumps(told, ensure_ascii=False)


def _answer(value: bytes | None) -> Any:
    """Return the answer in an entry: its JSON, or the events of its stream; None for neither."""
    try:
        _, _, _, _, data, events, *_ = from_json((value or b"").partition(b"\n")[2])
    except (TypeError, ValueError):
        return None
    if events is None:
        return data
    return [event[0] if event is not None else "[DONE]" for _, event in events]


def export_to(path: str | os.PathLike[str], lines: Iterable[str]) -> int:
    """Write lines to a file that only its owner may read, whole or not at all; return how many."""
    target = Path(path).expanduser().resolve()
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            count = _written(file, lines)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return count


def _written(file: IO[str], lines: Iterable[str]) -> int:
    count = 0
    for line in lines:
        file.write(line + "\n")
        count += 1
    return count
