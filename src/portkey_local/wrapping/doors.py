"""Doors: transports of httpx and httpx2 that route an SDK's model calls and let the rest pass.

Ground rules: what is routed is asked first, of the method and the URL alone; what is not goes to
the inner transport as it came, its body unread. A routed call fails as the library's own errors, a
stream that breaks too, so that an SDK makes of both what it always does. Closing a door closes what
was made for it: its connections and its engine, and never the inner transport's owner.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import anyio

from portkey_local.drivers.streams import StreamBroken
from portkey_local.engine import Engine, Plan
from portkey_local.model import Call, Failure, Fault, Outcome, Request
from portkey_local.providers.messages.front import is_messages
from portkey_local.providers.openai import EVENT_STREAM
from portkey_local.providers.own import SELF
from portkey_local.providers.sse import sse_bytes
from portkey_local.transports import (
    async_transport,
    response_headers,
    seconds_of,
    sync_transport,
    wire_form,
)
from portkey_local.wire.contract import WireTimeout
from portkey_local.wrapping.calls import endpoint_of, lives_at, part, request_of

if TYPE_CHECKING:
    from portkey_local.compile import Compiled

__all__ = ["Door", "async_door", "sync_door"]

# What steers an HTTP client: obeyed from another target than "self", a redirect would take the
# caller's key along to where that target says, and a cookie would be sent to the caller's host.
FOR_ITS_CLIENT: Final = ("location", "set-cookie")


class Door:
    """What the synchronous and the asynchronous door share: which calls are routed, and how."""

    _library: Any
    _engine: Engine

    own: ClassVar = True  # whether a target may be "self": the SDK's own request, as it made it

    def __init__(
        self, driver: Any, engine: Engine, plan: Plan, inner: Any, *, anywhere: bool
    ) -> None:
        """Take what routes, and `inner` for the rest; `anywhere`: to whatever host a call goes."""
        broken = partial(_broken_stream, self._library)
        super().__init__(driver, engine, plan, broken)  # type: ignore[call-arg]
        self._inner = inner
        self._anywhere = anywhere
        # A client sends the same headers with every call; the cache goes when the door goes.
        self._part = lru_cache(maxsize=64)(part)

    def is_routed(self, message: Any) -> bool:
        """Whether a request of the SDK's is a model call that the router may take."""
        endpoint = endpoint_of(message.method, message.url.raw_path)
        if endpoint is None or self._anywhere:
            return endpoint is not None
        return lives_at(message.url, endpoint)

    def begin(self, message: Any, content: bytes) -> tuple[Call, Compiled]:
        """Return the call that a request is, and the router for it."""
        timeout = seconds_of(message.extensions.get("timeout"))
        try:
            request = self.read(message, content)
        except ValueError as error:
            raise self._library.LocalProtocolError(str(error)) from error
        return self._engine.begin(request, self.plan_of(message), timeout)

    def read(self, message: Any, content: bytes) -> Request:
        """Read a request that is routed."""
        endpoint = endpoint_of(message.method, message.url.raw_path) or ""
        return request_of(message, content, endpoint, self._part)

    def plan_of(self, message: Any) -> Plan:  # noqa: ARG002 - a door may look at it
        """Return how a request is routed."""
        plan: Plan = self._plan  # type: ignore[attr-defined]
        return plan

    def response(self, call: Call, outcome: Outcome, stream: Any = None) -> Any:
        """Return the library's response; an error event is a stream, for the SDK to read."""
        content = _first_event(call, outcome) if isinstance(outcome, Failure) else None
        if content is None:
            made = super().response(call, outcome, stream)  # type: ignore[misc]
        else:
            headers = {**response_headers(call, outcome), "content-type": EVENT_STREAM}
            made = self._library.Response(200, headers=wire_form(headers), content=content)
        if outcome.target is None or outcome.target.provider != SELF:
            for name in FOR_ITS_CLIENT:
                made.headers.pop(name, None)
        return made


def _first_event(call: Call, failure: Failure) -> bytes | None:
    """Return the error event that a stream began with; None for what is told by a status."""
    if failure.fault is not Fault.ERROR_EVENT:
        return None
    raw = failure.answer.content if failure.answer is not None else b""
    if raw or is_messages(call.request.path):
        return raw or None
    return sse_bytes({"error": failure.error})


def _broken_stream(library: Any, events: Any, error: StreamBroken) -> Exception:
    """Return the library's own exception for a stream that breaks."""
    stalled = isinstance(error.__cause__, WireTimeout)
    name = "ReadTimeout" if stalled else "RemoteProtocolError"
    made: Exception = getattr(library, name)(f"{events.target.path}: {error}")
    return made


@cache
def sync_door(library: Any, kind: Any = Door) -> Callable[..., Any]:
    """Return the synchronous form of a door for httpx or httpx2."""

    class SyncDoor(kind, sync_transport(library)):  # type: ignore[misc]
        """Routes model calls, and lets pass what is none."""

        def handle_request(self, request: Any) -> Any:
            if not self.is_routed(request):
                return self._inner.handle_request(request)
            return super().handle_request(request)

        def close(self) -> None:
            """Close the connections of routed calls; no more are taken."""
            if not self._engine.closed:
                self._engine.close()
                self._driver.close()
                self._inner.close()

    return SyncDoor


@cache
def async_door(library: Any, kind: Any = Door) -> Callable[..., Any]:
    """Return the asynchronous form of a door for httpx or httpx2."""

    class AsyncDoor(kind, async_transport(library)):  # type: ignore[misc]
        """Routes model calls, and lets pass what is none."""

        async def handle_async_request(self, request: Any) -> Any:
            if not self.is_routed(request):
                return await self._inner.handle_async_request(request)
            return await super().handle_async_request(request)

        async def aclose(self) -> None:
            """Close the connections of routed calls; no more are taken."""
            if not self._engine.closed:
                await anyio.to_thread.run_sync(self._engine.close)  # a cache may have to write
                await self._driver.close()
                await self._inner.aclose()

    return AsyncDoor
