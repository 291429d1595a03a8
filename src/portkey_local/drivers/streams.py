"""Open streams, as a driver hands them over: parsed events, bounded gaps, and never a false end.

Ground rules: the first event has come before a stream is handed over. After it, a stream ends
cleanly only when its reader has seen the terminal event; anything else raises `StreamBroken`.
Waiting for the next event takes at most the target's `idle_timeout`, which keep-alive comments do
not reset, and events that a codec holds back do; it is measured on the call's own clock. The
connection is given back or closed at the end, at a break, and when the reader leaves early.
"""

from __future__ import annotations

from collections import deque

from portkey_local.drivers import notes
from portkey_local.model import (
    Answer,
    Call,
    EventReader,
    Outcome,
    Reply,
    ServerEvent,
    Target,
)
from portkey_local.providers.piecemeal import Pieces, is_piecemeal
from portkey_local.wire.contract import AsyncResponse, Response, WireError, WireTimeout

DRAIN = 0.25  # seconds; what an ended stream's last bytes may take, for the connection's reuse


def reader_of(call: Call, target: Target, head: Answer, wall: float) -> EventReader | None:
    """Return what reads a 2xx answer as it comes; None for one that is read whole, and judged."""
    if target.codec.streams(call.request, head):
        return target.codec.reader(target, call.request, wall)
    return Pieces() if is_piecemeal(call.request, head) else None


class StreamBroken(Exception):
    """A stream ended before its terminal event; the message says how."""


class _Stream:
    """What the synchronous and the asynchronous form share: everything but the waiting."""

    def __init__(
        self,
        call: Call,
        target: Target,
        head: Answer,
        reader: EventReader,
        events: list[ServerEvent],
    ) -> None:
        self.call = call
        self.target = target
        self.head = head
        self._reader = reader
        self._pending = deque(events)
        self._over = False

    @property
    def failed(self) -> bool:
        """Whether an error event has come."""
        return self._reader.failed

    @property
    def exhausted(self) -> bool:
        """Whether the last event has been read."""
        return self._reader.ended and not self._pending

    @property
    def blocked(self) -> bool:
        """Whether the vendor's safety filter has withheld all that was to be said so far."""
        return self._reader.blocked

    def prepend(self, event: ServerEvent) -> None:
        """Put an event of ours before those that follow."""
        self._pending.appendleft(event)

    def _accept(self, chunk: bytes | None) -> bool:
        """Take a chunk; return False at the clean end of the stream."""
        if chunk is None:
            self._pending.extend(self._reader.finish())
            if self._reader.complete:
                return bool(self._pending)
            msg = "the stream ended without its terminal event"
            raise StreamBroken(msg)
        self._pending.extend(self._reader.feed(chunk))
        if not self._pending:
            self._check()
        return True

    def _check(self) -> None:
        """Raise when the reader has met something that is no event."""
        if self._reader.malformed:
            msg = f"the stream is malformed: {self._reader.malformed}"
            raise StreamBroken(msg)

    def _cut(self, error: Exception) -> bool:
        """Raise for a cut or stalled stream, unless its terminal event has been seen.

        Return whether events were held back until its end.
        """
        if self._reader.complete:
            self._pending.extend(self._reader.finish())
            return bool(self._pending)
        if isinstance(error, WireTimeout):
            msg = f"no event for {self.target.idle_timeout:.3g} s (stream_idle_timeout)"
        else:
            msg = f"the connection broke: {error}"
        raise StreamBroken(msg) from error

    def _report(self, name: str, reason: str | None = None) -> None:
        if self._over:
            return
        self._over = True
        if self._reader.failed:
            name, reason = "stream.interrupted", "error event"
        if self.call.emit is not None:
            facts = notes.usage_of(self._reader.usage)
            self.call.report(name, self.target, status=self.head.status, reason=reason, **facts)


class _Gathered:
    """A stream that was read to its end, as if it came now; its end has been reported."""

    failed = False
    blocked = False

    def __init__(self, call: Call, target: Target, head: Answer, events: list[ServerEvent]) -> None:
        self.call = call
        self.target = target
        self.head = head
        self._pending = deque(events)

    @property
    def exhausted(self) -> bool:
        """Whether the last event has been read."""
        return not self._pending

    def prepend(self, event: ServerEvent) -> None:
        """Put an event of ours before those that follow."""
        self._pending.appendleft(event)


class GatheredStream(_Gathered):
    """A gathered stream, to be read synchronously."""

    def __iter__(self) -> GatheredStream:
        """Return the stream itself."""
        return self

    def __next__(self) -> ServerEvent:
        """Return the next event."""
        if not self._pending:
            raise StopIteration
        return self._pending.popleft()

    def close(self) -> None:
        """Let the rest go."""
        self._pending.clear()


