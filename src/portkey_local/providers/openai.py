"""The codec of OpenAI and of every compatible host.

Ground rules: pure functions. The body a provider receives is what the bare SDK would have sent;
only `override_params` changes it (a `null` there removes the parameter). The caller's own headers
go along, except what belongs to a connection, to the SDK's own bookkeeping, or to a credential:
the target alone decides how it is signed in, unless it forwards the caller's by name. An answer's
body comes back untouched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from portkey_local.model import (
    Answer,
    Failure,
    Fault,
    Outcome,
    Packet,
    Reply,
    Request,
    ServerEvent,
    Target,
    merge,
)
from portkey_local.providers.completion import OWN_FIELDS
from portkey_local.providers.multipart import override_form
from portkey_local.providers.retry_after import retry_after
from portkey_local.providers.sse import SseReader, decode_json

MODEL_NEEDED = frozenset({"/chat/completions", "/completions", "/embeddings"})
TEXT_ANSWERS = ("/audio/",)  # whose `response_format` may ask for plain text
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
EVENT_STREAM = "text/event-stream"
OWN_MARKS = tuple(f'"{name}"'.encode() for name in OWN_FIELDS)
TERMINAL_NEEDED = (
    "/audio/",
    "/chat/completions",
    "/completions",
    "/images/",
    "/responses",
    "/threads",
)


class OpenAICodec:
    """OpenAI's wire format, unchanged.

    `own_fields`: whether messages may hold what other vendors' answers have beyond OpenAI's fields
    (their reasoning, for the next turn). OpenAI's own hosts refuse it, so it is left out for them.
    """

    def __init__(self, *, own_fields: bool = True) -> None:
        """Say how a host takes fields that are not OpenAI's."""
        self.own_fields = own_fields

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request`, with the target's overrides and sign-in."""
        headers = message_headers(target, request)
        content = request.content
        if request.body is not None:
            body = merge(request.body, target.override) if target.override else request.body
            if "model" not in body and request.path in MODEL_NEEDED:
                return no_model(target)
            content = request.encoded
            if content is None or target.override:
                content = encode_json(body)
            if not self.own_fields and any(mark in content for mark in OWN_MARKS):
                content = encode_json(without_own_fields(body))
        elif content is not None and target.override:
            content = override_form(
                content, request.headers.get("content-type", ""), target.override
            )
        url = target.url + request.path
        if request.query:
            url += ("&" if "?" in url else "?") + request.query
        idle = target.idle_timeout if request.stream else None
        return Packet(request.method, url, headers, content, idle)

    def decode(self, target: Target, request: Request, answer: Answer, wall: float) -> Outcome:
        """Judge a whole answer."""
        if not 200 <= answer.status < 300:
            return _status_failure(target, answer, wall)
        if not request.json_expected:
            return Reply(target, answer)
        content_type = answer.headers.get("content-type", "")
        if request.path.startswith(TEXT_ANSWERS) and "json" not in content_type and answer.content:
            return Reply(target, answer)
        data = _decoded(answer.content)
        if data is not None and not request.stream:
            return Reply(target, answer, data)
        wrong = _wrong(request, answer, content_type)
        return malformed(target, f"HTTP {answer.status} with {wrong}", answer)

    def streams(self, request: Request, answer: Answer) -> bool:
        """Whether a 2xx answer is read event by event."""
        content_type = answer.headers.get("content-type", "")
        if request.stream:
            return not content_type.startswith("application/json")
        if request.body is not None and request.json_expected:
            return False
        return content_type.startswith(EVENT_STREAM)  # a form's `stream` field is not read here

    def reader(self, target: Target, request: Request, wall: float) -> SseReader:
        """Return a fresh parser for one stream."""
        body = {**(request.body or {}), **target.override}
        return SseReader(
            choices=_choices(body), terminal_needed=request.path.startswith(TERMINAL_NEEDED)
        )

    def judge_first(self, target: Target, answer: Answer, event: ServerEvent) -> Failure | None:
        """Return a failure when a stream's first event is an error, or says nothing at all."""
        return judge_error_event(target, answer, event)


def message_headers(target: Target, request: Request) -> dict[str, str]:
    """Return the headers of a message: the caller's, the target's own, and what it forwards."""
    headers = {**request.headers, **target.headers}
    for name in target.forward:
        if name in request.withheld:
            headers[name] = request.withheld[name]
    return headers


def judge_error_event(target: Target, answer: Answer, event: ServerEvent) -> Failure | None:
    """Return a failure when a stream's first event is an error, or says nothing at all."""
    data = event.data
    if data == "[DONE]":
        return malformed(target, f"HTTP {answer.status} with a stream without events", answer)
    if not isinstance(data, Mapping):
        return None
    error = data.get("error")
    if data.get("type") == "error" and not error:
        error = {key: data.get(key) for key in ("message", "type", "code", "param")}
    if not error:
        return None
    text = error.get("message") if isinstance(error, Mapping) else None
    message = text if isinstance(text, str) and text else "An error occurred during streaming"
    status = _error_status(error)
    return Failure(
        target,
        Fault.ERROR_EVENT,
        status,
        redact(message, target),
        answer,
        redact_json(error, target),
    )


def _choices(body: Mapping[str, Any]) -> int:
    """Return how many choices a request asks for: `n` for each of its prompts."""
    asked, prompt = body.get("n"), body.get("prompt")
    several = isinstance(prompt, list) and prompt and not isinstance(prompt[0], int)
    prompts = len(prompt) if several and isinstance(prompt, list) else 1
    return prompts * (asked if isinstance(asked, int) and asked > 0 else 1)


def without_own_fields(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a chat request whose messages have no fields but OpenAI's."""
    messages = body.get("messages")
    if not isinstance(messages, list | tuple):
        return body
    kept = [
        {name: value for name, value in message.items() if name not in OWN_FIELDS}
        if isinstance(message, Mapping)
        else message
        for message in messages
    ]
    return {**body, "messages": kept}


def encode_json(body: object) -> bytes:
    """Encode as the SDK does: compact, UTF-8, no NaN."""
    return ENCODER.encode(body).encode()


def malformed(target: Target, message: str, answer: Answer | None) -> Failure:
    """Return the failure of an answer that is not what it must be; counts as 500."""
    return Failure(target, Fault.MALFORMED, 500, message, answer)


def no_model(target: Target | None) -> Failure:
    """Return the failure of a call for which nobody named a model."""
    message = "No model: pass model=, or set override_params.model on every target"
    return Failure(target, Fault.ROUTING, 400, message)


def redact(text: str, target: Target) -> str:
    """Return `text` without the target's secrets, should a provider echo one."""
    for secret in target.secrets:
        text = text.replace(secret, "[redacted]")
    return text


def _decoded(content: bytes) -> Any:
    """Return decoded JSON, or None for nothing and for anything else."""
    try:
        return decode_json(content)
    except ValueError:
        return None


def _wrong(request: Request, answer: Answer, content_type: str) -> str:
    """Return what came instead of the answer that was asked for."""
    if not answer.content:
        return "an empty body"
    if content_type.startswith(EVENT_STREAM):
        return "an event stream where JSON was asked for"
    if request.stream:
        return "JSON where a stream was asked for"
    return f"{len(answer.content)} bytes that are not JSON"


def redact_json(value: Any, target: Target) -> Any:
    """Return decoded JSON without the target's secrets."""
    text = json.dumps(value)
    return json.loads(redact(text, target)) if redact(text, target) != text else value


def _status_failure(target: Target, answer: Answer, wall: float) -> Failure:
    return Failure(
        target,
        Fault.STATUS,
        answer.status,
        f"HTTP {answer.status}",
        redacted(answer, target),
        retry_after=retry_after(answer.headers, wall),
    )


def redacted(answer: Answer, target: Target) -> Answer:
    """Return an answer without the target's secrets."""
    headers, content = answer.headers, answer.content
    for secret in target.secrets:
        content = content.replace(secret.encode(), b"[redacted]")
        if any(secret in value for value in headers.values()):
            headers = {name: redact(value, target) for name, value in headers.items()}
    return Answer(answer.status, headers, content)


def _error_status(error: object) -> int:
    """Return the HTTP status an error event names, else 500."""
    if isinstance(error, Mapping):
        for key in ("status_code", "code", "status"):
            value = error.get(key)
            if isinstance(value, int) and 400 <= value < 600:
                return value
    return 500
