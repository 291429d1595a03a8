"""The codec of a vendor that speaks a language of its own, less what is that vendor's alone.

Ground rules: pure. A `Vendor` translates: chat and embeddings in OpenAI's shape into its own
messages, and its answers back. Everything that all vendors share is here: which endpoint is meant,
the HTTP message, the judgement of an answer, OpenAI's error shape, and the stream's bookkeeping.
Whatever a vendor sends, a typed failure comes out: a translation that trips over an answer's shape
says that the answer is malformed. A vendor's native endpoints pass through untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from portkey_local.model import (
    DONE,
    Answer,
    EventReader,
    Failure,
    Fault,
    Outcome,
    Packet,
    Reply,
    Request,
    ServerEvent,
    Target,
    empty,
    merge,
)
from portkey_local.providers.chat import Inexpressible
from portkey_local.providers.openai import (
    EVENT_STREAM,
    OpenAICodec,
    encode_json,
    judge_error_event,
    malformed,
    message_headers,
    no_model,
    redact,
    redact_json,
)
from portkey_local.providers.retry_after import retry_after
from portkey_local.providers.sse import decode_json

__all__ = [
    "Ask",
    "Asked",
    "Inexpressible",
    "NativeCodec",
    "Translated",
    "Translator",
    "Unreadable",
    "Unspoken",
    "Vendor",
    "VendorError",
    "error_event",
]

CHAT: Final = "/chat/completions"
EMBEDDINGS: Final = "/embeddings"
OPENAI_ONLY: Final = (  # beginnings of paths that only OpenAI's language has
    "/audio/",
    "/batches",
    "/completions",
    "/fine_tuning/",
    "/images/",
    "/moderations",
    "/responses",
    "/threads",
    "/vector_stores",
)
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


class NativeCodec:
    """Speaks a vendor's language to it, and OpenAI's to everybody else."""

    def __init__(self, vendor: Vendor) -> None:
        """Take the vendor's half of the work."""
        self.vendor = vendor
        self._plain = OpenAICodec()

    # --- requests

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request` in the vendor's language."""
        if not translated(request):
            if request.path.startswith(OPENAI_ONLY):
                return unsupported(target, request.path)
            return self._plain.encode(target, request)
        body = merge(request.body or {}, target.override)
        if not isinstance(body.get("model"), str):
            return no_model(target)
        try:
            say = self.vendor.chat if request.path == CHAT else self.vendor.embed
            asked = say(body)
            content = encode_json(asked.body)
        except ValueError as error:  # also of a number beyond all numbers, and of half a character
            return inexpressible(target, request, error)
        if asked.dropped and target.strict_params:
            names = ", ".join(asked.dropped)
            message = f"{target.provider} has no words for {names}, and strict_params is set"
            return Failure(target, Fault.ROUTING, 400, message)
        headers = message_headers(target, request)
        headers["content-type"] = "application/json"
        idle = target.idle_timeout if request.stream else None
        return Packet(
            "POST",
            target.url + asked.path,
            {**headers, **asked.headers},
            content,
            idle,
            asked.dropped,
        )

    # --- whole answers

    def decode(self, target: Target, request: Request, answer: Answer, wall: float) -> Outcome:
        """Judge a whole answer."""
        if not 200 <= answer.status < 300:
            return self._status_failure(target, answer, wall)
        if not translated(request):
            return self._plain.decode(target, request, answer, wall)
        if request.stream:
            return malformed(target, f"HTTP {answer.status} without a stream", answer)
        ask = _ask(target, request, wall, answer.headers)
        read = self.vendor.completion if request.path == CHAT else self.vendor.embeddings
        try:
            data = read(decode_json(answer.content), ask)
        except Unreadable as error:
            return malformed(target, f"HTTP {answer.status} with {error}", answer)
        except ODD:
            message = f"HTTP {answer.status} with a body that is not {target.provider}'s"
            return malformed(target, message, answer)
        headers = {**answer.headers, **self.vendor.limits(answer.headers, wall)}
        headers["content-type"] = "application/json"
        return Reply(target, Answer(answer.status, headers), data, blocked=withheld(data))

    def _status_failure(self, target: Target, answer: Answer, wall: float) -> Failure:
        """Return the failure of an error answer: OpenAI's shape, with the vendor's own inside."""
        try:
            data = decode_json(answer.content)
            encode_json(data)  # what JSON does not have, such as NaN, is quoted as text
        except (RecursionError, ValueError):
            data = None
        try:
            error = self.error_of(answer, data)
        except ODD:
            error = VendorError("")
        headers = {**answer.headers, **self.vendor.limits(answer.headers, wall)}
        asked = retry_after(headers, wall)
        told = {
            "message": error.message or f"{target.provider} answered with HTTP {answer.status}",
            "type": error.type,
            "param": None,
            "code": error.code,
            "provider": target.provider,
        }
        headers["content-type"] = "application/json"
        return Failure(
            target,
            Fault.STATUS,
            answer.status,
            f"HTTP {answer.status}",
            Answer(
                answer.status,
                {name: redact(value, target) for name, value in headers.items()},
                error_body(told, data, answer, target),
            ),
            retry_after=error.retry_after if asked is None else asked,
        )

    def error_of(self, answer: Answer, data: Any) -> VendorError:
        """Return what an error answer says; `data` is its body, decoded."""
        return self.vendor.error(answer.status, data)

    # --- streams

    def streams(self, request: Request, answer: Answer) -> bool:
        """Whether a 2xx answer is read event by event."""
        content_type = answer.headers.get("content-type", "")
        if not translated(request):  # a vendor's own request need not say that it wants a stream
            return content_type.startswith(EVENT_STREAM) or self._plain.streams(request, answer)
        return request.stream and not content_type.startswith("application/json")

    def reader(self, target: Target, request: Request, wall: float) -> EventReader:
        """Return a fresh parser for one stream."""
        if not translated(request):
            return self.vendor.native_reader(request)
        ask = _ask(target, request, wall, {})
        return Translated(self.vendor.frames(), self.vendor.translator(ask))

    def judge_first(self, target: Target, answer: Answer, event: ServerEvent) -> Failure | None:
        """Return a failure when a stream's first event is an error, or says nothing at all."""
        return judge_error_event(target, answer, event)


class Translated:
    """Reads a vendor's stream as a stream of OpenAI's chunks."""

    def __init__(self, frames: EventReader, translator: Translator) -> None:
        """Take the parser of the framing, and the translator of what is framed."""
        self._frames = frames
        self._translator = translator
        self._said = False
        self._filtered = False
        self.ended = False
        self.malformed: str | None = None

    @property
    def complete(self) -> bool:
        """Whether the terminal event has come."""
        return self._translator.complete and self.malformed is None

    @property
    def failed(self) -> bool:
        """Whether an error event has come."""
        return self._translator.failed

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The token counts the stream has told."""
        return self._translator.usage

    @property
    def blocked(self) -> bool:
        """Whether the vendor's safety filter has withheld all there was to say."""
        return self._filtered and not self._said

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that a chunk completes."""
        if self.ended or self.malformed:
            return []
        events: list[ServerEvent] = []
        for framed in self._frames.feed(chunk):
            try:
                told = self._translator.take(framed.name, framed.data)
            except Unreadable as error:
                self.malformed = str(error)
                return events
            except ODD:
                self.malformed = "an event of another shape"
                return events
            events += self._events(told)
            if self._translator.ended:
                return events + self._last()
        self.malformed = self._frames.malformed
        return events

    def finish(self) -> list[ServerEvent]:
        """Say that no more bytes come; return what was held back until then."""
        self._frames.finish()
        return self._last() if self.complete and not self.ended else []

    def _last(self) -> list[ServerEvent]:
        self.ended = True
        if self.failed:
            return []
        return [*self._events(self._translator.finish()), ServerEvent(None, DONE, b"")]

    def _events(self, chunks: list[dict[str, Any]]) -> list[ServerEvent]:
        for chunk in chunks:
            for choice in chunk.get("choices", ()):
                delta = choice["delta"]
                self._said = self._said or bool(delta.get("content") or delta.get("tool_calls"))
                self._filtered = self._filtered or choice["finish_reason"] == "content_filter"
        return [ServerEvent(None, chunk, b"") for chunk in chunks]


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


def error_body(told: Mapping[str, Any], data: Any, answer: Answer, target: Target) -> bytes:
    """Return an error's body: what it says in OpenAI's terms, and the vendor's own words."""
    text = answer.content[:2000].decode("utf-8", "replace")
    whole = {"error": {**told, "provider_error": text if data is None else data}}
    try:
        return encode_json(redact_json(whole, target))
    except ValueError:  # it holds numbers that some take for JSON, and others do not
        return encode_json(redact_json({"error": {**told, "provider_error": text}}, target))


def translated(request: Request) -> bool:
    """Whether a request is one of those that are translated."""
    return request.body is not None and request.path in (CHAT, EMBEDDINGS)


def unsupported(target: Target, path: str) -> Failure:
    """Return the failure of an endpoint that a vendor does not have; counts as 500."""
    message = f"{path} is not supported by {target.provider}"
    return Failure(target, Fault.ROUTING, 500, message)


def inexpressible(target: Target, request: Request, error: ValueError) -> Failure:
    """Return the failure of a request that a vendor's language, or JSON, cannot say."""
    if isinstance(error, Unspoken):
        return unsupported(target, request.path)
    why = error if isinstance(error, Inexpressible) else "the request cannot be written as JSON"
    return Failure(target, Fault.ROUTING, 400, f"{target.provider}: {why}")


def withheld(data: Mapping[str, Any]) -> bool:
    """Whether a safety filter left nothing of a completion."""
    choices = data.get("choices")
    return bool(choices) and all(
        choice["finish_reason"] == "content_filter"
        and not choice["message"].get("content")
        and not choice["message"].get("tool_calls")
        for choice in choices or ()
    )


def _ask(target: Target, request: Request, wall: float, headers: Mapping[str, str]) -> Ask:
    names = ("request-id", "x-request-id", "x-amzn-requestid")
    request_id = next((headers[name] for name in names if name in headers), None)
    body = merge(request.body or {}, target.override)
    return Ask(body, wall, target.strict, request_id)
