"""Failures in the words of Anthropic's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.model import Failure, Fault
from portkey_local.providers.anthropic.errors import STATUSES
from portkey_local.providers.openai import encode_json
from portkey_local.providers.sse import decode_json

__all__ = ["error_body", "error_of", "failure_body", "kind_of", "retold", "status_of"]

KINDS: Final[Mapping[int, str]] = {status: kind for kind, status in STATUSES.items()}
OVERLOADED: Final = frozenset({503, 529})
TOLD: Final = ("code", "provider", "provider_error")  # what else an error may say


def kind_of(status: int) -> str:
    """Return the type that Anthropic gives an error of an HTTP status.

    >>> kind_of(429), kind_of(422), kind_of(502)
    ('rate_limit_error', 'invalid_request_error', 'api_error')
    """
    if status in OVERLOADED:
        return "overloaded_error"
    return KINDS.get(status) or ("api_error" if status >= 500 else "invalid_request_error")


def status_of(kind: Any) -> int | None:
    """Return the HTTP status of a type of error, None for one that Anthropic does not have."""
    return STATUSES.get(kind) if isinstance(kind, str) else None


def error_body(status: int, message: str, **more: Any) -> dict[str, Any]:
    """Return an error's body."""
    return {"type": "error", "error": {"type": kind_of(status), "message": message, **more}}


def error_of(status: int, told: Any) -> dict[str, Any]:
    """Return an error of OpenAI's shape, or any other JSON, as Anthropic's."""
    inner = told.get("error", told) if isinstance(told, Mapping) else told
    if isinstance(inner, Mapping):
        message = inner.get("message")
        more = {name: inner[name] for name in TOLD if inner.get(name) is not None}
    else:
        message, more = inner, {}
    text = message if isinstance(message, str) and message else f"HTTP {status}"
    return error_body(status, text, **more)


def retold(status: int, content: bytes) -> bytes:
    """Return an error answer's body as Anthropic's; one that is already stays as it is."""
    try:
        told = decode_json(content) if content else None
    except ValueError:
        told = content[:2000].decode("utf-8", "replace")
    if isinstance(told, Mapping) and told.get("type") == "error":
        return content
    try:
        return encode_json(error_of(status, told))
    except (RecursionError, ValueError):  # what some take for JSON, and others do not
        return encode_json(error_body(status, f"HTTP {status}"))


def failure_body(failure: Failure) -> bytes:
    """Return the body of a failure; a provider's answer is in Anthropic's words already.

    A denial keeps its `hook_results`.
    """
    content = failure.answer.content if failure.answer is not None else b""
    match failure.fault:
        case Fault.STATUS if content:
            return content
        case Fault.GUARDRAIL:
            return encode_json({"type": "error", **decode_json(content)})
    return encode_json(error_body(failure.status, failure.message))
