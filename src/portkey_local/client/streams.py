"""Streams in openai's own types, over a driver's parsed events.

They are `openai.Stream` and `openai.AsyncStream`, so that every helper of the SDK takes them; the
SDK's own decoding of bytes is left out, because the events have been parsed on the way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from functools import lru_cache
from typing import Any, TypeVar

from openai import APIError, AsyncStream, Stream
from openai._streaming import extract_stream_chunk_type

from portkey_local.client.construct import converter
from portkey_local.client.failures import http_library, interrupted, response_of, told
from portkey_local.client.results import headers_told, short
from portkey_local.drivers.streams import StreamBroken
from portkey_local.engine import facts
from portkey_local.model import DONE, Call, Reply, ServerEvent
from portkey_local.providers.openai import redact_json
from portkey_local.semantic.explained import CacheDecision

T = TypeVar("T")


@lru_cache(maxsize=256)
def chunk_type(cast_to: Any, stream_cls: Any) -> Any:
    """Return the type of a stream's chunks, as the SDK reads it off the stream class."""
    return cast_to if stream_cls is None else extract_stream_chunk_type(stream_cls)


class _Chunks:
    """From a reply's events to chunks of the SDK's, and to its exceptions.

    Apart from the stream itself: a generator over this one makes no reference cycle, so a stream
    that is dropped in the middle gives its connection back at once.
    """

    def __init__(self, cast_to: Any, options: Any, call: Call, reply: Reply) -> None:
        self.call = call
        self.reply = reply
        self._construct = converter(cast_to)
        self._named = bool(options is not None and options.synthesize_event_and_data)

    def response(self) -> Any:
        return response_of(http_library(), self.call, self.reply)

    def chunk(self, event: ServerEvent) -> Any:
        data = event.data
        thread = event.name is not None and event.name.startswith("thread.")
        if type(data) is dict and data.get("error") and (not thread or event.name == "error"):
            self._raise_error(data["error"])
        if thread or self._named:
            data = {"data": data, "event": event.name}
        return self._construct(data)

    def _raise_error(self, error: Any) -> None:
        """Raise what the SDK raises for an error event."""
        message = error.get("message") if isinstance(error, dict) else None
        if not isinstance(message, str) or not message:
            message = "An error occurred during streaming"
        target = self.reply.target
        response = self.response()
        raised = APIError(message, response.request, body=redact_json(error, target))
        raised.response = response  # type: ignore[attr-defined]
        told(raised, message, self.call, target)
        raise raised

    def interrupted(self, broken: StreamBroken) -> APIError:
        return interrupted(self.call, self.reply.target, self.response(), broken)


def _iterate(chunks: _Chunks) -> Iterator[Any]:
    """Yield the chunks; close the answer whatever happens."""
    events = chunks.reply.stream
    try:
        for event in events:
            if event.data is not DONE:
                yield chunks.chunk(event)
    except StreamBroken as broken:
        raise chunks.interrupted(broken) from broken
    finally:
        events.close()


async def _iterate_async(chunks: _Chunks) -> AsyncGenerator[Any, None]:
    """Yield the chunks; close the answer whatever happens."""
    events = chunks.reply.stream
    try:
        async for event in events:
            if event.data is not DONE:
                yield chunks.chunk(event)
    except StreamBroken as broken:
        raise chunks.interrupted(broken) from broken
    finally:
        await events.close()


class _Facts:
    """What both forms tell of the route."""

    _chunks: _Chunks
    response: Any

    def __getattr__(self, name: str) -> Any:
        """Make `response` when it is asked for: the answer as the HTTP library's own object."""
        if name == "response":
            self.response = self._chunks.response()
            return self.response
        msg = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(msg)

    def get_headers(self) -> dict[str, str]:
        """Return the `x-portkey-*` headers without their prefix."""
        return short(facts(self._chunks.call, self._chunks.reply))

    def get_cache_decision(self) -> CacheDecision:
        """Return why the answer came from a cache, or did not."""
        return headers_told(self._chunks.call, self._chunks.reply).decided()


class PortkeyStream(_Facts, Stream[T]):
    """A synchronous stream of chunks; close it, or use it as a context manager, to leave early."""

    def __init__(self, cast_to: Any, options: Any, call: Call, reply: Reply) -> None:
        """Take over an open reply."""
        self._chunks = _Chunks(cast_to, options, call, reply)
        self._iterator = _iterate(self._chunks)

    def close(self) -> None:
        """Close the answer and release the connection."""
        self._chunks.reply.stream.close()


class AsyncPortkeyStream(_Facts, AsyncStream[T]):
    """An asynchronous stream of chunks; close it, or use it with `async with`, to leave early."""

    def __init__(self, cast_to: Any, options: Any, call: Call, reply: Reply) -> None:
        """Take over an open reply."""
        self._chunks = _Chunks(cast_to, options, call, reply)
        self._iterator = self._events = _iterate_async(self._chunks)

    async def close(self) -> None:
        """Close the answer and release the connection."""
        if not getattr(
            self._events, "ag_running", False
        ):  # by a reader in another task, which will see the end
            await self._events.aclose()
        await self._chunks.reply.stream.close()
