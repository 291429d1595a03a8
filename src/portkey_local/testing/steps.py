"""What a scripted provider answers: steps, faults, and short ways to write the usual ones.

Ground rules:
- A step is a frozen value; it knows nothing of sockets (`answers` puts it on the wire).
- Bodies are serialised once, when the step is made: a body that cannot be serialised fails in the
  line that wrote it, and answering the same step a thousand times costs nothing extra.
"""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from http import HTTPStatus
from typing import Final, TypedDict, Unpack

__all__ = ["Fault", "Step", "chat", "chat_stream", "error", "html"]


class Fault(StrEnum):
    """One way to misbehave. "Half" is at least one event; a plain body counts as two pieces."""

    RESET = "reset"
    """TCP reset as soon as the request was read."""
    NO_RESPONSE = "no_response"
    """Close cleanly without answering a byte."""
    SILENCE = "silence"
    """Never answer, keep the connection open."""
    HEADERS_THEN_SILENCE = "headers_then_silence"
    """Status line and headers, then nothing."""
    DRIP_HEADERS = "drip_headers"
    """Status line and headers one byte at a time, without end."""
    DRIP_BODY = "drip_body"
    """Headers that promise a large body, which then comes one byte at a time."""
    CUT_BODY = "cut_body"
    """The right content-length, half of the body, close."""
    CUT_CHUNKED = "cut_chunked"
    """Half of the events, then close without the end of the chunked body."""
    RESET_STREAM = "reset_stream"
    """Half of the events, then a TCP reset."""
    STALL_STREAM = "stall_stream"
    """Half of the events, then nothing, the connection open."""
    COMMENTS_STREAM = "comments_stream"
    """Half of the events, then keep-alive comments without end."""
    CLEAN_CUT = "clean_cut"
    """Half of the events, then a correct end: cut short, though the wire looks clean."""
    SHORT_LENGTH = "short_length"
    """A content-length smaller than the body; the surplus stays on the kept-alive connection."""
    LONG_LENGTH = "long_length"
    """A content-length larger than the body, then close."""
    GARBAGE_STATUS = "garbage_status"
    """A status line that is not HTTP, then close."""
    MALFORMED_EVENT = "malformed_event"
    """An event that is not JSON between the first and the second half of the events."""


class _Unset(Enum):
    """Tells "no JSON body" from the JSON body `null`."""

    UNSET = "unset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    r"""How one request is answered.

    A step without `json`, `body` and `events` makes up a fitting answer: status 200 a chat
    completion, streamed if the request asks for it, and status >= 400 an OpenAI-shaped error.

    >>> Step(status=503, headers={"retry-after": "2"}, delay=0.1).status
    503
    >>> Step(events=["[DONE]"]).pieces
    (b'data: [DONE]\n\n',)
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent as well; replaces a default header of the same name in any case."""
    json: object = _Unset.UNSET
    body: bytes | None = None
    content_type: str | None = None
    events: Sequence[str | bytes] | None = None
    """A chunked event stream: text becomes a `data:` event, bytes are sent as they are."""
    event_gap: float = 0.0
    """Seconds between events; without a gap the whole stream leaves in one packet."""
    delay: float = 0.0
    """Seconds before the first byte of the answer (or before the fault)."""
    fault: Fault | None = None
    pieces: tuple[bytes, ...] | None = field(init=False, repr=False, compare=False)
    """The body as it goes out: one piece, one per event, or None if it is to be made up."""

    def __post_init__(self) -> None:
        given = (self.json is not _Unset.UNSET, self.body is not None, self.events is not None)
        if sum(given) > 1:
            raise ValueError("a step has one body: give json, body or events")
        object.__setattr__(self, "pieces", self._serialised())

    def _serialised(self) -> tuple[bytes, ...] | None:
        if self.events is not None:
            return tuple(event_bytes(event) for event in self.events)
        if self.body is not None:
            return (self.body,)
        if self.json is not _Unset.UNSET:
            return (json_module.dumps(self.json).encode(),)
        return None


def event_bytes(event: str | bytes) -> bytes:
    """Frame text as a server-sent event; bytes are taken to be framed as wanted."""
    return event if isinstance(event, bytes) else f"data: {event}\n\n".encode()


class StepOptions(TypedDict, total=False):
    """What every constructor below passes on to `Step`."""

    headers: Mapping[str, str]
    content_type: str | None
    event_gap: float
    delay: float
    fault: Fault | None


class ReplyOptions(StepOptions, total=False):
    """The same, where the status is not already asked for."""

    status: int


COMPLETION_ID: Final = "chatcmpl-loopback"
CREATED: Final = 1_700_000_000  # a fixed moment: equal calls give equal bytes


def chat(text: str = "hello", *, model: str = "m", **step: Unpack[ReplyOptions]) -> Step:
    """Answer a plain chat completion.

    >>> chat("hi").json["choices"][0]["message"]["content"]
    'hi'
    """
    message = {"role": "assistant", "content": text, "refusal": None}
    completion = {
        "id": COMPLETION_ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(len(text.split())),
    }
    return Step(json=completion, **step)


def chat_stream(
    words: Sequence[str],
    *,
    model: str = "m",
    finish: bool = True,
    done: bool = True,
    usage: bool = False,
    **step: Unpack[ReplyOptions],
) -> Step:
    """Answer a streamed chat completion: an event per word, finish reason, usage, [DONE].

    >>> [event[:6] for event in chat_stream(["a", "b"]).events]
    ['{"id":', '{"id":', '{"id":', '[DONE]']
    """
    events = [
        _chunk(model, {"content": word} if place else {"role": "assistant", "content": word})
        for place, word in enumerate(words)
    ]
    if finish:
        events.append(_chunk(model, {}, finish_reason="stop"))
    if usage:
        events.append(_dumps({**_chunk_base(model), "choices": [], "usage": _usage(len(words))}))
    if done:
        events.append("[DONE]")
    return Step(events=events, **step)


def error(status: int, message: str = "boom", **step: Unpack[StepOptions]) -> Step:
    """Answer an OpenAI-shaped error.

    >>> error(429, "slow down").json["error"]["type"]
    'rate_limit_error'
    """
    fallback = (
        "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    )
    kind = ERROR_TYPES.get(status, fallback)
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return Step(status=status, json=body, **step)


def html(status: int = 200, **step: Unpack[StepOptions]) -> Step:
    """Answer a page instead of JSON, as proxies and captive portals do.

    >>> html(502).content_type
    'text/html; charset=utf-8'
    """
    step.setdefault("content_type", "text/html; charset=utf-8")
    page = f"<!doctype html>\n<html><body><h1>{status}</h1></body></html>\n"
    return Step(status=status, body=page.encode(), **step)


ERROR_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def _usage(completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": 1,
        "completion_tokens": completion_tokens,
        "total_tokens": 1 + completion_tokens,
    }


def _chunk_base(model: str) -> dict[str, object]:
    return {
        "id": COMPLETION_ID,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
    }


def _chunk(model: str, delta: Mapping[str, str], finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _dumps({**_chunk_base(model), "choices": [choice]})


def _dumps(value: object) -> str:
    return json_module.dumps(value, separators=(",", ":"))
