"""What the policies of caches share: where answers are kept, and what a call asks of that place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from portkey_local.caches.keys import cacheable, key_of, told_apart
from portkey_local.effects import Cache
from portkey_local.flights import FlightsState
from portkey_local.model import EMPTY, Call, Outcome, Reply, Source, empty, merge
from portkey_local.query import MISSING, Look, facts_of

HIT: Final = "HIT"
MISS: Final = "MISS"
REFRESH: Final = "REFRESH"
STALE: Final = "STALE"
KEPT: Final = frozenset({HIT, STALE})  # what came out of a cache


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks a cache for: its key, its body as the node sees it, and how it comes."""

    key: bytes
    body: Mapping[str, Any] = field(repr=False)
    usage: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where answers are kept, and the calls in flight that will bring more."""

    cache: Cache
    flights: FlightsState = field(default_factory=FlightsState)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the calls of a node go: whatever differs here never shares an answer.

    `digest` is that of its targets with their keys, hosts, overrides and output guardrails,
    `forward` the caller's headers that reach one of them, `looks` what its conditions look at.
    `override` is that of a node which is one target.
    """

    digest: bytes
    override: Mapping[str, Any] = field(default_factory=empty, repr=False)
    forward: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()

    def asked(self, call: Call) -> Asked | None:
        """Return what a call asks for, or None where that is never kept."""
        request = call.request
        if not cacheable(request):
            return None
        body = merge(request.body or EMPTY, self.override)
        facts: list[Any] = []
        if self.looks:
            known = facts_of(call.metadata, request)
            facts = [[] if (v := look(known)) is MISSING else [v] for look in self.looks]
        told = told_apart(request, call.caching.namespace, self.forward, facts)
        try:
            key = key_of(self.digest, request, body, told)
        except (TypeError, ValueError, RecursionError):
            return None
        options = body.get("stream_options")
        usage = isinstance(options, Mapping) and options.get("include_usage") is True
        return Asked(key, body, usage=usage)


def marked(outcome: Outcome, status: str, *keys: bytes) -> Outcome:
    """Return an outcome with a cache's status, and the keys under which it is kept there, unless a
    cache further in has answered.
    """
    if outcome.cache in KEPT:
        return outcome
    if not isinstance(outcome, Reply):
        return replace(outcome, cache=status)
    further = () if outcome.source is None else outcome.source.keys
    return replace(outcome, cache=status, source=Source((*keys, *further)))


def now(call: Call) -> float:
    """Return the time of day where the call knows it; a simulated run has its own time."""
    return call.clock() if call.wall is None else call.wall()
