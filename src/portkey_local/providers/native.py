"""The codec of a vendor that speaks a language of its own, less what is that vendor's alone.

Ground rules: pure. A `Vendor` translates: chat and embeddings in OpenAI's shape into its own
messages, and its answers back. Everything that all vendors share is here: which endpoint is meant,
the HTTP message, the judgement of an answer, OpenAI's error shape, and the stream's bookkeeping.
Whatever a vendor sends, a typed failure comes out: a translation that trips over an answer's shape
says that the answer is malformed. A vendor's native endpoints pass through untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.model import (
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
    merge,
)
from portkey_local.providers.completion import comes_to_nothing, says_something
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
from portkey_local.providers.translating import Translated
from portkey_local.providers.vendor import (
    ODD,
    Ask,
    Inexpressible,
    Unreadable,
    Unspoken,
    Vendor,
    VendorError,
)

__all__ = ["CHAT", "EMBEDDINGS", "NativeCodec", "translated", "unsupported"]

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
        except (
            RecursionError,
            ValueError,
        ) as error:  # also of half a character, or nested too deep
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


def inexpressible(target: Target, request: Request, error: Exception) -> Failure:
    """Return the failure of a request that a vendor's language, or JSON, cannot say."""
    if isinstance(error, Unspoken):
        return unsupported(target, request.path)
    why = error if isinstance(error, Inexpressible) else "the request cannot be written as JSON"
    return Failure(target, Fault.ROUTING, 400, f"{target.provider}: {why}")


def withheld(data: Mapping[str, Any]) -> bool:
    """Whether the vendor's safety filter, or its mistake, left nothing of a completion."""
    choices = data.get("choices") or ()
    return bool(choices) and not any(
        says_something(choice["message"]) or not comes_to_nothing(choice) for choice in choices
    )


def _ask(target: Target, request: Request, wall: float, headers: Mapping[str, str]) -> Ask:
    names = ("request-id", "x-request-id", "x-amzn-requestid")
    request_id = next((headers[name] for name in names if name in headers), None)
    body = merge(request.body or {}, target.override)
    return Ask(body, wall, target.strict, request_id)
