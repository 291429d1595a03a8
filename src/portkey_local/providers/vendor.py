"""What a vendor's module is asked for: the contract between its words and the shared codec.

Ground rules: pure. A `Vendor` translates: chat and embeddings in OpenAI's shape into its own
messages, and its answers back; a `Translator` does so for one stream. Whoever reads an answer may
trip over its shape (`ODD`): the codec then says that the answer is malformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from portkey_local.model import EventReader, Request, empty
from portkey_local.providers.chat import Inexpressible

__all__ = [
    "ODD",
    "Ask",
    "Asked",
    "Inexpressible",
    "Translator",
    "Unreadable",
    "Unspoken",
    "Vendor",
    "VendorError",
    "error_event",
]

ODD: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Ask:
    """What was asked, as whoever reads the answer wants to know it.

    `body` is the request after overrides, `wall` the time of day in seconds since 1970, `strict`
    whether the answer keeps to OpenAI's own words (a finish reason is the vendor's otherwise),
    `request_id` the vendor's name for the exchange, where a header tells it.
    """

    body: Mapping[str, Any]
    wall: float
    strict: bool = True
    request_id: str | None = None

    @property
    def model(self) -> str:
        """The model that was asked for."""
        model = self.body.get("model")
        return model if isinstance(model, str) else ""

    @property
    def made_id(self) -> str:
        """An id for an answer that has none."""
        return f"chatcmpl-{self.request_id or format(int(self.wall * 1e6), 'x')}"

    @property
    def usage_wanted(self) -> bool:
        """Whether a stream's last chunk is to have the token counts."""
        options = self.body.get("stream_options")
        return isinstance(options, Mapping) and options.get("include_usage") is True


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in a vendor's words.

    `path` is appended to the target's URL, `dropped` names the parameters that have no words here.
    """

    path: str
    body: Mapping[str, Any]
    dropped: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class VendorError:
    """What an error body says, in OpenAI's terms; `retry_after` in seconds, where the body asks."""

    message: str
    type: str | None = None
    code: str | None = None
    retry_after: float | None = None


class Unspoken(Inexpressible):
    """An endpoint that a vendor does not have at all; counts as 500, as any other such one."""


class Unreadable(ValueError):
    """An answer that is not what it must be; the message says how, and quotes nothing."""


class Translator(Protocol):
    """Turns one stream of a vendor's into chunks of OpenAI's.

    `complete`: the vendor's terminal event has come, so a clean end may follow. `ended`: nothing
    can follow it. `failed`: an error event has come; it is handed on by `error_event`.
    """

    complete: bool
    ended: bool
    failed: bool

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The token counts the stream has told."""

    def take(self, name: str | None, data: Any) -> list[dict[str, Any]]:
        """Return the chunks that an event comes to; raise Unreadable for one that is wrong."""

    def finish(self) -> list[dict[str, Any]]:
        """Return the last chunks of a complete stream: its finish reason, its token counts."""


class Vendor(Protocol):
    """One vendor's language: pure functions between OpenAI's shapes and its own.

    What reads answers may raise any of `ODD` at an odd one: it is malformed then.
    """

    def chat(self, body: Mapping[str, Any]) -> Asked:
        """Return a chat request in the vendor's words. Raises Inexpressible."""

    def completion(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return a chat completion for the vendor's answer."""

    def translator(self, ask: Ask) -> Translator:
        """Return a fresh translator for one stream of a chat."""

    def frames(self) -> EventReader:
        """Return a fresh parser for the framing of the vendor's streams."""

    def embed(self, body: Mapping[str, Any]) -> Asked:
        """Return an embeddings request in the vendor's words. Raises Inexpressible, or Unspoken."""

    def embeddings(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return OpenAI's list of embeddings for the vendor's answer."""

    def error(self, status: int, data: Any) -> VendorError:
        """Return what an error body (decoded JSON, or None) says."""

    def limits(self, headers: Mapping[str, str], wall: float) -> Mapping[str, str]:
        """Return the vendor's rate-limit headers under OpenAI's names, and its retry-after."""

    def native_reader(self, request: Request) -> EventReader:
        """Return a fresh parser for a stream of one of the vendor's native endpoints."""


def error_event(error: VendorError, status: int, data: Any) -> dict[str, Any]:
    """Return an error event of OpenAI's shape; `data` is the vendor's own words.

    `status` is the HTTP status that the vendor gives such an error outside a stream.
    """
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "param": None,
            "code": error.code,
            "status": status,
            "provider_error": data,
        }
    }
