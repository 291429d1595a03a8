"""The door through which Anthropic's clients come: it stands before every target's codec.

Ground rules: pure. What is no Messages request goes to the codec as it is. A target that speaks
Messages gets such a request untouched, less the blocks that only we can read; its errors come back
in its own words. For any other target the request is translated, and the answer back. Token counts
and batches of messages are Anthropic's alone: other targets refuse them, and a fallback moves on.

`override_params` are what the target is sent: fields of a Messages request where it speaks
Messages, and fields of a chat request where it does not; a limit of tokens goes by either name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol, cast

from portkey_local.model import (
    Answer,
    Codec,
    EventReader,
    Failure,
    Fault,
    Outcome,
    Packet,
    Request,
    ServerEvent,
    Target,
)
from portkey_local.providers.openai import redacted

__all__ = ["MESSAGES", "MessagesDoor", "is_messages"]

MESSAGES: Final = "/messages"
BELOW: Final = "/messages/"  # /messages/count_tokens, /messages/batches
CHAT: Final = "/chat/completions"


class SpeaksMessages(Protocol):
    """A codec that may speak Messages itself."""

    def speaks_messages(self, target: Target, request: Request) -> bool:
        """Whether a Messages request is said to the target as it is."""


def is_messages(path: str) -> bool:
    """Whether a path is one of the Messages API."""
    return path == MESSAGES or path.startswith(BELOW)


class MessagesDoor:
    """Lets Messages requests in to any codec."""

    def __init__(self, inner: Codec) -> None:
        """Take the target's codec."""
        self.inner = inner
        speaks = getattr(inner, "speaks_messages", None)
        self._speaks = None if speaks is None else cast("SpeaksMessages", inner).speaks_messages

    def translates(self, target: Target, request: Request) -> bool:
        """Whether a request is a Messages request that the target gets in another language."""
        return request.path == MESSAGES and not self._understood(target, request)

    def _understood(self, target: Target, request: Request) -> bool:
        return self._speaks is not None and self._speaks(target, request)

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request`, or why this target cannot take it."""
        if not is_messages(request.path):
            return self.inner.encode(target, request)
        if self._understood(target, request):
            return self.inner.encode(target, _readable(request))
        if request.path != MESSAGES:
            return _anthropics_alone(target, request.path)
        from portkey_local.providers.messages import translation  # for those who need it

        return translation.encode(self.inner, target, request)

    def decode(self, target: Target, request: Request, answer: Answer, wall: float) -> Outcome:
        """Judge a whole answer."""
        if not is_messages(request.path):
            return self.inner.decode(target, request, answer, wall)
        if self.translates(target, request):
            from portkey_local.providers.messages import translation

            return translation.decode(self.inner, target, request, answer, wall)
        outcome = self.inner.decode(target, request, answer, wall)
        if isinstance(outcome, Failure) and outcome.fault is Fault.STATUS:
            return replace(outcome, answer=redacted(answer, target))
        return outcome

    def streams(self, request: Request, answer: Answer) -> bool:
        """Whether a 2xx answer is read event by event."""
        if request.path == MESSAGES:  # told as a chat's is, by whoever answers
            request = replace(request, path=CHAT)
        return self.inner.streams(request, answer)

    def reader(self, target: Target, request: Request, wall: float) -> EventReader:
        """Return a fresh parser for one stream."""
        if not self.translates(target, request):
            return self.inner.reader(target, request, wall)
        from portkey_local.providers.messages import translation

        return translation.read(self.inner, target, request, wall)

    def judge_first(self, target: Target, answer: Answer, event: ServerEvent) -> Failure | None:
        """Return a failure when a stream's first event is an error, or says nothing at all.

        An error of Anthropic's has the status that it has outside a stream.
        """
        failure = self.inner.judge_first(target, answer, event)
        data = event.data
        told = isinstance(data, Mapping) and data.get("type") == "error"
        if failure is None or self._speaks is None or not told:
            return failure
        from portkey_local.providers.messages.errors import status_of

        error = data.get("error")
        status = status_of(error.get("type")) if isinstance(error, Mapping) else None
        return failure if status is None else replace(failure, status=status)


def _readable(request: Request) -> Request:
    """Return a request as Anthropic can read it: the same object, unless blocks of ours are in."""
    if request.body is None:
        return request
    from portkey_local.providers.messages.carried import MARK, without_ours

    if request.encoded is not None and MARK.encode() not in request.encoded:
        return request
    body = without_ours(request.body)
    return request if body is request.body else replace(request, body=body, encoded=None)


def _anthropics_alone(target: Target, path: str) -> Failure:
    message = (
        f"{path} is Anthropic's alone, and {target.provider} has nothing like it; "
        "ask a target whose provider is 'anthropic'"
    )
    return Failure(target, Fault.ROUTING, 400, message)
