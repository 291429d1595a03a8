"""One call to the server, from ASGI's messages to a request of the door's, and its answer back.

Ground rules: a body is read whole, up to a limit, for it may have to be sent more than once; an
answer goes out as it comes, its head with the stream's first event. A caller who leaves ends the
call, and with it the provider's. A stream that breaks ends with an event that says so and without
HTTP's own end, so that nobody takes it for whole.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio

from portkey_local.providers.messages.errors import error_body
from portkey_local.providers.messages.front import is_messages
from portkey_local.providers.openai import EVENT_STREAM
from portkey_local.providers.sse import decode_json, sse_bytes
from portkey_local.transports import ROOT_HOST

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

__all__ = ["Calls", "Refused", "Served", "failure"]

LOG: Final = logging.getLogger(__name__)
HOP: Final = frozenset(  # of a message between two hosts; not the caller's to a provider, or back
    {
        "connection",
        "expect",
        "http2-settings",
        "keep-alive",
        "priority",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
OF_THE_CALLER: Final = HOP | {"origin", "referer"}
OF_THE_PROVIDER: Final = HOP | {"alt-svc", "date", "server", "strict-transport-security"}
LEFT: Final = "the caller left"
BROKEN: Final = "stream_interrupted"


@dataclass(frozen=True, slots=True)
class Served:
    """A call that is over, for whoever keeps a log."""

    method: str
    path: str
    status: int | None
    """None for a caller who left before the answer."""
    seconds: float
    target: str = ""
    note: str = ""


class Refused(Exception):
    """A request that is answered here; the message says why."""

    def __init__(self, status: int, message: str) -> None:
        """Take the answer's status."""
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class _SendingState:
    """How far an answer is; one task's own."""

    send: Send
    status: int | None = None
    target: str = ""
    note: str = ""
    ended: bool = False

    async def head(self, status: int, headers: Any) -> None:
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, data: bytes, *, more: bool) -> None:
        self.ended = not more
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def fail(self, status: int, message: str) -> None:
        content = failure(message)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await self.head(status, headers)
        await self.body(content, more=False)


@dataclass(frozen=True, slots=True)
class Calls:
    """The ASGI application of every path below `/v1`."""

    door: Any
    limit: int
    """Bytes of a request's body."""
    log: Callable[[Served], object] = field(default=lambda _: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = time.monotonic()
        state = _SendingState(send)
        try:
            message = await self._message(scope, receive)
            async with anyio.create_task_group() as group:
                group.start_soon(_until_gone, receive, state, group.cancel_scope)
                await self._answer(message, state)
                group.cancel_scope.cancel()
        except Refused as refused:
            await state.fail(refused.status, str(refused))
        except _LeftError:
            state.note = LEFT
        finally:
            self._over(scope, time.monotonic() - begun, state)

    def _over(self, scope: Scope, seconds: float, state: _SendingState) -> None:
        """Tell the log; one that fails, as where nobody reads it any more, fails no call."""
        # Not the decoded path, which could pose as a line of the log.
        path = scope["raw_path"].decode("latin-1")
        try:
            self.log(Served(scope["method"], path, state.status, seconds, state.target, state.note))
        except Exception as error:  # noqa: BLE001 - as below
            _tell(error)

    async def _message(self, scope: Scope, receive: Receive) -> Any:
        """Return the door's own form of a request."""
        headers = [pair for pair in scope["headers"] if pair[0].decode() not in OF_THE_CALLER]
        content = await _whole(receive, self.limit, dict(headers).get(b"content-length"))
        named = dict(headers).get(b"content-type", b"")
        if content and b"json" in named:
            _check_json(content)
        query = scope["query_string"].decode("latin-1")
        url = (
            f"https://{ROOT_HOST}{scope['raw_path'].decode('latin-1')}{'?' if query else ''}{query}"
        )
        library = self.door._library
        try:
            return library.Request(scope["method"], url, headers=headers, content=content)
        except library.InvalidURL:
            raise Refused(400, "The URL has characters that are not allowed in one") from None

    async def _answer(self, message: Any, state: _SendingState) -> None:
        try:
            response = await self.door.handle_async_request(message)
        except Exception as error:  # noqa: BLE001 - a bug is one call's, not the server's
            _tell(error)
            kind = type(error).__name__
            await state.fail(500, f"An error of portkey-local's own: {kind}; its log says where")
            return
        state.target = response.headers.get("x-portkey-last-used-option-index", "")
        headers = [
            (name, value)
            for name, value in response.headers.raw
            if name.decode("latin-1").lower() not in OF_THE_PROVIDER
        ]
        await state.head(response.status_code, headers)
        try:
            await self._pour(response, endpoint_of(message), state)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def _pour(self, response: Any, endpoint: str, state: _SendingState) -> None:
        """Send the body as it comes."""
        library = self.door._library
        try:
            async for chunk in response.stream:
                await state.body(chunk, more=True)
        except library.TransportError as error:
            state.note = str(error)
            if response.headers.get("content-type", "").startswith(EVENT_STREAM):
                await state.body(interruption(endpoint, str(error)), more=True)
            return  # without an end: the server hangs up
        except Exception as error:  # noqa: BLE001 - as above
            state.note = type(error).__name__
            _tell(error)
            return
        await state.body(b"", more=False)


class _LeftError(Exception):
    """The caller left while its request was read."""


async def _whole(receive: Receive, limit: int, announced: bytes | None) -> bytes:
    """Return a request's body. Raises Refused for one that is too large."""
    too_large = Refused(413, f"The body is larger than {limit} bytes; --max-body raises the limit")
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        event: Message = await receive()
        if event["type"] == "http.disconnect":
            raise _LeftError
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise too_large
        if not event.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _until_gone(receive: Receive, state: _SendingState, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    if not state.ended:
        state.note = LEFT
    scope.cancel()


def _check_json(content: bytes) -> None:
    try:
        decode_json(content)
    except ValueError:
        raise Refused(400, "The body is not JSON, which its content type says it is") from None


def _tell(error: Exception) -> None:
    """Log where a bug is: the place alone, for its message may quote a request."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = None if trace is None else trace.tb_frame.f_code
    place = "" if trace is None or code is None else f"{code.co_filename}:{trace.tb_lineno}"
    LOG.error("%s in %s", type(error).__name__, place)


def endpoint_of(message: Any) -> str:
    """Return the path of a request below the API's root."""
    path: str = message.url.path
    return path.removeprefix("/v1")


def failure(message: str) -> bytes:
    """Return the body of an error of the gateway's own."""
    return json.dumps({"status": "failure", "message": message}).encode()


def interruption(path: str, message: str) -> bytes:
    """Return the event that says to the clients of an endpoint that its stream broke."""
    if is_messages(path):
        return sse_bytes(error_body(500, message), "error")
    error: Mapping[str, Any] = {"message": message, "type": BROKEN, "param": None, "code": None}
    if path.startswith("/responses"):
        return sse_bytes(
            {"type": "error", "message": message, "code": BROKEN, "error": error}, "error"
        )
    return sse_bytes({"error": error})
