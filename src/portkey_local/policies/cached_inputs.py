"""Embeddings from the cache, input by input: only those that nobody has asked for go out.

About: each input of a call has a key of its own, so a list of texts of which some are known asks
for the others alone, and the answers are put together in the order of the call. `usage` is what
this call was charged for, and what is known of the kept inputs: that of an input that was once
asked for by itself. A list is as stale as the stalest of its kept inputs; of such a list the stale
ones alone are refreshed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from portkey_local.caches.entries import Entry
from portkey_local.caches.keys import EMBEDDINGS, key_of, told_apart
from portkey_local.effects import Beside, Route
from portkey_local.flights import Flight
from portkey_local.model import DISABLED, Answer, Call, Failure, Fault, Outcome, Reply, Source
from portkey_local.policies.cached import Cached
from portkey_local.policies.following import LEADERS, follow, too_late
from portkey_local.policies.refreshing import report_refresh
from portkey_local.policies.shelf import HIT, KEPT, MISS, REFRESH, STALE, marked
from portkey_local.policies.stale import detached, outage

COUNTS: Final = ("prompt_tokens", "total_tokens")
UNKNOWN: Final = dict.fromkeys(COUNTS, 0)


@dataclass(frozen=True, slots=True)
class CachedInputs:
    """Take the calls for the embeddings of several inputs; the others go to `inner` as they are."""

    inner: Cached

    def route(self, call: Call) -> Route[Outcome]:
        """Return the embeddings, of which only the unknown ones are asked for."""
        split = self._split(call) if call.request.path == EMBEDDINGS else None
        if split is None:
            return (yield from self.inner.route(call))
        return (yield from split.route())

    def _split(self, call: Call) -> _Inputs | None:
        """Return a call input by input, or None where it has one, or none that is known."""
        cached, wish = self.inner, call.caching
        asked = cached.scope.asked(call) if wish.reads or wish.writes else None
        inputs = None if asked is None else asked.body.get("input")
        if asked is None or not isinstance(inputs, list) or not inputs:
            return None
        scope = cached.scope
        if isinstance(inputs[0], int) or scope.looks or scope.metadata or "input" in scope.override:
            return None
        told = told_apart(call.request, wish.namespace, scope.forward, ())
        keys = tuple(
            key_of(scope.digest, call.request, {**asked.body, "input": each}, told)
            for each in inputs
        )
        return _Inputs(cached, call, asked.key, inputs, keys)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """A call for the embeddings of several inputs, each with its key."""

    cached: Cached
    call: Call
    whole: bytes
    inputs: list[Any]
    keys: tuple[bytes, ...]

    def route(self) -> Route[Outcome]:
        """Look, ask for what is missing, and put together; identical calls take turns."""
        wish, flights = self.call.caching, self.cached.shelf.flights
        if not wish.reads or not wish.writes:
            return (yield from self._answered(None))
        for _ in range(LEADERS):
            flight, leads = flights.board(self.whole)
            if leads:
                return (yield from self._answered(flight))
            yield from follow(self.call, flight)
            if not flight.ended:
                return too_late(self.call, self.cached.sole)
        return (yield from self._answered(None))

    def _answered(self, flight: Flight | None) -> Route[Outcome]:
        try:
            known = yield from self._known()
            fresh = self._up_to(known, None)
            if all(fresh):
                reply = self._together(fresh, None, ())
                self.call.report("cache.hit", reply.target, status=reply.status)
                return reply
            wish, stale = self.call.caching, self.cached.stale
            at_once = self._up_to(known, stale.at_once(wish, self.cached.max_age))
            if all(at_once):
                return (yield from self._meanwhile(at_once, _gaps(fresh)))
            outcome = yield from self._asked(fresh, _gaps(fresh))
            on_error = self._up_to(known, stale.on_error(wish, self.cached.max_age))
            return self._stale(on_error, outcome) if outage(outcome) and all(on_error) else outcome
        finally:
            if flight is not None:
                flight.land(None)  # those who follow find each input in the cache

    def _known(self) -> Route[Sequence[Entry | None]]:
        """Return the entry of each input, of whatever age."""
        if not self.call.caching.reads:
            return [None] * len(self.keys)
        helds = yield from self.cached.look(self.call, self.keys)
        return [None if held is None else held.entry for held in helds]

    def _up_to(self, known: Sequence[Entry | None], age: float | None) -> list[Entry | None]:
        """Return the entries that are no older than so many seconds; None for the fresh ones."""
        cached, call = self.cached, self.call
        return [
            entry
            if entry is not None
            and (cached.fresh(call, entry) if age is None else cached.age(call, entry) < age)
            else None
            for entry in known
        ]

    def _meanwhile(self, entries: Sequence[Entry | None], old: Sequence[int]) -> Route[Outcome]:
        """Return what is kept, stale as some of it is, while that is asked for beside the call."""
        if self.cached.shelf.flights.room_beside(self._beside):
            beside = replace(self, call=detached(self.call))
            yield from Beside(beside.refresh(old))
        return self._stale(entries, None)

    @property
    def _beside(self) -> bytes:
        """The key of a refresh: identical calls do not wait for that."""
        return b"beside" + self.whole

    def refresh(self, old: Sequence[int]) -> Route[None]:
        """Ask anew for some of the inputs; nobody waits for it, and one at a time does it."""
        flight = self.cached.shelf.flights.board_beside(self._beside)
        if flight is None:
            return
        try:
            outcome = yield from self.cached.inner.route(self._rest(old))
            items = _items(outcome.data, len(old)) if isinstance(outcome, Reply) else None
            if items is not None and isinstance(outcome, Reply):
                yield from self._keep(outcome, old, items)
            elif isinstance(outcome, Failure) and not outage(outcome):
                yield from self.cached.dismiss(self.call, tuple(self.keys[at] for at in old))
            report_refresh(self.call, outcome, kept=items is not None)
        finally:
            flight.land(None)

    def _stale(self, entries: Sequence[Entry | None], outcome: Outcome | None) -> Reply:
        """Return what is kept, stale as some of it is."""
        oldest = min((entry for entry in entries if entry is not None), key=lambda each: each.at)
        self.cached.report_stale(self.call, oldest, outcome)
        return replace(self._together(entries, None, ()), cache=STALE)

    def _asked(self, known: Sequence[Entry | None], missing: Sequence[int]) -> Route[Outcome]:
        reads = self.call.caching.reads
        self.call.report("cache.miss" if reads else "cache.refreshed", self.cached.sole)
        outcome = yield from self.cached.inner.route(self._rest(missing))
        status = MISS if reads else REFRESH
        if not isinstance(outcome, Reply) or outcome.status != 200:
            return marked(outcome, status, *self.keys)
        items = _items(outcome.data, len(missing))
        if items is None:
            return marked(self._unread(outcome, missing), status)
        if self.call.caching.writes:
            yield from self._keep(outcome, missing, items)
        if len(missing) < len(self.keys):
            outcome = replace(self._together(known, outcome, items), cache=DISABLED)
        return marked(outcome, status, *self.keys)

    def _rest(self, missing: Sequence[int]) -> Call:
        """Return the call for what is missing; the call itself where that is everything."""
        if len(missing) == len(self.keys):
            return self.call
        request = self.call.request
        body = {**(request.body or {}), "input": [self.inputs[at] for at in missing]}
        return replace(self.call, request=replace(request, body=body, encoded=None))

    def _keep(self, reply: Reply, missing: Sequence[int], items: Sequence[Any]) -> Route[None]:
        if reply.cache in KEPT or reply.target not in self.cached.targets:
            return  # what a cache further in has kept is not made young again
        usage = reply.data.get("usage") if len(items) == 1 else None
        frame = {**reply.data, "usage": usage or UNKNOWN}
        values = []
        for at, item in zip(missing, items, strict=True):
            data = {**frame, "data": [{**item, "index": 0}]}
            written = self.cached.written(self.call, reply, data)
            if written is not None:
                values.append((self.keys[at], written))
        yield from self.cached.store(self.call, tuple(values), reply.target)

    def _together(
        self, known: Sequence[Entry | None], reply: Reply | None, items: Sequence[Any]
    ) -> Reply:
        """Return one answer made of the kept inputs and those that were asked for."""
        fresh = iter(items)
        datas = [None if entry is None else entry.data for entry in known]
        parts = [next(fresh) if data is None else data["data"][0] for data in datas]
        kept = [entry for entry in known if entry is not None]
        whole = dict(reply.data if reply is not None else kept[0].data)
        whole["data"] = [{**part, "index": at} for at, part in enumerate(parts)]
        told = [data for data in datas if data is not None]
        whole["usage"] = _usage([reply.data, *told] if reply is not None else told)
        if reply is not None:
            answer = Answer(reply.status, reply.answer.headers)
            return replace(reply, answer=answer, data=whole)
        target = self.cached.targets[kept[0].target]
        answer = Answer(kept[0].status, kept[0].headers)
        further = dict.fromkeys(key for entry in kept for key in entry.further)
        return Reply(target, answer, whole, cache=HIT, source=Source((*self.keys, *further)))

    def _unread(self, reply: Reply, missing: Sequence[int]) -> Outcome:
        """Return an answer that is no list of embeddings: as it is, if it was to be all of them."""
        if len(missing) == len(self.keys):
            return reply
        message = f"an answer without the {len(missing)} embeddings that were asked for"
        return Failure(reply.target, Fault.MALFORMED, 500, message, reply.answer)


def _gaps(entries: Sequence[Entry | None]) -> list[int]:
    return [at for at, entry in enumerate(entries) if entry is None]


def _items(data: Any, count: int) -> list[Any] | None:
    """Return the embeddings of an answer in the order of their inputs, or None."""
    items = data.get("data") if isinstance(data, Mapping) and not data.get("error") else None
    if not isinstance(items, list) or len(items) != count:
        return None
    if not all(isinstance(item, Mapping) and item.get("embedding") for item in items):
        return None
    places = [item.get("index") for item in items]
    if sorted(places, key=str) != sorted(range(count), key=str):
        return None
    return sorted(items, key=lambda item: item["index"])


def _usage(datas: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    told = [data.get("usage") or {} for data in datas]
    return {name: sum(usage.get(name) or 0 for usage in told) for name in COUNTS}
