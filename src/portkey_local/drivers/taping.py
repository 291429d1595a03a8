"""Streams that are recorded while they are read, so that a cache can keep them.

Ground rules: the reader gets each event as it would without a tape. The tape is kept at the clean
end and nowhere else: a stream that breaks, that an error event ends, or that its reader leaves or
drops, is not. A reader who closes a stream after its last event has read it to its end. What is put
before the stream for this one reader is not recorded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from portkey_local.effects import Route, Tape
from portkey_local.model import ServerEvent


class _Taped:
    """What the synchronous and the asynchronous form share."""

    def __init__(self, events: Any, tape: Tape) -> None:
        """Take over an open stream of a driver's."""
        self.call = events.call
        self.target = events.target
        self.head = events.head
        self._events = events
        self._tape: Tape | None = tape  # None once it is kept or dropped
        self._recorded: list[ServerEvent] = []
        self._before: deque[ServerEvent] = deque()
        tape.idle(self.call.clock())

    @property
    def failed(self) -> bool:
        """Whether an error event has come."""
        return bool(self._events.failed)

    @property
    def blocked(self) -> bool:
        """Whether the vendor's safety filter has withheld all that was to be said so far."""
        return bool(self._events.blocked)

    @property
    def exhausted(self) -> bool:
        """Whether the last event has been read."""
        return not self._before and bool(self._events.exhausted)

    def prepend(self, event: ServerEvent) -> None:
        """Put an event of ours before those that follow."""
        self._before.appendleft(event)

    def _go_on(self) -> None:
        if self._tape is not None:
            self._tape.idle(None)

    def _note(self, event: ServerEvent) -> ServerEvent:
        if self._tape is not None:
            self._recorded.append(event)
            self._tape.idle(self.call.clock())
        return event

    def _drop(self) -> None:
        tape, self._tape = self._tape, None
        self._recorded = []
        if tape is not None:
            tape.drop()

    def _kept(self) -> Route[None] | None:
        """Return what keeps the tape at the stream's end, once, if it is to be kept."""
        if self.failed:
            self._drop()
        tape, self._tape = self._tape, None
        return None if tape is None else tape.keep(self._recorded)

    def __del__(self) -> None:
        if getattr(self, "_tape", None) is not None:
            self._drop()  # dropped unread, and nobody closed it


class TapedStream(_Taped):
    """A recorded stream, to be read synchronously."""

    def __init__(self, events: Any, tape: Tape, run: Callable[[Route[None]], None]) -> None:
        """Take over an open stream; `run` is the driver's."""
        super().__init__(events, tape)
        self._run = run

    def __iter__(self) -> TapedStream:
        """Return the stream itself."""
        return self

    def __next__(self) -> ServerEvent:
        """Return the next event."""
        if self._before:
            return self._before.popleft()
        self._go_on()
        try:
            return self._note(next(self._events))
        except StopIteration:
            self._keep()
            raise
        except BaseException:
            self._drop()
            raise

    def _keep(self) -> None:
        keeping = self._kept()
        if keeping is not None:
            self._run(keeping)

    def close(self) -> None:
        """Close the answer; what was recorded of a stream that was left is dropped."""
        if self._tape is not None and self._events.exhausted:
            self._keep()
        self._drop()
        self._before.clear()
        self._events.close()


class AsyncTapedStream(_Taped):
    """A recorded stream, to be read asynchronously."""

    def __init__(
        self, events: Any, tape: Tape, run: Callable[[Route[None]], Awaitable[None]]
    ) -> None:
        """Take over an open stream; `run` is the driver's."""
        super().__init__(events, tape)
        self._run = run

    def __aiter__(self) -> AsyncTapedStream:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> ServerEvent:
        """Return the next event."""
        if self._before:
            return self._before.popleft()
        self._go_on()
        try:
            return self._note(await anext(self._events))
        except StopAsyncIteration:
            await self._keep()
            raise
        except BaseException:
            self._drop()
            raise

    async def _keep(self) -> None:
        keeping = self._kept()
        if keeping is not None:
            await self._run(keeping)

    async def close(self) -> None:
        """Close the answer; what was recorded of a stream that was left is dropped."""
        if self._tape is not None and self._events.exhausted:
            await self._keep()
        self._drop()
        self._before.clear()
        await self._events.close()
