"""The synchronous driver: performs a route's effects with blocking I/O, in the caller's thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import assert_never, cast

from portkey_local.drivers import notes
from portkey_local.drivers.streams import EventStream
from portkey_local.effects import Discard, Effect, Route, Send, Sleep
from portkey_local.model import Answer, Call, Failure, Outcome, Packet, Reply, ServerEvent, Target
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

    def run(self, route: Route[Outcome]) -> Outcome:
        """Perform what the route asks for until it returns."""
        answer: object = None
        with closing(route):
            while True:
                try:
                    effect = route.send(answer)
                except StopIteration as stop:
                    return cast("Outcome", stop.value)
                answer = self._perform(effect)

    def _perform(self, effect: Effect) -> object:
        match effect:
            case Send(call, target):
                return self._send(call, target)
            case Sleep(seconds):
                self._sleep(seconds)
                return None
            case Discard(call, reply):
                notes.discarded(call, reply)
                if reply.stream is not None:
                    reply.stream.close()
                return None
            case _:
                assert_never(effect)

    def _send(self, call: Call, target: Target) -> Outcome:
        begin = self.clock()
        notes.started(call, target)
        outcome: Outcome
        try:
            packet = target.codec.encode(target, call.request)
            outcome = (
                packet if isinstance(packet, Failure) else self._exchange(call, target, packet)
            )
        except WireTimeout as error:
            outcome = notes.timed_out(target, self.clock() - begin, error)
        except WireError as error:
            outcome = notes.unreachable(target, error)
        notes.ended(call, target, outcome, self.clock() - begin)
        return outcome

    def _exchange(self, call: Call, target: Target, packet: Packet) -> Outcome:
        response = self.wire.open(packet, call.deadline)
        try:
            head = response.head
            succeeded = 200 <= head.status < 300
            if succeeded and target.codec.streams(call.request, head):
                return self._first_event(call, target, response)
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

    def _first_event(self, call: Call, target: Target, response: Response) -> Outcome:
        """Read up to the commit point: any failure before it is the attempt's, not the reader's."""
        reader = target.codec.reader(target, call.request)
        events: list[ServerEvent] = []
        while not events:
            chunk = response.chunk(call.deadline)
            if chunk is None:
                response.close()
                return notes.malformed(
                    target, "a stream that ended before its first event", response.head
                )
            events = reader.feed(chunk)
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
        return Reply(target, response.head, stream=stream)
