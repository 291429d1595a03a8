"""Keys among a caller's headers, kept out of the SDK's debug log.

The SDK logs a request's options and masks only the headers that OpenAI takes keys in. A caller of
ours may give those of other vendors, for a target that forwards them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portkey_local.transports import WITHHELD

__all__ = ["mask_credentials"]


class Masked(str):
    """A text that is sent as it is, and not shown where a dict that holds it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return nothing of it."""
        return "'<redacted>'"


def mask_credentials(options: Any) -> None:
    """Let the credentials among a request's headers not be shown."""
    given = options.headers
    if isinstance(given, Mapping) and any(name.lower() in WITHHELD for name in given):
        options.headers = {
            name: Masked(value) if isinstance(value, str) and name.lower() in WITHHELD else value
            for name, value in given.items()
        }
