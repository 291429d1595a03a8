"""How long a provider asks to wait: every form of Retry-After.

`retry-after-ms` and `x-ms-retry-after-ms` are milliseconds and come first, as in the Portkey
gateway; `retry-after` is seconds or an HTTP date in any of the three forms of RFC 9110 (section
5.6.7).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Return the wait in seconds, or None when the headers ask for none that can be read.

    `headers` have lower-case names; `wall` is the time of day in seconds since the epoch. A date
    that has passed asks for no wait at all.
    """
    for name in MILLISECONDS:
        if name in headers:
            milliseconds = _number(headers[name])
            if milliseconds is not None:
                return milliseconds / 1000
    if "retry-after" not in headers:
        return None
    value = headers["retry-after"]
    seconds = _number(value)
    return seconds if seconds is not None else _until(value, wall)


def _number(text: str) -> float | None:
    return float(text) if NUMBER.fullmatch(text.strip()) else None


def _until(date: str, wall: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # the asctime form has no zone and means GMT
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - wall)
