"""One Messages request on its way through a codec that speaks another language, there and back.

Ground rules: pure. The codec sees a chat request of OpenAI's shape, and never learns that it was
another; whoever reads the answer translates the request again, so that nothing need be kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, cast

from portkey_local.model import (
    Answer,
    Codec,
    EventReader,
    Failure,
    Fault,
    Outcome,
    Packet,
    Reply,
    Request,
    Target,
    merge,
)
from portkey_local.providers.chat import Inexpressible
from portkey_local.providers.messages.answer import Voice, message
from portkey_local.providers.messages.errors import retold
from portkey_local.providers.messages.host import Host
from portkey_local.providers.messages.reader import MessageReader
from portkey_local.providers.messages.request import answer_request, asks_thoughts, chat_request
from portkey_local.providers.messages.stream import MessageEvents
from portkey_local.providers.openai import OpenAICodec, malformed
from portkey_local.providers.vendor import ODD, Unreadable

__all__ = ["decode", "encode", "read"]

CHAT: Final = "/chat/completions"
LIMITS: Final = frozenset({"max_completion_tokens", "max_tokens"})
# Fields that only a Messages request has: they are set before it is translated.
OWN_FIELDS: Final = frozenset({"output_config", "output_format", "stop_sequences", "system"})
OWN_HEADERS: Final = frozenset(
    {"anthropic-beta", "anthropic-dangerous-direct-browser-access", "anthropic-version"}
)
NAMES: Final[Mapping[str, str]] = {  # of a chat request -> of a Messages request
    "reasoning_effort": "thinking",
    "response_format": "output_config.format",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
}
REQUEST_ID: Final = "request-id"
REQUEST_IDS: Final = ("request-id", "x-request-id", "x-amzn-requestid")


class SeveralLanguages(Protocol):
    """A codec that speaks another language for each model."""

    def codec_of(self, target: Target, request: Request) -> Codec:
        """Return the codec that says a request."""


@dataclass(frozen=True, slots=True)
class Told:
    """A Messages request in the words of chat: what is asked of whom, and what was left out.

    `body` is the request's own, `target` has the overrides that are left to the codec.
    """

    target: Target
    request: Request
    body: Mapping[str, Any]
    host: Host
    dropped: tuple[str, ...] = ()

    @property
    def voice(self) -> Voice:
        """Who answers."""
        host = self.host
        return Voice(host.provider, host.model, host.claude, asks_thoughts(self.body))


def encode(codec: Codec, target: Target, request: Request) -> Packet | Failure:
    """Return the HTTP message for a Messages request, or why the target cannot take it."""
    try:
        told = _asking(codec, target, request)
        made = codec.encode(told.target, told.request)
    except Inexpressible as error:
        return refused(target, str(error))
    except (RecursionError, ValueError):
        return refused(target, "the request cannot be written as JSON")
    if isinstance(made, Failure):
        return replace(made, target=target)
    if told.dropped and target.strict_params:
        names = ", ".join(told.dropped)
        return refused(target, f"there are no words for {names}, and strict_params is set")
    made.dropped = (*told.dropped, *(NAMES.get(name, name) for name in made.dropped))
    return made


def decode(codec: Codec, target: Target, request: Request, answer: Answer, wall: float) -> Outcome:
    """Judge a whole answer to a Messages request."""
    told = _reading(codec, target, request)
    outcome = codec.decode(told.target, told.request, answer, wall)
    if isinstance(outcome, Failure):
        return _failed(outcome, target)
    return _message(outcome, told, target)


def read(codec: Codec, target: Target, request: Request, wall: float) -> EventReader:
    """Return a fresh parser for the stream that answers a Messages request."""
    told = _reading(codec, target, request)
    inner = codec.reader(told.target, told.request, wall)
    return MessageReader(inner, MessageEvents(told.voice))


def refused(target: Target, why: str) -> Failure:
    """Return the failure of a request that cannot be said to a target."""
    return Failure(target, Fault.ROUTING, 400, f"{target.provider}: {why}")


def _asking(codec: Codec, target: Target, request: Request) -> Told:
    """Return a request in the words of chat. Raises Inexpressible."""
    if request.body is None:
        raise Inexpressible("the body of a Messages request is a JSON object")
    left, body = _with_own(target, request)
    host = _host(codec, left, request)
    chat, dropped = chat_request(body, host)
    if LIMITS & left.override.keys():
        chat = {name: value for name, value in chat.items() if name not in LIMITS}
    headers = {name: v for name, v in request.headers.items() if name not in OWN_HEADERS}
    asked = replace(request, path=CHAT, body=chat, encoded=None, headers=headers, query="")
    # What a guardrail has put into the body of the overrides is set once more: not dropped.
    dropped = tuple(name for name in dropped if name not in left.override)
    return Told(left, asked, body, host, dropped)


def _reading(codec: Codec, target: Target, request: Request) -> Told:
    """Return a request that was sent, as far as whoever reads its answer looks at it."""
    left, body = _with_own(target, request)
    host = _host(codec, left, request)
    chat = answer_request(body, host)
    asked = Request("POST", CHAT, chat, stream=request.stream, json_expected=request.json_expected)
    return Told(left, asked, body, host)


def _with_own(target: Target, request: Request) -> tuple[Target, Mapping[str, Any]]:
    """Return a target with what is left of its overrides, and a body with those that are its own.

    Finish reasons are read in OpenAI's words, whatever the target says of its chats.
    """
    body = request.body or {}
    own = {name: value for name, value in target.override.items() if name in OWN_FIELDS}
    if not own and target.strict:
        return target, body
    rest = {name: value for name, value in target.override.items() if name not in own}
    return replace(target, override=rest, strict=True), merge(body, own)


def _host(codec: Codec, target: Target, request: Request) -> Host:
    """Return what the target takes."""
    model = target.override.get("model") or (request.body or {}).get("model")
    speaker: Codec = codec
    if hasattr(codec, "codec_of"):
        speaker = cast("SeveralLanguages", codec).codec_of(target, replace(request, path=CHAT))
    plain = isinstance(speaker, OpenAICodec)
    return Host(
        provider=target.provider,
        model=model if isinstance(model, str) else "",
        own=isinstance(speaker, OpenAICodec) and not speaker.own_fields,
        vendor=not plain,
    )


def _message(reply: Reply, told: Told, target: Target) -> Outcome:
    """Return the message that a reply's completion comes to."""
    answer = reply.answer
    try:
        data = message(reply.data, told.voice)
    except Unreadable as error:
        return malformed(target, f"HTTP {answer.status} with {error}", answer)
    except ODD:
        why = "a body that is no chat completion"
        return malformed(target, f"HTTP {answer.status} with {why}", answer)
    headers = {**_identified(answer.headers), "content-type": "application/json"}
    told_to = Answer(answer.status, headers)
    return Reply(target, told_to, data, retries=reply.retries, blocked=reply.blocked)


def _failed(failure: Failure, target: Target) -> Failure:
    """Return a failure whose answer, where it has one, is in Anthropic's words."""
    answer = failure.answer
    if failure.fault is not Fault.STATUS or answer is None:
        return replace(failure, target=target)
    headers = {**_identified(answer.headers), "content-type": "application/json"}
    told = Answer(answer.status, headers, retold(answer.status, answer.content))
    return replace(failure, target=target, answer=told)


def _identified(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers that tell the exchange's id where Anthropic's SDK looks for it."""
    told = next((headers[name] for name in REQUEST_IDS if name in headers), None)
    return headers if told is None else {REQUEST_ID: told, **headers}
