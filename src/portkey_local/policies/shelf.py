"""What the policies of caches share: where answers are kept, and what a call asks of that place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from portkey_local.caches.keys import cacheable, key_of, told_apart
from portkey_local.caches.questions import MemoryQuestions
from portkey_local.effects import Cache
from portkey_local.flights import FlightsState
from portkey_local.model import EMPTY, Call, Outcome, Reply, Source, empty, merge
from portkey_local.query import MISSING, Look, facts_of
from portkey_local.semantic.remembering import RecallsState

if TYPE_CHECKING:
    from portkey_local.policies.looking import Wondered

HIT: Final = "HIT"
MISS: Final = "MISS"
SEMANTIC_HIT: Final = "SEMANTIC HIT"
SEMANTIC_MISS: Final = "SEMANTIC MISS"
REFRESH: Final = "REFRESH"
STALE: Final = "STALE"
KEPT: Final = frozenset({HIT, SEMANTIC_HIT, STALE})  # what came out of a cache


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks a cache for: its key, its body as the node sees it, and how it comes.

    `question` is what a semantic tier has found out of it.
    """

    key: bytes
    body: Mapping[str, Any] = field(repr=False)
    usage: bool = False
    question: Wondered | None = None


@dataclass(frozen=True, slots=True)
class Judges:
    """The caller's own functions for semantic caches, synchronous or asynchronous.

    `verifier` takes the question, the one that was answered, and the answer, and says whether that
    answers both. `comparer` takes two answers and says whether they say the same; without it they
    do if their words are the same.
    """

    verifier: Callable[[str, str, str], Any] | None = None
    comparer: Callable[[str, str], Any] | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where answers are kept, the calls in flight that will bring more, and what semantic caches
    remember.

    `texts` says whether what is told of a decision may quote questions.
    """

    cache: Cache
    flights: FlightsState = field(default_factory=FlightsState)
    recalls: RecallsState = field(default_factory=lambda: RecallsState(MemoryQuestions()))
    judges: Judges = field(default_factory=Judges)
    texts: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the calls of a node go: whatever differs here never shares an answer.

    `digest` is that of its targets with their keys, hosts, overrides and output guardrails,
    `forward` the caller's headers that reach one of them or a guardrail inside, `looks` what its
    conditions look at.
    `override` is that of a node which is one target. `metadata` says whether guardrails inside go
    by who calls, `streams_apart` whether they may let a stream through where a whole answer is
    held.
    """

    digest: bytes
    override: Mapping[str, Any] = field(default_factory=empty, repr=False)
    forward: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()
    metadata: bool = False
    streams_apart: bool = False

    def asked(self, call: Call) -> Asked | None:
        """Return what a call asks for, or None where that is never kept."""
        request = call.request
        if not cacheable(request):
            return None
        body = merge(request.body or EMPTY, self.override)
        try:
            key = self.around(call, body)
        except (TypeError, ValueError, RecursionError):
            return None
        options = body.get("stream_options")
        usage = isinstance(options, Mapping) and options.get("include_usage") is True
        return Asked(key, body, usage=usage)

    def around(self, call: Call, body: Mapping[str, Any]) -> bytes:
        """Return the key of a call with this body; of a part of it, that of all such calls.

        Raises TypeError, ValueError or RecursionError for what is no JSON.
        """
        facts: list[Any] = []
        if self.looks:
            known = facts_of(call.metadata, call.request)
            facts = [[] if (v := look(known)) is MISSING else [v] for look in self.looks]
        if self.metadata:
            facts.append(dict(call.metadata))
        if self.streams_apart:
            facts.append(call.request.stream)
        told = told_apart(call.request, call.caching.namespace, self.forward, facts)
        return key_of(self.digest, call.request, body, told)


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
