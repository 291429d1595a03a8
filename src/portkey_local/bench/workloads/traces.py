"""Arrivals and sizes of calls that were made: a CSV trace, or this library's event log."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from portkey_local.bench.naming import BenchError
from portkey_local.bench.weather.recorded import MOST_TOKENS, log_lines, seconds_in, tokens_in

__all__ = ["Row", "from_csv", "from_event_log"]

COLUMNS: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
COUNT: Final = re.compile(r"(\d{1,12})(?:\.0*)?")  # some tools write whole numbers as 374.0

Row: TypeAlias = tuple[float, int, int]
"""When a call came (seconds since the first one), and the tokens of its prompt and its answer."""


def from_csv(path: Path) -> list[Row]:
    """Read a trace with the columns TIMESTAMP, ContextTokens and GeneratedTokens, in any order.

    A time is ISO 8601 or a number of seconds. Raises BenchError with the line of what is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(file, path))
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BenchError(f"{path}, line {_spoilt(path)}: is not UTF-8 text") from None
    if not rows:
        raise BenchError(f"{path}, line 2: the trace is empty: no call follows its header")
    return _since_the_first(rows)


def _rows(file: Iterable[str], path: Path) -> Iterator[Row]:
    records = _records(file, path)
    header = [name.strip() for name in next(records, ("", []))[1]]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise BenchError(f"{path}, line 1: the header lacks {', '.join(missing)}")
    places = [header.index(name) for name in COLUMNS]
    for where, fields in records:
        if not fields:
            continue
        if len(fields) != len(header):
            raise BenchError(f"{where}: {len(fields)} fields, not {len(header)}")
        time, prompt, answer = (fields[place].strip() for place in places)
        yield _time(time, where), _count(prompt, where, 1), _count(answer, where, 2)


def _records(file: Iterable[str], path: Path) -> Iterator[tuple[str, list[str]]]:
    """Walk the records and where each begins: a quote that nobody closes takes in all lines."""
    records = csv.reader(file)
    line = 1
    try:
        for fields in records:
            yield f"{path}, line {line}", fields
            line = records.line_num + 1
    except csv.Error as error:
        raise BenchError(f"{path}, line {line}: is no CSV: {error}") from None


def _spoilt(path: Path) -> int:
    """Return the first line that is no text."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _time(text: str, where: str) -> float:
    for read in (float, _since_1970):
        with suppress(ValueError):
            seconds = read(text)
            if math.isfinite(seconds):
                return seconds
    raise BenchError(f"{where}: TIMESTAMP {text!r} is neither ISO 8601 nor seconds")


def _since_1970(text: str) -> float:
    """Return ISO 8601 as seconds; a time without a zone is UTC, whatever this machine's is."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _count(text: str, where: str, column: int) -> int:
    found = COUNT.fullmatch(text)
    if found is None or int(found[1]) > MOST_TOKENS:
        raise BenchError(
            f"{where}: {COLUMNS[column]} {text!r} is no count of tokens, from 0 to {MOST_TOKENS:,}"
        )
    return int(found[1])


def from_event_log(path: Path) -> list[Row]:
    """Read the calls of an event log: when each began, and what it used.

    A call that told no usage has the mean of the others. Raises BenchError with the line of what is
    no event.
    """
    begun: dict[str, float] = {}
    used: dict[str, tuple[int, int]] = {}
    for _, event in log_lines(path):
        trace = str(event.get("trace_id"))
        begun.setdefault(trace, float(event["time"]) - seconds_in(event, "elapsed"))
        if event.get("output_tokens") is not None:
            used[trace] = tokens_in(event, "input_tokens"), tokens_in(event, "output_tokens")
    if not begun:
        raise BenchError(f"{path}, line 1: the event log is empty")
    count = max(1, len(used))
    prompts, answers = (sum(sizes[side] for sizes in used.values()) for side in (0, 1))
    mean = prompts // count, answers // count
    return _since_the_first([(at, *used.get(trace, mean)) for trace, at in begun.items()])


def _since_the_first(rows: list[Row]) -> list[Row]:
    rows.sort(key=lambda row: row[0])
    begin = rows[0][0]
    return [(at - begin, prompt, answer) for at, prompt, answer in rows]
