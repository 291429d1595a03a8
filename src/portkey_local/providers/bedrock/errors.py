"""What Bedrock's errors say, in OpenAI's terms.

An error's kind stands in the header `x-amzn-errortype` or, in an event stream, in that of the
message; the body has the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.vendor import (
    VendorError,
    error_event,
)

__all__ = ["STATUSES", "error_of", "kind_of", "stream_error"]

# Kind -> the HTTP status that it has outside a stream.
STATUSES: Final[Mapping[str, int]] = {
    "accessDeniedException": 403,
    "expiredTokenException": 403,
    "internalServerException": 500,
    "modelErrorException": 424,
    "modelNotReadyException": 429,
    "modelStreamErrorException": 424,
    "modelTimeoutException": 408,
    "resourceNotFoundException": 404,
    "serviceQuotaExceededException": 400,
    "serviceUnavailableException": 503,
    "throttlingException": 429,
    "unrecognizedClientException": 403,
    "validationException": 400,
}


def kind_of(told: Any) -> str | None:
    """Return an error's kind without what AWS writes around it.

    >>> kind_of("com.amazon.coral#ThrottlingException:http://internal.amazon.com/")
    'ThrottlingException'
    """
    if not isinstance(told, str):
        return None
    return told.partition(":")[0].rpartition("#")[2].strip() or None


def error_of(data: Any, kind: str | None = None) -> VendorError:
    """Return what an error body says; `kind` is its header's word."""
    if not isinstance(data, Mapping):
        return VendorError("", kind, kind)
    message = data.get("message", data.get("Message", data.get("errorMessage")))
    kind = kind or kind_of(data.get("__type", data.get("code")))
    return VendorError(message if isinstance(message, str) else "", kind, kind)


def stream_error(kind: str, body: Any) -> dict[str, Any]:
    """Return the error event of a stream's exception."""
    error = error_of(body, kind)
    if not error.message:
        error = VendorError(f"Bedrock ended the stream: {kind}", kind, kind)
    known = kind[:1].lower() + kind[1:]
    status = STATUSES.get(known, 500)
    if isinstance(body, Mapping) and isinstance(told := body.get("originalStatusCode"), int):
        status = told if 400 <= told < 600 else status
    return error_event(error, status, body)
