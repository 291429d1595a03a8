"""Cached: an answer that was given before is given again, and nobody is asked.

About: stands around the node it is written on, inside that node's input guardrails and outside of
its retries, so that what is kept has passed every output guardrail. Kept is only what is good and
whole: no error, no refusal, no 246 or 446, nothing that its limit cut short, no stream that was cut
or left. What may be kept, and what makes two calls the same, is said in `caches.keys`; a plain
answer also serves a call for a stream, and a stream one for a plain answer, on chat, completions
and messages. Identical calls that are in flight at the same time share one: the first one leads,
and when it fails or is cancelled the next one does. Embeddings are kept input by input
(`cached_inputs`).

A stale answer may serve as well (`stale`): at once, while one refresh beside the call asks anew, or
in place of an outage. A refresh that is refused takes the stale answer away.

A cache that fails is an event and a miss.

Defaults: `max_age` seven days, nothing stale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from portkey_local.caches import entries, forms
from portkey_local.caches.about import about
from portkey_local.effects import Beside, Lookup, Raised, Record, Replay, Route, Router, Store
from portkey_local.flights import Flight
from portkey_local.model import (
    Answer,
    Call,
    Failure,
    Fault,
    Outcome,
    Reply,
    ServerEvent,
    Source,
    Target,
)
from portkey_local.policies.following import LEADERS, follow, too_late
from portkey_local.policies.refreshing import Refresh
from portkey_local.policies.shelf import (
    HIT,
    KEPT,
    MISS,
    REFRESH,
    STALE,
    Asked,
    Scope,
    Shelf,
    marked,
    now,
)
from portkey_local.policies.stale import NEVER, Stale, detached, outage
from portkey_local.policies.taping import StreamTape
from portkey_local.semantic.explained import CacheDecision

if TYPE_CHECKING:
    from portkey_local.policies.similar import Similar

MAX_AGE: Final = 604_800.0  # seconds


@dataclass(frozen=True, slots=True)
class Held:
    """What a cache had under a key: its bytes, and what they mean."""

    value: bytes
    entry: entries.Entry


@dataclass(frozen=True, slots=True)
class Cached:
    """Answer from the cache where it can, and keep what the inner route answers.

    `alone` says why there is no `similar`, where one was asked for.
    """

    inner: Router
    targets: tuple[Target, ...]
    shelf: Shelf
    scope: Scope
    max_age: float = MAX_AGE
    stale: Stale = NEVER
    similar: Similar | None = None
    alone: str | None = None

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
        return marked(outcome, REFRESH, asked.key)

    def _looked_up(self, call: Call, asked: Asked) -> Route[Outcome]:
        (held,) = yield from self.look(call, (asked.key,))
        if held is not None:
            found = yield from self._found(call, asked, held)
            if found is not None:
                return found
        outcome = yield from self._fetched(call, asked, held)
        if held is not None and outage(outcome):
            return (yield from self._instead(call, asked, held, outcome)) or outcome
        return outcome

    def _found(self, call: Call, asked: Asked, held: Held) -> Route[Reply | None]:
        """Return a kept answer that may be given at once, and see to it that a stale one does not
        stay so; None where it may not be given.
        """
        if self.fresh(call, held.entry):
            return (yield from self._hit(call, asked, held.entry))
        if self.age(call, held.entry) >= self.stale.at_once(call.caching, self.max_age):
            return None
        found = yield from self.given(call, asked, held.entry, STALE)
        if found is not None:
            self.report_stale(call, held.entry, None)
            if self.shelf.flights.room_beside(asked.key):
                yield from Beside(Refresh(self, detached(call), asked).route())
        return found

    def _fetched(self, call: Call, asked: Asked, held: Held | None) -> Route[Outcome]:
        """Return what is asked for anew, by this call or by an identical one that is in flight."""
        if not call.caching.writes:  # nothing of it may be kept, so it is shared with nobody
            return (yield from self._missed(call, asked, None))
        flight, shared = yield from self._boarded(call, asked)
        if shared is not None:
            return shared
        return (yield from self._led(call, asked, flight, held))

    def _boarded(self, call: Call, asked: Asked) -> Route[tuple[Flight | None, Outcome | None]]:
        """Return the flight to lead (None: go alone), or what one that was followed brought."""
        for _ in range(LEADERS):
            flight, leads = self.shelf.flights.board(asked.key)
            if leads:
                return flight, None
            yield from follow(call, flight)
            if not flight.ended:
                return None, too_late(call, self.sole)
            if flight.value is not None:
                shared = yield from self._shared(call, asked, flight.value, flight.similar)
                if shared is not None:
                    call.report("cache.shared", shared.target, status=shared.status)
                    return None, shared
        return None, None

    def _shared(
        self, call: Call, asked: Asked, value: bytes, similar: Mapping[str, Any]
    ) -> Route[Reply | None]:
        """Return what another call's flight brought: a stale answer, where there was an outage."""
        held = self.held(value)
        if held is None:
            return None
        if self.fresh(call, held.entry):
            found = yield from self.given(call, asked, held.entry, HIT)
            return None if found is None else replace(found, **similar)
        down = Failure(self.sole, Fault.NETWORK, 500, "the identical call in flight met an outage")
        return (yield from self._instead(call, asked, held, down))

    def _led(
        self, call: Call, asked: Asked, flight: Flight | None, held: Held | None
    ) -> Route[Outcome]:
        """Ask, for all who follow; they are let go whatever happens here."""
        try:
            # The flight before this one may have landed between our look and our boarding.
            found = yield from self.find(call, asked, flight)
            if found is not None:
                return found
            outcome = yield from self._missed(call, asked, flight)
            if held is not None and flight is not None and outage(outcome):
                flight.land(held.value)  # those who follow need not find out for themselves
            return outcome
        finally:
            if flight is not None and not flight.taped:
                flight.land(None)

    def _missed(self, call: Call, asked: Asked, flight: Flight | None) -> Route[Outcome]:
        """Return what was answered to a similar question, where that will do; else ask."""
        if self.similar is not None:
            return (yield from self.similar.route(self, call, asked, flight))
        call.report("cache.miss", self.sole)
        outcome = yield from self.ask(call, asked, flight)
        if self.alone is not None and isinstance(outcome, Reply) and outcome.decision is None:
            outcome = replace(outcome, decision=self.missed)
        return marked(outcome, MISS, asked.key)

    @property
    def missed(self) -> CacheDecision:
        """What a cache without a second tier decides when it has nothing."""
        return CacheDecision(status=MISS, reason=self.alone)

    # --- from the cache

    def find(self, call: Call, asked: Asked, flight: Flight | None = None) -> Route[Reply | None]:
        """Return the fresh answer that is kept for a call, and land its flight with it; None where
        there is none.
        """
        (held,) = yield from self.look(call, (asked.key,))
        if held is None or not self.fresh(call, held.entry):
            return None
        found = yield from self._hit(call, asked, held.entry)
        if found is not None and flight is not None:
            flight.land(held.value)
        return found

    def _hit(self, call: Call, asked: Asked, entry: entries.Entry) -> Route[Reply | None]:
        found = yield from self.given(call, asked, entry, HIT)
        if found is not None:
            call.report("cache.hit", found.target, status=found.status)
        return found

    def look(self, call: Call, keys: tuple[bytes, ...]) -> Route[tuple[Held | None, ...]]:
        """Return what is kept under keys, of whatever age; of a cache that fails, or of what cannot
        be read, nothing, and an event.
        """
        found = yield from Lookup(self.shelf.cache, keys, now(call))
        if isinstance(found, Raised):
            self.failed(call)(found.error)
            return (None,) * len(keys)
        helds = tuple(None if value is None else self.held(value) for value in found)
        if any(value and held is None for value, held in zip(found, helds, strict=True)):
            self.failed(call)(entries.Unreadable("an entry of the cache cannot be read"))
        return helds

    def given(
        self, call: Call, asked: Asked, entry: entries.Entry, status: str
    ) -> Route[Reply | None]:
        """Return an entry as this call gets it: an object of its own, in the form asked for."""
        request = call.request
        fitted = forms.fitted(entry, request.path, stream=request.stream, usage=asked.usage)
        if fitted is None:
            return None
        target = self.targets[entry.target]
        age = str(int(self.age(call, entry)))
        answer = Answer(entry.status, {**fitted.headers, "age": age})
        source = Source((asked.key, *entry.further))
        if fitted.events is None:
            return Reply(target, answer, fitted.data, cache=status, source=source)
        reply = yield from Replay(call, target, answer, fitted.events)
        return replace(reply, cache=status, source=source)

    def held(self, value: bytes) -> Held | None:
        """Return what a cache had under a key, of whatever age, if it is an entry of this node."""
        entry = entries.decoded(value)
        known = entry is not None and 0 <= entry.target < len(self.targets)
        return Held(value, entry) if entry is not None and known else None

    def age(self, call: Call, entry: entries.Entry) -> float:
        """Return an entry's age in seconds."""
        return max(0.0, now(call) - entry.at)

    def fresh(self, call: Call, entry: entries.Entry) -> bool:
        """Whether an entry is young enough for this node and this call."""
        return now(call) - entry.at < min(self.max_age, call.caching.max_age)

    # --- from the cache, though it is stale

    def _instead(
        self, call: Call, asked: Asked, held: Held, outcome: Outcome
    ) -> Route[Reply | None]:
        """Return a stale answer in place of an outage, if it is not too old for that."""
        if self.age(call, held.entry) >= self.stale.on_error(call.caching, self.max_age):
            return None
        found = yield from self.given(call, asked, held.entry, STALE)
        if found is not None:
            self.report_stale(call, held.entry, outcome)
        return found

    def report_stale(self, call: Call, entry: entries.Entry, outcome: Outcome | None) -> None:
        """Report that a stale answer is given, how old it is, and in place of which outcome."""
        why, status = "a new answer is fetched", None
        if outcome is not None:
            why, status = "no new answer could be had", outcome.status
        reason = f"{self.age(call, entry):.0f} s old; {why}"
        call.report("cache.stale_served", self.targets[entry.target], reason=reason, status=status)

    def dismiss(self, call: Call, keys: tuple[bytes, ...]) -> Route[None]:
        """Put nothing in the place of entries that may serve no longer."""
        failed = self.failed(call)
        values = tuple((key, b"") for key in keys)
        stored = yield from Store(self.shelf.cache, values, now(call), 0.0, failed)
        if isinstance(stored, Raised):
            failed(stored.error)

    # --- into the cache

    def ask(self, call: Call, asked: Asked, flight: Flight | None) -> Route[Outcome]:
        """Return the inner outcome; keep it, and land it for those who follow, if it is good."""
        outcome = yield from self.inner.route(call)
        if not isinstance(outcome, Reply) or not self.may_keep(outcome):
            return outcome
        if outcome.stream is not None:
            if flight is not None:
                flight.taped = True
            return (yield from Record(outcome, StreamTape(self, call, asked, outcome, flight)))
        if outcome.data is not None:
            yield from self.keep(call, asked, outcome, None, flight)
        return outcome

    def may_keep(self, reply: Reply) -> bool:
        """Whether a reply may be ours to keep: what a cache further in has kept is not made young
        again.
        """
        return not reply.blocked and reply.cache not in KEPT

    def keep(
        self,
        call: Call,
        asked: Asked,
        reply: Reply,
        events: list[ServerEvent] | None,
        flight: Flight | None,
    ) -> Route[bool]:
        """Keep an answer that is good and whole, and land its flight with it; whether it was.

        One that its limit cut short is shared by those who follow, and never kept.
        """
        datas = [reply.data] if events is None else [event.data for event in events]
        value = None
        if reply.target in self.targets and entries.fit(reply.answer, datas, call.request.path):
            whole = reply.data if events is None else None
            value = self.written(call, reply, whole, events, usage=asked.usage)
        kept = value is not None and not entries.cut_short(datas)
        if value is not None and kept:
            if call.caching.writes:
                yield from self.store(call, ((asked.key, value),), reply.target)
            if self.similar is not None:
                yield from self.similar.learn(self, call, asked, datas)
        if flight is not None:
            flight.land(value)
        return kept

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
        place, at = self.targets.index(reply.target), now(call)
        said = about(call, reply.target, at, at + self.kept_for)
        further = () if reply.source is None else reply.source.keys
        told: dict[str, Any] = {"usage": usage, "said": said, "further": further}
        try:
            return entries.encoded(at, place, reply.answer, data, events, **told)
        except (TypeError, ValueError, RecursionError) as error:
            self.failed(call)(error)
            return None

    def store(
        self, call: Call, values: tuple[tuple[bytes, bytes], ...], target: Target
    ) -> Route[None]:
        """Keep entries, each under its key."""
        failed = self.failed(call)
        stored = yield from Store(self.shelf.cache, values, now(call), self.kept_for, failed)
        if isinstance(stored, Raised):
            failed(stored.error)
        else:
            call.report("cache.stored", target)

    def failed(self, call: Call) -> Callable[[Exception], None]:
        """Return what reports that a cache has failed a call."""

        def report(error: Exception) -> None:
            # A library's own words may quote what it was given; ours do not.
            ours = type(error).__module__.startswith("portkey_local.")
            reason = f"{type(error).__name__}: {error}" if ours else type(error).__name__
            call.report("cache.failed", self.sole, reason=reason)

        return report

    @property
    def kept_for(self) -> float:
        """The seconds for which an answer is kept: fresh, and stale where that is of use."""
        return self.max_age + self.stale.kept

    @property
    def sole(self) -> Target | None:
        """The target of a node that is one."""
        return self.targets[0] if len(self.targets) == 1 else None
