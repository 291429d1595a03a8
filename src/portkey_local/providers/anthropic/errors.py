"""What Anthropic's error bodies and rate-limit headers say, in OpenAI's terms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from portkey_local.providers.vendor import (
    VendorError,
)

__all__ = ["event_status", "rate_limits", "told_error"]

# The status that each error has outside a stream.
STATUSES: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
PREFIX: Final = "anthropic-ratelimit-"


def told_error(data: Mapping[str, Any]) -> VendorError:
    """Return what an error body says, a whole one or a stream's."""
    error = data["error"]
    if isinstance(error, str):
        return VendorError(error)
    message, kind = error.get("message"), error.get("type")
    return VendorError(
        message if isinstance(message, str) else "", kind if isinstance(kind, str) else None
    )


def event_status(data: Mapping[str, Any]) -> int:
    """Return the status that an error of a stream would have had outside it."""
    return STATUSES.get(told_error(data).type or "", 500)


def rate_limits(headers: Mapping[str, str], wall: float) -> dict[str, str]:
    """Return Anthropic's rate-limit headers under OpenAI's names.

    >>> rate_limits({"anthropic-ratelimit-requests-remaining": "7"}, 0.0)
    {'x-ratelimit-remaining-requests': '7'}
    """
    told = {}
    for ours, theirs in (("requests", "requests"), ("tokens", "input-tokens"),
                         ("tokens", "tokens")):  # fmt: skip
        for fact in ("limit", "remaining", "reset"):
            value = headers.get(f"{PREFIX}{theirs}-{fact}")
            if value is not None and fact == "reset":
                value = _seconds_until(value, wall)
            if value is not None:
                told[f"x-ratelimit-{fact}-{ours}"] = value
    return told


def _seconds_until(moment: str, wall: float) -> str | None:
    """Return how long it is until a moment, as OpenAI writes it."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return f"{max(0.0, then.timestamp() - wall):.3f}".rstrip("0").rstrip(".") + "s"
