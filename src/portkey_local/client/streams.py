"""Streams in openai's own types, over a driver's parsed events.

They are `openai.Stream` and `openai.AsyncStream`, so that every helper of the SDK takes them; the
SDK's own decoding of bytes is left out, because the events have been parsed on the way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Any, TypeVar

from openai import APIError, AsyncStream, Stream
from openai._streaming import extract_stream_chunk_type

from portkey_local.client.construct import converter
from portkey_local.client.failures import http_library, interrupted, response_of, told
from portkey_local.client.results import short
from portkey_local.drivers.streams import StreamBroken
from portkey_local.engine import facts
from portkey_local.model import DONE, Call, Reply, ServerEvent
from portkey_local.providers.openai import redact_json

T = TypeVar("T")


@lru_cache(maxsize=256)
def chunk_type(cast_to: Any, stream_cls: Any) -> Any:
    """Return the type of a stream's chunks, as the SDK reads it off the stream class."""
    return cast_to if stream_cls is None else extract_stream_chunk_type(stream_cls)


class _Chunks:
    """What both forms share: from an event to a chunk of the SDK's."""

    def __init__(self, client: Any, cast_to: Any, options: Any, call: Call, reply: Reply) -> None:
        self._client = client
        self._options = options
        self._call = call
        self._reply = reply
        self._construct = converter(cast_to)
        self._named = bool(options is not None and options.synthesize_event_and_data)

    def _response(self) -> Any:
        return response_of(http_library(), self._call, self._reply)

    def __getattr__(self, name: str) -> Any:
        """Make `response` when it is asked for: the answer as the HTTP library's own object."""
        if name == "response":
            self.response = self._response()
            return self.response
        raise AttributeError(name)

    def get_headers(self) -> dict[str, str]:
        """Return the `x-portkey-*` headers without their prefix."""
        return short(facts(self._call, self._reply))

    def _chunk(self, event: ServerEvent) -> Any:
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
        target = self._reply.target
        response = self._response()
        raised = APIError(message, response.request, body=redact_json(error, target))
        raised.response = response  # type: ignore[attr-defined]
        told(raised, message, self._call, target)
        raise raised

    def _interrupted(self, broken: StreamBroken) -> APIError:
        return interrupted(self._call, self._reply.target, self._response(), broken)


class PortkeyStream(_Chunks, Stream[T]):
    """A synchronous stream of chunks; close it, or use it as a context manager, to leave early."""

    def __init__(self, client: Any, cast_to: Any, options: Any, call: Call, reply: Reply) -> None:
        """Take over an open reply."""
        _Chunks.__init__(self, client, cast_to, options, call, reply)
        self._iterator = self.__stream__()

    def __stream__(self) -> Iterator[T]:
        """Yield the chunks; close the answer whatever happens."""
        events = self._reply.stream
        try:
            for event in events:
                if event.data is not DONE:
                    yield self._chunk(event)
        except StreamBroken as broken:
            raise self._interrupted(broken) from broken
        finally:
            events.close()

    def close(self) -> None:
        """Close the answer and release the connection."""
        self._reply.stream.close()


class AsyncPortkeyStream(_Chunks, AsyncStream[T]):
    """An asynchronous stream of chunks; close it, or use it as a context manager, to leave
    early.
    """

    def __init__(self, client: Any, cast_to: Any, options: Any, call: Call, reply: Reply) -> None:
        """Take over an open reply."""
        _Chunks.__init__(self, client, cast_to, options, call, reply)
        self._iterator = self.__stream__()

    async def __stream__(self) -> AsyncIterator[T]:
        """Yield the chunks; close the answer whatever happens."""
        events = self._reply.stream
        try:
            async for event in events:
                if event.data is not DONE:
                    yield self._chunk(event)
        except StreamBroken as broken:
            raise self._interrupted(broken) from broken
        finally:
            await events.close()

    async def close(self) -> None:
        """Close the answer and release the connection."""
        await self._reply.stream.close()
