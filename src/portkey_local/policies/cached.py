"""Cached: an answer that was given before is given again, and nobody is asked.

About: stands around the node it is written on, inside that node's input guardrails and outside of
its retries, so that what is kept has passed every output guardrail. Kept is only what is good and
whole: no error, no refusal, no 246 or 446, no stream that was cut or left. What may be kept, and
what makes two calls the same, is said in `caches.keys`; a plain answer also serves a call for a
stream, and a stream one for a plain answer, on chat, completions and messages. Identical calls
that are in flight at the same time share one: the first one leads, and when it fails or is
cancelled the next one does. Embeddings are kept input by input (`cached_inputs`).

A cache that fails is an event and a miss.

Defaults: `max_age` seven days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from portkey_local.caches import entries, forms
from portkey_local.effects import Follow, Lookup, Raised, Record, Replay, Route, Router, Store
from portkey_local.flights import Flight
from portkey_local.model import Answer, Call, Failure, Fault, Outcome, Reply, ServerEvent, Target
from portkey_local.policies.shelf import HIT, MISS, REFRESH, Asked, Scope, Shelf, marked, now

MAX_AGE: Final = 604_800.0  # seconds
LEADERS: Final = 3  # whom a call follows, one after the other, before it goes alone
DAWDLE: Final = 1.0  # seconds for which a stream's reader may pause before he is followed no more


@dataclass(frozen=True, slots=True)
class Cached:
    """Answer from the cache where it can, and keep what the inner route answers."""

    inner: Router
    targets: tuple[Target, ...]
    shelf: Shelf
    scope: Scope
    max_age: float = MAX_AGE

    def route(self, call: Call) -> Route[Outcome]:
        """Return a kept answer, or the inner outcome, which is then kept if it is good."""
        wish = call.caching
        asked = self.scope.asked(call) if wish.reads or wish.writes else None
        if asked is None:
            return (yield from self.inner.route(call))
        if not wish.reads:
            return (yield from self._refreshed(call, asked))
        return (yield from self._looked_up(call, asked))

    def _refreshed(self, call: Call, asked: Asked) -> Route[Outcome]:
        outcome = yield from self.ask(call, asked, None)
        if isinstance(outcome, Reply):
            call.report("cache.refreshed", outcome.target, status=outcome.status)
        return marked(outcome, REFRESH)

    def _looked_up(self, call: Call, asked: Asked) -> Route[Outcome]:
        found = yield from self.find(call, asked)
        if found is not None:
            return found
        if not call.caching.writes:  # nothing of it may be kept, so it is shared with nobody
            call.report("cache.miss", self.sole)
            return marked((yield from self.ask(call, asked, None)), MISS)
        flight, shared = yield from self._boarded(call, asked)
        if shared is not None:
            return shared
        return (yield from self._led(call, asked, flight))

    def _boarded(self, call: Call, asked: Asked) -> Route[tuple[Flight | None, Outcome | None]]:
        """Return the flight to lead (None: go alone), or what one that was followed brought."""
        for _ in range(LEADERS):
            flight, leads = self.shelf.flights.board(asked.key)
            if leads:
                return flight, None
            yield from self.follow(call, flight)
            if not flight.ended:
                return None, self.too_late(call)
            if flight.value is not None:
                shared = yield from self._served(call, asked, flight.value)
                if shared is not None:
                    call.report("cache.shared", shared.target, status=shared.status)
                    return None, shared
        return None, None

    def follow(self, call: Call, flight: Flight) -> Route[None]:
        """Wait for a flight's end, or the call's deadline; end one whose reader dawdles.

        His stream goes on, and is kept if he reads it to its end.
        """
        while not flight.ended and (left := call.deadline - call.clock()) > 0:
            yield from Follow(flight, min(left, DAWDLE))
            idle = flight.idle_since
            if idle is not None and call.clock() - idle >= DAWDLE:
                flight.land(None)  # so that the next of those who wait leads them

    def too_late(self, call: Call) -> Failure:
        """Return the failure of a call whose time is over while it followed another."""
        seconds = call.clock() - call.started
        message = f"no answer within {seconds:.3g} s from the identical call in flight"
        return Failure(self.sole, Fault.TIMEOUT, 408, message, cache=MISS)

    def _led(self, call: Call, asked: Asked, flight: Flight | None) -> Route[Outcome]:
        """Ask, for all who follow; they are let go whatever happens here."""
        try:
            # The flight before this one may have landed between our look and our boarding.
            found = yield from self.find(call, asked, flight)
            if found is not None:
                return found
            call.report("cache.miss", self.sole)
            outcome = yield from self.ask(call, asked, flight)
            return marked(outcome, MISS)
        finally:
            if flight is not None and not flight.taped:
                flight.land(None)

    # --- from the cache

    def find(self, call: Call, asked: Asked, flight: Flight | None = None) -> Route[Reply | None]:
        """Return the kept answer to a call, and land its flight with it; None where there is
        none.
        """
        (value,) = yield from self.look(call, (asked.key,))
        if value is None:
            return None
        found = yield from self._served(call, asked, value)
        if found is not None:
            call.report("cache.hit", found.target, status=found.status)
            if flight is not None:
                flight.land(value)
        return found

    def look(self, call: Call, keys: tuple[bytes, ...]) -> Route[tuple[bytes | None, ...]]:
        """Return what is kept under keys; of a cache that fails, nothing, and an event."""
        found = yield from Lookup(self.shelf.cache, keys, now(call))
        if isinstance(found, Raised):
            self._failed(call)(found.error)
            return (None,) * len(keys)
        return found

    def _served(self, call: Call, asked: Asked, value: bytes) -> Route[Reply | None]:
        """Return an entry as this call gets it: an object of its own, in the form asked for."""
        entry = self.read(call, value)
        if entry is None:
            return None
        request = call.request
        entry = forms.fitted(entry, request.path, stream=request.stream, usage=asked.usage)
        if entry is None:
            return None
        target = self.targets[entry.target]
        age = str(int(max(0.0, now(call) - entry.at)))
        answer = Answer(entry.status, {**entry.headers, "age": age})
        if entry.events is None:
            return Reply(target, answer, entry.data, cache=HIT)
        reply = yield from Replay(call, target, answer, entry.events)
        return replace(reply, cache=HIT)

    def read(self, call: Call, value: bytes) -> entries.Entry | None:
        """Return an entry, unless it is too old for this node or this call."""
        entry = entries.decoded(value)
        if entry is None or not 0 <= entry.target < len(self.targets):
            return None
        fresh = now(call) - entry.at < min(self.max_age, call.caching.max_age)
        return entry if fresh else None

    # --- into the cache

    def ask(self, call: Call, asked: Asked, flight: Flight | None) -> Route[Outcome]:
        """Return the inner outcome; keep it, and land it for those who follow, if it is good."""
        outcome = yield from self.inner.route(call)
        if not isinstance(outcome, Reply) or outcome.blocked or outcome.cache == HIT:
            return outcome  # what a cache further in has kept is not made young again
        if outcome.stream is not None:
            if flight is not None:
                flight.taped = True
            return (yield from Record(outcome, _StreamTape(self, call, asked, outcome, flight)))
        if outcome.data is not None:
            yield from self.keep(call, asked, outcome, None, flight)
        return outcome

    def keep(
        self,
        call: Call,
        asked: Asked,
        reply: Reply,
        events: list[ServerEvent] | None,
        flight: Flight | None,
    ) -> Route[None]:
        """Keep an answer that is good and whole, and land its flight with it."""
        datas = [reply.data] if events is None else [event.data for event in events]
        value = None
        if reply.target in self.targets and entries.fit(reply.answer, datas):
            whole = reply.data if events is None else None
            value = self.written(call, reply, whole, events, usage=asked.usage)
            if value is not None and call.caching.writes:
                yield from self.store(call, ((asked.key, value),), reply.target)
        if flight is not None:
            flight.land(value)

    def written(
        self,
        call: Call,
        reply: Reply,
        data: Any,
        events: list[ServerEvent] | None = None,
        *,
        usage: bool = False,
    ) -> bytes | None:
        """Return an answer as an entry, or None and an event where it cannot be one."""
        place = self.targets.index(reply.target)
        try:
            return entries.encoded(now(call), place, reply.answer, data, events, usage=usage)
        except (TypeError, ValueError, RecursionError) as error:
            self._failed(call)(error)
            return None

    def store(
        self, call: Call, values: tuple[tuple[bytes, bytes], ...], target: Target
    ) -> Route[None]:
        """Keep entries, each under its key."""
        failed = self._failed(call)
        stored = yield from Store(self.shelf.cache, values, now(call), self.max_age, failed)
        if isinstance(stored, Raised):
            failed(stored.error)
        else:
            call.report("cache.stored", target)

    def _failed(self, call: Call) -> Callable[[Exception], None]:
        def report(error: Exception) -> None:
            # A library's own words may quote what it was given; ours do not.
            ours = type(error).__module__.startswith("portkey_local.")
            reason = f"{type(error).__name__}: {error}" if ours else type(error).__name__
            call.report("cache.failed", self.sole, reason=reason)

        return report

    @property
    def sole(self) -> Target | None:
        """The target of a node that is one."""
        return self.targets[0] if len(self.targets) == 1 else None


@dataclass(slots=True)
class _StreamTape:
    """Keeps a stream that ends as it must; else lets those go who follow it."""

    cached: Cached
    call: Call
    asked: Asked
    reply: Reply
    flight: Flight | None

    def keep(self, events: list[ServerEvent]) -> Route[None]:
        try:
            yield from self.cached.keep(self.call, self.asked, self.reply, events, self.flight)
        finally:
            self.drop()

    def drop(self) -> None:
        if self.flight is not None:
            self.flight.land(None)

    def idle(self, since: float | None) -> None:
        if self.flight is not None:
            self.flight.idle_since = since
