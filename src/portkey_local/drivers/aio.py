"""The asynchronous driver: the same loop as the synchronous one, awaiting, on asyncio or trio."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from typing import Any, assert_never, cast

import anyio

from portkey_local.drivers import notes
from portkey_local.drivers.aside import aside_async
from portkey_local.drivers.beside import Tasks
from portkey_local.drivers.shelving import landed, looked_up, looked_up_aside, ready, stored
from portkey_local.drivers.streams import (
    AsyncEventStream,
    AsyncGatheredStream,
    gathered,
    reader_of,
)
from portkey_local.drivers.taping import AsyncTapedStream
from portkey_local.effects import (
    Beside,
    Discard,
    Effect,
    Fetch,
    Follow,
    Gather,
    Lookup,
    Raised,
    Record,
    Replay,
    Route,
    Run,
    Send,
    Sleep,
    Store,
    T,
    Work,
)
from portkey_local.model import (
    Answer,
    Call,
    EventReader,
    Failure,
    Outcome,
    Packet,
    Reply,
    ServerEvent,
    Target,
)
from portkey_local.wire.contract import AsyncResponse, AsyncWire, WireError, WireTimeout


class AsyncDriver:
    """Runs routes over a wire; one wire for each event loop's library."""

    clock = staticmethod(time.monotonic)
    _gather = staticmethod(gathered)

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
        self._beside = Tasks()

    async def run(self, route: Route[T]) -> T:
        """Perform what the route asks for until it returns."""
        answer: object = None
        with closing(route):
            while True:
                try:
                    effect = route.send(answer)
                except StopIteration as stop:
                    return cast("T", stop.value)
                answer = await self._perform(effect)

    async def _perform(self, effect: Effect) -> object:
        match effect:
            case Send(call, target):
                return await self._send(call, target)
            case Sleep(seconds):
                await self._sleep(seconds)
            case Discard(call, reply):
                notes.discarded(call, reply)
                if reply.stream is not None:
                    await reply.stream.close()
            case _:
                return await self._assist(effect)
        return None

    async def _assist(
        self,
        effect: Gather | Fetch | Run | Work | Beside | Lookup | Store | Follow | Record | Replay,
    ) -> object:
        """Perform what guardrails ask for, and what caches do."""
        match effect:
            case Lookup() | Store() | Follow() | Record() | Replay():
                return await self._cache(effect)
            case Gather(call, reply):
                return await self._gather(call, reply)
            case Fetch(packet, seconds):
                return await self._fetch(packet, seconds)
            case Run(function, seconds):
                return await self._call(function, seconds)
            case Work():
                return await self._work(effect)
            case Beside(route):
                self._beside.start(lambda: self.run(route))
                return None
            case _:
                assert_never(effect)

    async def _cache(self, effect: Lookup | Store | Follow | Record | Replay) -> object:
        """Perform what caches ask for."""
        match effect:
            case Lookup(cache, keys):
                if ready(cache, keys):  # a hit in memory pays for no thread
                    return looked_up(effect)
                return await looked_up_aside(effect)
            case Store():
                return stored(effect)
            case Follow(flight, seconds):
                await landed(flight, seconds)
            case Record(reply, tape):
                return replace(reply, stream=AsyncTapedStream(reply.stream, tape, self.run))
            case Replay(call, target, answer, events):
                stream = AsyncGatheredStream(call, target, answer, events)
                return Reply(target, answer, stream=stream)
            case _:
                assert_never(effect)
        return None

    async def _work(self, work: Work) -> Any:
        try:
            return await aside_async(work.function, work.seconds)
        except Exception as error:  # noqa: BLE001 - the route decides what it means
            return Raised(error)

    async def _fetch(self, packet: Packet, seconds: float) -> Answer | Failure:
        deadline = self.clock() + seconds
        try:
            response = await self.wire.open(packet, deadline)
            try:
                content = await self._read(response, deadline, forgiving=False)
            finally:
                await response.close()
        except (WireTimeout, WireError) as error:
            return notes.unfetched(error, seconds)
        return Answer(response.head.status, response.head.headers, content)

    async def _call(self, function: Callable[[], Any], seconds: float) -> Any:
        """Call a user's function in a thread, where it may wait; await what it returns here."""
        try:
            with anyio.fail_after(seconds):
                # In a list, because trio takes no coroutine out of a thread.
                [result] = await anyio.to_thread.run_sync(
                    lambda: [function()], abandon_on_cancel=True
                )
                return await result if inspect.isawaitable(result) else result
        except Exception as error:  # noqa: BLE001 - the route decides what it means
            return Raised(error)

    async def close(self) -> None:
        """Wait for what runs beside the calls, and close the connections."""
        await self._beside.join()
        await self.wire.close()

    async def _send(self, call: Call, target: Target) -> Outcome:
        begin = self.clock()
        notes.started(call, target)
        outcome: Outcome
        try:
            packet = await self._message(call, target)
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

    async def _message(self, call: Call, target: Target) -> Packet | Failure:
        """Return the message for a target, signed in: in a thread where that may wait."""
        packet = target.codec.encode(target, call.request)
        if isinstance(packet, Failure):
            return packet
        notes.encoded(call, target, packet)
        signer = target.signer
        if signer is None or signer.ready():
            return packet if signer is None else signer.sign(target, packet)
        with anyio.move_on_after(max(0.0, call.deadline - self.clock())):
            return await anyio.to_thread.run_sync(
                signer.sign, target, packet, abandon_on_cancel=True
            )
        msg = "no sign-in in time"
        raise WireTimeout(msg)

    async def _exchange(self, call: Call, target: Target, packet: Packet) -> Outcome:
        response = await self.wire.open(packet, call.deadline)
        try:
            head = response.head
            succeeded = 200 <= head.status < 300
            reader = reader_of(call, target, head, self._wall()) if succeeded else None
            if reader is not None:
                return await self._first_event(call, target, response, reader)
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

    async def _first_event(
        self, call: Call, target: Target, response: AsyncResponse, reader: EventReader
    ) -> Outcome:
        """Read up to the commit point: any failure before it is the attempt's, not the reader's."""
        events: list[ServerEvent] = []
        while not events:
            chunk = await response.chunk(call.deadline)
            events = reader.finish() if chunk is None else reader.feed(chunk)
            if chunk is None and not events:
                await response.close()
                return notes.malformed(
                    target, "a stream that ended before its first event", response.head
                )
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
        return Reply(target, response.head, stream=stream, blocked=reader.blocked)
