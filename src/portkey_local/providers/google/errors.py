"""What Google's error bodies say, in OpenAI's terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.vendor import (
    VendorError,
)

__all__ = ["error_of"]

SECONDS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def error_of(data: Any) -> tuple[int | None, VendorError]:
    """Return the HTTP status that an error body names, and what it says.

    The type is the status by its name at Google, the code the reason, where one is told.
    """
    if isinstance(data, list) and data:  # as in a stream that is one JSON array
        data = data[0]
    error = data.get("error") if isinstance(data, Mapping) else None
    if not isinstance(error, Mapping):
        return None, VendorError(error if isinstance(error, str) else "")
    reason, wait = _details(error.get("details"))
    kind, message, code = error.get("status"), error.get("message"), error.get("code")
    kind = kind if isinstance(kind, str) else None
    told = VendorError(message if isinstance(message, str) else "", kind, reason or kind, wait)
    known = isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600
    return (code if known else None), told


def _details(details: Any) -> tuple[str | None, float | None]:
    """Return the reason that the details name, and how many seconds they ask to wait."""
    reason = wait = None
    for each in details if isinstance(details, list) else ():
        if not isinstance(each, Mapping):
            continue
        kind = str(each.get("@type", "")).rpartition(".")[2]
        if kind == "ErrorInfo" and isinstance(each.get("reason"), str):
            reason = each["reason"]
        elif kind == "RetryInfo" and (found := SECONDS.fullmatch(str(each.get("retryDelay", "")))):
            wait = float(found[1])
    return reason, wait
