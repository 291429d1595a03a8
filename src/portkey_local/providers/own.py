"""The codec of the target "self": what the caller's own client wants to send, where it wants to.

Ground rules: pure. The message is the client's own, byte for byte, with its sign-in; only
`override_params` changes it, and whatever OpenAI's and Azure's hosts would refuse of other vendors'
answers is left out. Answers are judged as any other's, so that a broken one moves a fallback on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlsplit

from portkey_local.model import (
    Answer,
    Failure,
    Fault,
    Packet,
    Request,
    ServerEvent,
    Target,
    merge,
)
from portkey_local.providers.multipart import override_form
from portkey_local.providers.openai import (
    OWN_MARKS,
    TERMINAL_NEEDED,
    OpenAICodec,
    encode_json,
    without_own_fields,
)
from portkey_local.providers.sse import SseReader

__all__ = ["SELF", "OwnCodec"]

SELF: Final = "self"
STRICT_HOSTS: Final = (".openai.com", ".azure.com", ".azure.us", ".azure.cn")


class OwnCodec(OpenAICodec):
    """The caller's own messages, unchanged but for overrides."""

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the message that the caller's own client made, with the target's overrides."""
        own = request.own
        if own is None:  # no door lets such a request in; a direct caller of the engine might
            message = "'self' needs a request of the caller's own client"
            return Failure(target, Fault.ROUTING, 500, message)
        idle = target.idle_timeout if request.stream else None
        url = _deployed(own.url, request, target)
        return Packet(request.method, url, own.headers, _content(target, request), idle)

    def speaks_messages(self, target: Target, request: Request) -> bool:
        """Say that whoever asks for messages by a client of his own has a host that knows them."""
        return True

    def reader(self, target: Target, request: Request, wall: float) -> SseReader:
        """Return a fresh parser for one stream of OpenAI's or Anthropic's."""
        if request.path.startswith(TERMINAL_NEEDED):
            return super().reader(target, request, wall)
        return SseReader(terminal_needed=request.path == "/messages")

    def judge_first(self, target: Target, answer: Answer, event: ServerEvent) -> Failure | None:
        """Return a failure when a stream's first event is an error, with its bytes as the body."""
        failure = super().judge_first(target, answer, event)
        if failure is None or not event.raw:
            return failure
        return replace(failure, answer=Answer(answer.status, answer.headers, event.raw))


def _content(target: Target, request: Request) -> bytes | None:
    """Return the body as it came, with the target's overrides."""
    own, body = request.own, request.body
    if body is None:
        if request.content is None or not target.override:
            return request.content
        form = request.headers.get("content-type", "")
        return override_form(request.content, form, target.override)
    content = request.encoded
    if content is None or target.override:
        body = merge(body, target.override)
        content = encode_json(body)
    host = "." + (urlsplit(own.url).hostname or "") if own else ""
    if host.endswith(STRICT_HOSTS) and any(mark in content for mark in OWN_MARKS):
        content = encode_json(without_own_fields(body))
    return content


def _deployed(url: str, request: Request, target: Target) -> str:
    """Return the URL with the overriding model in the place of Azure's deployment."""
    model = target.override.get("model")
    asked = request.body.get("model") if request.body is not None else None
    if not isinstance(model, str) or not isinstance(asked, str):
        return url
    place = f"/deployments/{quote(asked, safe='')}/"
    return url.replace(place, f"/deployments/{quote(model, safe='')}/", 1)
