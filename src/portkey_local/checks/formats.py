"""The `format`s of JSON Schema that texts of a model are likely to name."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from jsonschema import FormatChecker

EMAIL: Final = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)*")
HOST: Final = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*")
INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)")
CLOCK: Final = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?")
DURATION: Final = re.compile(
    r"P(?=[\dT])(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?|P\d+W"
)


@cache
def checker() -> FormatChecker:
    """Return jsonschema's formats, with those besides that it needs other libraries for."""
    from jsonschema import Draft202012Validator, FormatChecker

    known = FormatChecker(())
    known.checkers = {**Draft202012Validator.FORMAT_CHECKER.checkers}
    for name, judge in OWN.items():
        known.checkers[name] = (_of_text(judge), ValueError)
    return known


def _of_text(judge: Any) -> Any:
    """Return a judge that lets everything but text pass: formats say nothing of it."""
    return lambda value: not isinstance(value, str) or bool(judge(value))


def _date_time(text: str) -> bool:
    found = INSTANT.fullmatch(text)
    return found is not None and bool(datetime.fromisoformat(text.upper()))


def _time(text: str) -> bool:
    return CLOCK.fullmatch(text) is not None and time.fromisoformat(text.upper()) is not None


def _date(text: str) -> bool:
    return len(text) == len("2000-01-01") and bool(date.fromisoformat(text))


def _uri(text: str) -> bool:
    return bool(urlsplit(text).scheme) and re.search(r"[\s<>\"{}|\\^`]", text) is None


OWN: Final = {
    "email": EMAIL.fullmatch,
    "hostname": HOST.fullmatch,
    "date": _date,
    "time": _time,
    "date-time": _date_time,
    "duration": DURATION.fullmatch,
    "uri": _uri,
}
