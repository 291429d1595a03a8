"""The asynchronous driver: the same loop as the synchronous one, awaiting, on asyncio or trio."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import assert_never, cast

import anyio

from portkey_local.drivers import notes
from portkey_local.drivers.streams import AsyncEventStream
from portkey_local.effects import Discard, Effect, Route, Send, Sleep
from portkey_local.model import Answer, Call, Failure, Outcome, Packet, Reply, ServerEvent, Target
from portkey_local.wire.contract import AsyncResponse, AsyncWire, WireError, WireTimeout


class AsyncDriver:
    """Runs routes over a wire; one wire for each event loop's library."""

    clock = staticmethod(time.monotonic)

    def __init__(
        self,
        wire: AsyncWire,
        *,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take the wire; `sleep` and `wall` (the time of day) can be given for tests."""
        self.wire = wire
        self._sleep = sleep
        self._wall = wall

    async def run(self, route: Route[Outcome]) -> Outcome:
        """Perform what the route asks for until it returns."""
        answer: object = None
        with closing(route):
            while True:
                try:
                    effect = route.send(answer)
                except StopIteration as stop:
                    return cast("Outcome", stop.value)
                answer = await self._perform(effect)

    async def _perform(self, effect: Effect) -> object:
        match effect:
            case Send(call, target):
                return await self._send(call, target)
            case Sleep(seconds):
                await self._sleep(seconds)
                return None
            case Discard(call, reply):
                notes.discarded(call, reply)
                if reply.stream is not None:
                    await reply.stream.close()
                return None
            case _:
                assert_never(effect)

    async def _send(self, call: Call, target: Target) -> Outcome:
        begin = self.clock()
        notes.started(call, target)
        outcome: Outcome
        try:
            packet = target.codec.encode(target, call.request)
            outcome = (
                packet
                if isinstance(packet, Failure)
                else await self._exchange(call, target, packet)
            )
        except WireTimeout as error:
            outcome = notes.timed_out(target, self.clock() - begin, error)
        except WireError as error:
            outcome = notes.unreachable(target, error)
        notes.ended(call, target, outcome, self.clock() - begin)
        return outcome

    async def _exchange(self, call: Call, target: Target, packet: Packet) -> Outcome:
        response = await self.wire.open(packet, call.deadline)
        try:
            head = response.head
            succeeded = 200 <= head.status < 300
            if succeeded and target.codec.streams(call.request, head):
                return await self._first_event(call, target, response)
            content = await self._read(response, call.deadline, forgiving=not succeeded)
        except BaseException:
            await response.close()
            raise
        await response.close()
        answer = Answer(head.status, head.headers, content)
        return target.codec.decode(target, call.request, answer, self._wall())

    async def _read(self, response: AsyncResponse, deadline: float, *, forgiving: bool) -> bytes:
        """Return the whole body; of an error's body whatever came, for its status is the news."""
        parts = []
        try:
            while (chunk := await response.chunk(deadline)) is not None:
                parts.append(chunk)
        except (WireTimeout, WireError):
            if not forgiving:
                raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _first_event(self, call: Call, target: Target, response: AsyncResponse) -> Outcome:
        """Read up to the commit point: any failure before it is the attempt's, not the reader's."""
        reader = target.codec.reader(target, call.request)
        events: list[ServerEvent] = []
        while not events:
            chunk = await response.chunk(call.deadline)
            if chunk is None:
                await response.close()
                return notes.malformed(
                    target, "a stream that ended before its first event", response.head
                )
            events = reader.feed(chunk)
            if reader.malformed and not events:
                await response.close()
                return notes.malformed(
                    target, "an answer that is not an event stream", response.head
                )
            if not events and self.clock() >= call.deadline:
                msg = "no event in time"
                raise WireTimeout(msg)
        failure = target.codec.judge_first(target, response.head, events[0])
        if failure is not None:
            await response.close()
            return failure
        stream = AsyncEventStream(call, target, response, reader, events)
        return Reply(target, response.head, stream=stream)
