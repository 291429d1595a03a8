"""Transports: the router behind the interface of httpx's and httpx2's transports.

Ground rules: a request comes in as an HTTP message for the API root `ROOT` and is read into a
`Request`; a reply goes out as the library's own response, a failure with a provider's answer as
that answer, and any other failure as the library's own `ReadTimeout`, `ConnectError` or
`RemoteProtocolError`. Each carries the outcome, for a client of ours that wants to say more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from portkey_local.drivers.streams import StreamBroken
from portkey_local.engine import Engine, Plan, facts
from portkey_local.model import Call, Failure, Fault, Outcome, Reply, Request, ServerEvent
from portkey_local.providers.messages.front import MessagesDoor, is_messages
from portkey_local.providers.openai import EVENT_STREAM, OpenAICodec, encode_json, redact
from portkey_local.providers.sse import decode_json, sse_bytes

if TYPE_CHECKING:
    from portkey_local.compile import Compiled

Broken: TypeAlias = Callable[[Any, StreamBroken], Exception]  # of an open stream
ROOT_HOST = "portkey-local.invalid"
ROOT = f"https://{ROOT_HOST}/v1"
EXTENSION = "portkey_local"  # of a request: its plan; of a response or an error: the outcome
TEXT_HEADER = (
    "x-portkey-local-text"  # set by a client of ours whose caller wants text, whatever it is
)
DROPPED = frozenset(
    {
        "accept-encoding",  # the wire's own
        "connection",
        "content-length",
        "host",
        "transfer-encoding",
    }
)
WITHHELD = frozenset(  # a target says these itself, unless it forwards the caller's by name
    {
        "api-key",
        "authorization",
        "cookie",
        "openai-organization",
        "openai-project",
        "proxy-authorization",
        "x-api-key",
        "x-goog-api-key",
    }
)
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
WITHHELD_PREFIXES = ("x-stainless-", "x-portkey-")
PIECEMEAL = "x-stainless-raw-response"  # set by SDKs whose caller reads an answer as it arrives
RESPONSE_DROPPED = frozenset(
    {"content-length", "content-encoding", "transfer-encoding", "connection"}
)


def request_from(message: Any, content: bytes) -> Request:
    """Read an HTTP request of the library's into a `Request`."""
    headers, withheld = parted({name.lower(): value for name, value in message.headers.items()})
    path = message.url.raw_path.decode("ascii")
    path, _, query = path.partition("?")
    path = "/" + path.removeprefix("/v1").lstrip("/")
    body = None
    if content and "json" in headers.get("content-type", ""):
        try:
            decoded = decode_json(content)
        except ValueError:
            decoded = None
        body = decoded if isinstance(decoded, dict) else None
    accept = headers.get("accept", "application/json")
    return Request(
        method=message.method,
        path=path,
        body=body,
        encoded=content if body is not None else None,
        content=None if body is not None or not content else content,
        headers=headers,
        withheld=withheld,
        query=query,
        stream=bool(body and body.get("stream") is True),
        json_expected=accept.startswith("application/json") and TEXT_HEADER not in message.headers,
        piecemeal=reads_piecemeal(withheld),
    )


