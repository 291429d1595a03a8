"""From a failure to the exception a user of the openai package expects.

Exactly the installed package's classes, so that `except RateLimitError` works as before. The
message says what happened, at which target, and what was tried before; it never holds a key. Every
exception has a `response` with the `x-portkey-*` headers, made up where no provider answered.
"""

from __future__ import annotations

import sys
from typing import Any

import openai

from portkey_local.drivers.streams import StreamBroken
from portkey_local.model import Call, Failure, Fault, Outcome, Target
from portkey_local.providers.openai import redact
from portkey_local.transports import ROOT, response_headers, synthetic_body, wire_form

DENIED = 446


class StreamInterrupted(openai.APIError):
    """A stream broke after its first event: cut, stalled or malformed. What was read is not
    whole.
    """


class GuardrailDenied(openai.APIStatusError):
    """A guardrail denied the request or the answer; the status is 446."""

    @property
    def hook_results(self) -> dict[str, Any]:
        """What hooks ran and what they came to: before and after the request."""
        results = self.response.json().get("hook_results")
        return results if isinstance(results, dict) else {}


def denied(response: Any, body: Any) -> GuardrailDenied:
    """Return the exception for an answer with status 446; `body` is its decoded JSON."""
    error = body.get("error", body) if isinstance(body, dict) else body
    said = error.get("message") if isinstance(error, dict) else None
    message = f"Error code: {DENIED} - {said or 'denied by a guardrail'}"
    return GuardrailDenied(message, response=response, body=error)


def http_library() -> Any:
    """Return the HTTP library of the installed openai package: httpx2 (openai 3) or httpx (openai
    2).
    """
    return sys.modules[openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0]]


def exception(client: Any, call: Call, failure: Failure) -> Exception:
    """Return the exception for a failure; `client` is the openai client whose rules map
    statuses.
    """
    response = _response(call, failure)
    request = response.request
    error: openai.APIError
    match failure.fault:
        case Fault.STATUS | Fault.ROUTING | Fault.OPEN | Fault.GUARDRAIL | Fault.SIGN_IN:
            error = client._make_status_error_from_response(response)
            if failure.fault in (Fault.ROUTING, Fault.OPEN, Fault.SIGN_IN):
                error.message = f"Error code: {failure.status} - {failure.message}"
        case Fault.TIMEOUT:
            error = openai.APITimeoutError(request=request)
            error.message = f"Request timed out: {failure.message}"
        case Fault.NETWORK:
            error = openai.APIConnectionError(
                message=f"Connection error: {failure.message}", request=request
            )
        case Fault.ERROR_EVENT:
            error = openai.APIError(failure.message, request, body=failure.error)
        case Fault.MALFORMED:
            error = openai.APIError(f"Bad answer: {failure.message}", request, body=None)
    error.response = response  # type: ignore[attr-defined]
    told(error, error.message, call, failure.target)
    error.__cause__ = failure.cause
    return error


def told(error: openai.APIError, message: str, call: Call, target: Target | None) -> None:
    """Set an exception's message, with the trail of the call behind it."""
    text = message + trail_text(call, target)
    if target is not None:
        text = redact(text, target)
    error.message = text
    error.args = (text,)


def interrupted(
    call: Call, target: Target, response: Any, broken: StreamBroken
) -> StreamInterrupted:
    """Return the exception for a stream that broke."""
    error = StreamInterrupted(str(broken), response.request, body=None)
    error.response = response  # type: ignore[attr-defined]
    told(
        error,
        f"Stream interrupted: {broken}. What was read so far is not the whole answer",
        call,
        target,
    )
    return error


def trail_text(call: Call, target: Target | None) -> str:
    """Return where the call ended and what was tried, for the end of a message."""
    place = f" (at {target.path}, {target.provider})" if target is not None else ""
    if not call.trail:
        return place
    if target is not None and call.trail[-1].target == target.path:
        place = ""
    tries = "; ".join(
        f"{attempt.target} {attempt.provider}: {attempt.reason} after {attempt.seconds:.2f} s"
        for attempt in call.trail
    )
    return f"{place} [tried: {tries}]"


def _response(call: Call, failure: Failure) -> Any:
    """Return the provider's answer as a response, or one made up in the gateway's shape."""
    library = http_library()
    headers = response_headers(call, failure)
    content = failure.answer.content if failure.answer is not None else b""
    if failure.fault not in (Fault.STATUS, Fault.GUARDRAIL):
        content = synthetic_body(failure)
        headers = {**headers, "content-type": "application/json"}
    return library.Response(
        failure.status,
        headers=wire_form(headers),
        content=content,
        request=request_of(library, call, failure.target),
    )


def response_of(library: Any, call: Call, outcome: Outcome) -> Any:
    """Return the head of an outcome's answer as a response of the HTTP library, without a body."""
    return library.Response(
        outcome.status,
        headers=wire_form(response_headers(call, outcome)),
        request=request_of(library, call, outcome.target),
    )


def request_of(library: Any, call: Call, target: Target | None) -> Any:
    """Return the request of a call, as the library's object; it carries no key and no body."""
    base = target.url if target is not None else ROOT
    return library.Request(call.request.method, base + call.request.path)