class AsyncGatheredStream(_Gathered):
    """A gathered stream, to be read asynchronously."""

    def __aiter__(self) -> AsyncGatheredStream:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> ServerEvent:
        """Return the next event."""
        if not self._pending:
            raise StopAsyncIteration
        return self._pending.popleft()

    async def close(self) -> None:
        """Let the rest go."""
        self._pending.clear()


async def gathered(call: Call, reply: Reply) -> Outcome:
    """Read an open stream to its end; return a reply that repeats it, or why it broke."""
    try:
        events = [event async for event in reply.stream]
    except StreamBroken as error:
        return notes.broken_off(reply.target, error)
    if reply.stream.failed:
        return notes.broken_off(reply.target, StreamBroken("an error event came"))
    stream = AsyncGatheredStream(call, reply.target, reply.answer, events)
    blocked = reply.stream.blocked
    return Reply(reply.target, reply.answer, events, stream, reply.retries, blocked)


class EventStream(_Stream):
    """A synchronous stream of `ServerEvent`s; iterate it, then `close` it."""

    def __init__(
        self,
        call: Call,
        target: Target,
        response: Response,
        reader: EventReader,
        events: list[ServerEvent],
    ) -> None:
        """Take over an answer whose first events have come."""
        super().__init__(call, target, response.head, reader, events)
        self._response = response

    def __iter__(self) -> EventStream:
        """Return the stream itself."""
        return self

    def __next__(self) -> ServerEvent:
        """Return the next event; raise `StreamBroken` when the stream breaks before its end."""
        if self._pending:
            return self._pending.popleft()
        if self._over:
            raise StopIteration
        try:
            more = not self._reader.ended and self._wait()
        except StreamBroken as error:
            self._report("stream.interrupted", str(error))
            self._response.close()
            raise
        except BaseException:
            self.close()
            raise
        if more:
            return self._pending.popleft()
        self._drain()
        self._report("stream.completed")
        self._response.close()
        raise StopIteration

    def _wait(self) -> bool:
        self._check()
        deadline = self.call.clock() + self.target.idle_timeout
        seen = self._reader.seen
        while not self._pending:
            try:
                chunk = self._response.chunk(deadline)
            except (WireTimeout, WireError) as error:
                return self._cut(error)
            if not self._accept(chunk):
                return False
            if self._reader.seen > seen:
                seen, deadline = self._reader.seen, self.call.clock() + self.target.idle_timeout
            if not self._pending and self.call.clock() >= deadline:
                return self._cut(WireTimeout())
        return True

    def _drain(self) -> None:
        try:
            while self._response.chunk(self.call.clock() + DRAIN):
                continue
        except (WireTimeout, WireError):
            self._response.close()  # all events have come; the connection is just not reused

    def close(self) -> None:
        """Close the answer; a stream that was not read to its end is reported as left."""
        self._report("stream.closed")
        self._pending.clear()
        self._response.close()


class AsyncEventStream(_Stream):
    """An asynchronous stream of `ServerEvent`s; iterate it, then `close` it."""

    def __init__(
        self,
        call: Call,
        target: Target,
        response: AsyncResponse,
        reader: EventReader,
        events: list[ServerEvent],
    ) -> None:
        """Take over an answer whose first events have come."""
        super().__init__(call, target, response.head, reader, events)
        self._response = response

    def __aiter__(self) -> AsyncEventStream:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> ServerEvent:
        """Return the next event; raise `StreamBroken` when the stream breaks before its end."""
        if self._pending:
            return self._pending.popleft()
        if self._over:
            raise StopAsyncIteration
        try:
            more = not self._reader.ended and await self._wait()
        except StreamBroken as error:
            self._report("stream.interrupted", str(error))
            await self._response.close()
            raise
        except BaseException:
            await self.close()
            raise
        if more:
            return self._pending.popleft()
        await self._drain()
        self._report("stream.completed")
        await self._response.close()
        raise StopAsyncIteration

    async def _wait(self) -> bool:
        self._check()
        deadline = self.call.clock() + self.target.idle_timeout
        seen = self._reader.seen
        while not self._pending:
            try:
                chunk = await self._response.chunk(deadline)
            except (WireTimeout, WireError) as error:
                return self._cut(error)
            if not self._accept(chunk):
                return False
            if self._reader.seen > seen:
                seen, deadline = self._reader.seen, self.call.clock() + self.target.idle_timeout
            if not self._pending and self.call.clock() >= deadline:
                return self._cut(WireTimeout())
        return True

    async def _drain(self) -> None:
        try:
            while await self._response.chunk(self.call.clock() + DRAIN):
                continue
        except (WireTimeout, WireError):
            await self._response.close()  # all events have come; the connection is just not reused

    async def close(self) -> None:
        """Close the answer; a stream that was not read to its end is reported as left."""
        self._report("stream.closed")
        self._pending.clear()
        await self._response.close()