def parted(headers: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers of a caller that go along to a provider, and those that are withheld.

    Names are lower-case. What frames the message is in neither. Raises ValueError for a value that
    HTTP cannot carry; the HTTP libraries would quote it.
    """
    for name, value in headers.items():
        if not HEADER_VALUE.fullmatch(value):
            msg = f"the value of the header {name!r} has characters that HTTP cannot carry"
            raise ValueError(msg)
    passed: dict[str, str] = {}
    withheld: dict[str, str] = {}
    for name, value in headers.items():
        if name in WITHHELD or name.startswith(WITHHELD_PREFIXES):
            withheld[name] = value
        elif name not in DROPPED:
            passed[name] = value
    return passed, withheld


def reads_piecemeal(withheld: Mapping[str, str]) -> bool:
    """Whether a caller reads an answer as it arrives. The Python SDKs say so; of others we know
    no better.
    """
    return withheld.get("x-stainless-lang") != "python" or withheld.get(PIECEMEAL) == "stream"


def response_headers(call: Call, outcome: Outcome) -> dict[str, str]:
    """Return a provider's headers, less those of its framing, with our facts on top."""
    answer = outcome.answer
    kept = {
        name: value
        for name, value in (answer.headers.items() if answer else ())
        if name not in RESPONSE_DROPPED and not name.startswith("x-portkey-")
    }
    if isinstance(outcome, Failure) and outcome.target is not None:
        kept = {name: redact(value, outcome.target) for name, value in kept.items()}
    told = facts(call, outcome)
    if call.metadata:
        told["x-portkey-metadata"] = json.dumps(dict(call.metadata), default=str)
    return {**kept, **told}


def _length(outcome: Outcome) -> dict[str, str]:
    """Return how long a body is that is handed on as it arrives, where its bytes are the wire's."""
    told = outcome.answer.headers if outcome.answer is not None else {}
    if "content-length" not in told or "content-encoding" in told:
        return {}
    return {"content-length": told["content-length"]}


def retold(call: Call, reply: Reply) -> bool:
    """Whether a reply is not in the vendor's own words, but in the caller's."""
    door = reply.target.codec
    codec = door.inner if isinstance(door, MessagesDoor) else door
    if isinstance(codec, OpenAICodec):
        return False
    from portkey_local.providers.native import NativeCodec, translated

    if isinstance(door, MessagesDoor) and door.translates(reply.target, call.request):
        return True
    return isinstance(codec, NativeCodec) and translated(call.request)


def wire_form(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as an HTTP library's response takes any: a provider's may not be ASCII."""
    return [(name.encode("latin-1"), _bytes(value)) for name, value in headers.items()]


def _bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")  # as they were read off the wire
    except UnicodeEncodeError:
        return value.encode(errors="replace")


def anthropic_body(failure: Failure) -> bytes:
    """Return the body of a failure as an Anthropic client is to read it."""
    from portkey_local.providers.messages.errors import failure_body

    return failure_body(failure)


def synthetic_body(failure: Failure) -> bytes:
    """Return the body of a failure that no provider answered, in the gateway's shapes."""
    if failure.fault is Fault.ROUTING:
        return json.dumps({"status": "failure", "message": failure.message}).encode()
    kind = "timeout_error" if failure.fault is Fault.TIMEOUT else "api_error"
    error = {"message": failure.message, "type": kind, "param": None, "code": None}
    return json.dumps({"error": error}).encode()


def has_answer(failure: Failure, path: str = "") -> bool:
    """Whether a failure is shown as an HTTP answer: a provider's, routing's 400, a denial.

    Anthropic's clients are also shown an error that a stream began with: their SDK knows it by its
    status.
    """
    if failure.fault is Fault.ERROR_EVENT:
        return is_messages(path)
    return failure.fault in (Fault.STATUS, Fault.ROUTING, Fault.GUARDRAIL, Fault.SIGN_IN)


def seconds_of(timeout: Any) -> float:
    """Return a request's time limit in seconds, infinity for none, from httpx's extension or
    object.
    """
    if timeout is None:
        return float("inf")
    if isinstance(timeout, dict):
        timeout = timeout.get("read")
    elif not isinstance(timeout, (int, float)):
        timeout = timeout.read
    return float("inf") if timeout is None else float(timeout)


class _Bridge:
    """What both transports share: from the library's message to a call, and back."""

    _library: Any

    def __init__(self, driver: Any, engine: Engine, plan: Plan, broken: Broken) -> None:
        self._driver = driver
        self._engine = engine
        self._plan = plan
        self._broken = broken

    def begin(self, message: Any, content: bytes) -> tuple[Call, Compiled]:
        plan = message.extensions.get(EXTENSION) or self._plan
        timeout = seconds_of(message.extensions.get("timeout"))
        return self._engine.begin(request_from(message, content), plan, timeout)

    def response(self, call: Call, outcome: Outcome, stream: Any = None) -> Any:
        """Return the library's response, or raise its error for a failure without an answer."""
        path = call.request.path
        if isinstance(outcome, Failure) and not has_answer(outcome, path):
            raise self.error(call, outcome)
        headers = response_headers(call, outcome)
        extensions = {EXTENSION: (call, outcome), "http_version": b"HTTP/1.1"}
        if stream is not None:
            if isinstance(outcome, Reply) and retold(call, outcome):
                headers["content-type"] = EVENT_STREAM  # whatever the vendor's own framing is
            elif not headers.get("content-type", "").startswith(EVENT_STREAM):
                headers |= _length(outcome)
            return self._library.Response(
                outcome.status, headers=wire_form(headers), stream=stream, extensions=extensions
            )
        if isinstance(outcome, Reply) and outcome.data is not None:
            # A codec that translates an answer leaves its bytes to whoever needs them.
            content = outcome.answer.content or encode_json(outcome.data)
        elif isinstance(outcome, Failure) and is_messages(path):
            content = anthropic_body(outcome)
            headers["content-type"] = "application/json"
        elif outcome.answer is not None:
            content = outcome.answer.content
        else:
            content = synthetic_body(outcome)
            headers["content-type"] = "application/json"
        headers["content-length"] = str(len(content))
        stream = self._library.ByteStream(content)  # as it is; `content=` would look for a charset
        return self._library.Response(
            outcome.status, headers=wire_form(headers), stream=stream, extensions=extensions
        )

    def error(self, call: Call, failure: Failure) -> Exception:
        name = {Fault.TIMEOUT: "ReadTimeout", Fault.NETWORK: "ConnectError"}.get(
            failure.fault, "RemoteProtocolError"
        )
        error: Exception = getattr(self._library, name)(failure.message)
        setattr(error, EXTENSION, (call, failure))
        return error


def raw_of(stream: Any, event: ServerEvent) -> bytes:
    """Return an event's bytes; an error event's without the key that a provider may quote in it."""
    if event.data is None:
        return event.raw  # of an answer that is no event stream
    raw = event.raw or sse_bytes(event.data, event.name)
    if type(event.data) is dict and event.data.get("error"):
        for secret in stream.target.secrets:
            raw = raw.replace(secret.encode(), b"[redacted]")
    return raw


@cache
def sync_transport(library: Any) -> type:
    """Return the synchronous transport class for httpx or httpx2."""

    class Bytes(library.SyncByteStream):  # type: ignore[misc]
        """The raw bytes of an open stream, event by event."""

        def __init__(self, events: Any, broken: Broken) -> None:
            self._events = events
            self._broken = broken

        def __iter__(self) -> Self:
            return self

        def __next__(self) -> bytes:
            try:
                raw = raw_of(self._events, next(self._events))
            except StreamBroken as error:
                raise self._broken(self._events, error) from error
            return raw

        def close(self) -> None:
            self._events.close()

    class RouterTransport(_Bridge, library.BaseTransport):  # type: ignore[misc]
        """Routes every request; `broken` makes the exception of a stream that breaks."""

        _library = library

        def handle_request(self, request: Any) -> Any:
            call, router = self.begin(request, request.read())
            outcome = self._driver.run(router.route(call))
            stream = None
            if isinstance(outcome, Reply) and outcome.stream is not None:
                stream = Bytes(outcome.stream, self._broken)
            return self.response(call, outcome, stream)

    return RouterTransport


@cache
def async_transport(library: Any) -> type:
    """Return the asynchronous transport class for httpx or httpx2."""

    class AsyncBytes(library.AsyncByteStream):  # type: ignore[misc]
        """The raw bytes of an open stream; no generator, which the SDK would leave unfinished."""

        def __init__(self, events: Any, broken: Broken) -> None:
            self._events = events
            self._broken = broken

        def __aiter__(self) -> Self:
            return self

        async def __anext__(self) -> bytes:
            try:
                raw = raw_of(self._events, await anext(self._events))
            except StreamBroken as error:
                raise self._broken(self._events, error) from error
            return raw

        async def aclose(self) -> None:
            await self._events.close()

    class AsyncRouterTransport(_Bridge, library.AsyncBaseTransport):  # type: ignore[misc]
        """Routes every request; `broken` makes the exception of a stream that breaks."""

        _library = library

        async def handle_async_request(self, request: Any) -> Any:
            call, router = self.begin(request, await request.aread())
            outcome = await self._driver.run(router.route(call))
            stream = None
            if isinstance(outcome, Reply) and outcome.stream is not None:
                stream = AsyncBytes(outcome.stream, self._broken)
            return self.response(call, outcome, stream)

    return AsyncRouterTransport
