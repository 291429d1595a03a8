"""The synchronous driver: performs a route's effects with blocking I/O, in the caller's thread."""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import replace
from typing import Any, assert_never, cast

from portkey_local.drivers import notes
from portkey_local.drivers.aside import aside, in_time
from portkey_local.drivers.beside import Threads
from portkey_local.drivers.shelving import looked_up, stored
from portkey_local.drivers.streams import EventStream, GatheredStream, StreamBroken, reader_of
from portkey_local.drivers.taping import TapedStream
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
    Signer,
    Target,
)
from portkey_local.wire.contract import Response, Wire, WireError, WireTimeout


class SyncDriver:
    """Runs routes over a wire; safe across threads."""

    clock = staticmethod(time.monotonic)

    def __init__(
        self,
        wire: Wire,
        *,
        sleep: Callable[[float], None] = time.sleep,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take the wire; `sleep` and `wall` (the time of day) can be given for tests."""
        self.wire = wire
        self._sleep = sleep
        self._wall = wall
        self._beside = Threads()

    def run(self, route: Route[T]) -> T:
        """Perform what the route asks for until it returns."""
        answer: object = None
        with closing(route):
            while True:
                try:
                    effect = route.send(answer)
                except StopIteration as stop:
                    return cast("T", stop.value)
                answer = self._perform(effect)

    def _perform(self, effect: Effect) -> object:
        match effect:
            case Send(call, target):
                return self._send(call, target)
            case Sleep(seconds):
                self._sleep(seconds)
            case Discard(call, reply):
                notes.discarded(call, reply)
                if reply.stream is not None:
                    reply.stream.close()
            case _:
                return self._assist(effect)
        return None

    def _assist(
        self,
        effect: Gather | Fetch | Run | Work | Beside | Lookup | Store | Follow | Record | Replay,
    ) -> object:
        """Perform what guardrails ask for, and what caches do."""
        match effect:
            case Lookup() | Store() | Follow() | Record() | Replay():
                return self._cache(effect)
            case Gather(call, reply):
                return self._gather(call, reply)
            case Fetch(packet, seconds):
                return self._fetch(packet, seconds)
            case Run(function, seconds):
                return self._call(function, seconds)
            case Work():
                return self._work(effect)
            case Beside(route):
                self._beside.start(lambda: self.run(route))
                return None
            case _:
                assert_never(effect)

    def _cache(self, effect: Lookup | Store | Follow | Record | Replay) -> object:
        """Perform what caches ask for."""
        match effect:
            case Lookup():
                return looked_up(effect)
            case Store():
                return stored(effect)
            case Follow(flight, seconds):
                landed = threading.Event()
                if flight.watch(landed.set) and not landed.wait(seconds):
                    flight.unwatch(landed.set)
            case Record(reply, tape):
                return replace(reply, stream=TapedStream(reply.stream, tape, self.run))
            case Replay(call, target, answer, events):
                stream = GatheredStream(call, target, answer, events)
                return Reply(target, answer, stream=stream)
            case _:
                assert_never(effect)
        return None

    def _work(self, work: Work) -> Any:
        try:
            return aside(work.function, work.seconds, brief=work.brief)
        except Exception as error:  # noqa: BLE001 - the route decides what it means
            return Raised(error)

    def _gather(self, call: Call, reply: Reply) -> Outcome:
        try:
            events = list(reply.stream)
        except StreamBroken as error:
            return notes.broken_off(reply.target, error)
        if reply.stream.failed:
            return notes.broken_off(reply.target, StreamBroken("an error event came"))
        stream = GatheredStream(call, reply.target, reply.answer, events)
        blocked = reply.stream.blocked
        return Reply(reply.target, reply.answer, events, stream, reply.retries, blocked)

    def _fetch(self, packet: Packet, seconds: float) -> Answer | Failure:
        deadline = self.clock() + seconds
        try:
            response = self.wire.open(packet, deadline)
            try:
                content = self._read(response, deadline, forgiving=False)
            finally:
                response.close()
        except (WireTimeout, WireError) as error:
            return notes.unfetched(error, seconds)
        return Answer(response.head.status, response.head.headers, content)

    def _call(self, function: Callable[[], Any], seconds: float) -> Any:
        """Call a user's function; one that is asynchronous gets an event loop of its own."""
        try:
            result = function() if math.isinf(seconds) else in_time(function, seconds)
            return _awaited(_timed(result, seconds)) if inspect.iscoroutine(result) else result
        except Exception as error:  # noqa: BLE001 - the route decides what it means
            return Raised(error)

    def close(self) -> None:
        """Wait for what runs beside the calls, and close the connections."""
        self._beside.join()
        self.wire.close()

    def _send(self, call: Call, target: Target) -> Outcome:
        begin = self.clock()
        notes.started(call, target)
        outcome: Outcome
        try:
            packet = self._message(call, target)
            outcome = (
                packet if isinstance(packet, Failure) else self._exchange(call, target, packet)
            )
        except WireTimeout as error:
            outcome = notes.timed_out(target, self.clock() - begin, error)
        except WireError as error:
            outcome = notes.unreachable(target, error)
        notes.ended(call, target, outcome, self.clock() - begin)
        return outcome

    def _message(self, call: Call, target: Target) -> Packet | Failure:
        """Return the message for a target, signed in."""
        packet = target.codec.encode(target, call.request)
        if isinstance(packet, Failure):
            return packet
        notes.encoded(call, target, packet)
        signer = target.signer
        if signer is None or signer.ready():
            return packet if signer is None else signer.sign(target, packet)
        return _signed(signer, target, packet, call.deadline - self.clock())

    def _exchange(self, call: Call, target: Target, packet: Packet) -> Outcome:
        response = self.wire.open(packet, call.deadline)
        try:
            head = response.head
            succeeded = 200 <= head.status < 300
            reader = reader_of(call, target, head, self._wall()) if succeeded else None
            if reader is not None:
                return self._first_event(call, target, response, reader)
            content = self._read(response, call.deadline, forgiving=not succeeded)
        except BaseException:
            response.close()
            raise
        response.close()
        answer = Answer(head.status, head.headers, content)
        return target.codec.decode(target, call.request, answer, self._wall())

    def _read(self, response: Response, deadline: float, *, forgiving: bool) -> bytes:
        """Return the whole body; of an error's body whatever came, for its status is the news."""
        parts = []
        try:
            while (chunk := response.chunk(deadline)) is not None:
                parts.append(chunk)
        except (WireTimeout, WireError):
            if not forgiving:
                raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _first_event(
        self, call: Call, target: Target, response: Response, reader: EventReader
    ) -> Outcome:
        """Read up to the commit point: any failure before it is the attempt's, not the reader's."""
        events: list[ServerEvent] = []
        while not events:
            chunk = response.chunk(call.deadline)
            events = reader.finish() if chunk is None else reader.feed(chunk)
            if chunk is None and not events:
                response.close()
                return notes.malformed(
                    target, "a stream that ended before its first event", response.head
                )
            if reader.malformed and not events:
                response.close()
                return notes.malformed(
                    target, "an answer that is not an event stream", response.head
                )
            if not events and self.clock() >= call.deadline:
                msg = "no event in time"
                raise WireTimeout(msg)
        failure = target.codec.judge_first(target, response.head, events[0])
        if failure is not None:
            response.close()
            return failure
        stream = EventStream(call, target, response, reader, events)
        return Reply(target, response.head, stream=stream, blocked=reader.blocked)


def _signed(signer: Signer, target: Target, packet: Packet, seconds: float) -> Packet | Failure:
    """Sign a message in, in a thread: what a vendor's library asks cannot be told when to stop."""
    ended: list[Packet | Failure] = []
    thread = threading.Thread(target=lambda: ended.append(signer.sign(target, packet)), daemon=True)
    thread.start()
    thread.join(min(max(0.0, seconds), threading.TIMEOUT_MAX))
    if not ended:
        msg = "no sign-in in time"
        raise WireTimeout(msg)
    return ended[0]


async def _timed(work: Coroutine[Any, Any, Any], seconds: float) -> Any:
    return await asyncio.wait_for(work, None if math.isinf(seconds) else max(0.0, seconds))


def _awaited(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, also where this thread has an event loop running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(asyncio.run(work))
        except Exception as error:  # noqa: BLE001 - as above
            ended.append(Raised(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return ended[0]
