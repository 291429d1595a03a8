"""Anthropic's language: the Messages API.

`Messages` is the vendor; `message_request`, `completion` and `MessageStream` are its halves, for
other hosts of the same language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.model import EventReader, Failure, Packet, Request, Target
from portkey_local.providers.anthropic.answer import completion
from portkey_local.providers.anthropic.errors import rate_limits, told_error
from portkey_local.providers.anthropic.request import message_request
from portkey_local.providers.anthropic.stream import MessageStream
from portkey_local.providers.languages import Settings, Spoken, WrongSetting
from portkey_local.providers.messages.front import is_messages
from portkey_local.providers.native import (
    NativeCodec,
)
from portkey_local.providers.sse import SseReader
from portkey_local.providers.vendor import (
    Ask,
    Asked,
    Translator,
    Unspoken,
    VendorError,
)

__all__ = ["MessageStream", "Messages", "completion", "message_request", "speak"]

BETA: Final = "anthropic-beta"
VERSION: Final = "2023-06-01"


def speak(settings: Settings) -> Spoken:
    """Return how a target of Anthropic's is spoken to."""
    if settings.url is None:
        raise WrongSetting("custom_host", f"{settings.provider!r} needs its URL")
    headers = {"anthropic-version": settings.get("anthropic_version") or VERSION}
    if beta := settings.get("anthropic_beta"):
        headers[BETA] = beta
    return Spoken(CODEC, settings.url, headers)


class Messages:
    """Chat as Anthropic's Messages API has it."""

    path = "/messages"

    def chat(self, body: Mapping[str, Any]) -> Asked:
        """Return a chat request in Anthropic's words."""
        made, dropped = message_request(body)
        return Asked(self.path, made, dropped)

    def completion(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return a chat completion for a message."""
        return completion(data, ask)

    def translator(self, ask: Ask) -> Translator:
        """Return a fresh translator for one stream of a chat."""
        return MessageStream(ask)

    def frames(self) -> EventReader:
        """Return a fresh parser for server-sent events."""
        return SseReader()

    def embed(self, body: Mapping[str, Any]) -> Asked:
        """Raise Unspoken: Anthropic embeds nothing."""
        raise Unspoken

    def embeddings(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Raise Unspoken: Anthropic embeds nothing."""
        raise Unspoken

    def error(self, status: int, data: Any) -> VendorError:
        """Return what an error body says."""
        return told_error(data)

    def limits(self, headers: Mapping[str, str], wall: float) -> Mapping[str, str]:
        """Return the rate-limit headers under OpenAI's names."""
        return rate_limits(headers, wall)

    def native_reader(self, request: Request) -> EventReader:
        """Return a fresh parser for a stream of one of Anthropic's own endpoints."""
        return SseReader(terminal_needed=request.path.startswith("/messages"))


class MessagesCodec(NativeCodec):
    """Speaks Messages: what is said in it goes out as it is."""

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request`; the caller's beta features stay beside the
        target's in a request of his own words.
        """
        packet = super().encode(target, request)
        asked, told = request.headers.get(BETA), target.headers.get(BETA)
        if isinstance(packet, Packet) and asked and told and is_messages(request.path):
            packet.headers = {**packet.headers, BETA: f"{told},{asked}"}
        return packet

    def speaks_messages(self, target: Target, request: Request) -> bool:
        """Say that every Messages request is understood here."""
        return True


CODEC: Final = MessagesCodec(Messages())
