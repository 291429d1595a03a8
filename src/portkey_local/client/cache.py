"""`client.cache`: what the client's cache has, and what is to go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypedDict, TypeVar, Unpack

import anyio

from portkey_local.caches import upkeep
from portkey_local.caches.upkeep import CacheEntry, CacheStats, Criteria
from portkey_local.effects import Browsable, Route
from portkey_local.engine import Engine, Plan
from portkey_local.model import Reply, Request, Source
from portkey_local.semantic.explained import CacheDecision
from portkey_local.transports import EXTENSION

__all__ = ["AsyncCacheView", "CacheView"]

T = TypeVar("T")


class Wanted(TypedDict, total=False):
    """Which entries are meant; see `CacheView`."""

    names: str | Sequence[str]
    namespace: str
    older_than: float
    model: str
    writer: str


@dataclass(frozen=True, slots=True)
class CacheView:
    """Looks through a client's cache and tidies it, also one that other processes share.

    Criteria, together: `names` (a beginning of an entry's name, or several), `namespace`,
    `older_than` (seconds), `model`, and `writer` (a user's name as in the metadata `_user`,
    `user_id` or `user`, or in the request's `user`; or a trace id). Methods raise TypeError for a
    cache of yours that cannot be looked through.
    """

    _engine: Engine = field(repr=False)
    _plan: Plan = field(repr=False)
    run: Callable[[Any], Any] = field(repr=False)  # the client's driver's
    _headers: tuple[Mapping[str, str], Mapping[str, str]] = field(repr=False)

    def explain(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        endpoint: str = "/chat/completions",
        **fields: Any,
    ) -> CacheDecision:
        """Say what the first cache on a request's way would answer, and why; asks no provider.

        `request` is the body (or its fields as keywords).

        >>> from portkey_local import Portkey
        >>> client = Portkey(provider="openai", Authorization="Bearer none")
        >>> client.cache.explain(model="gpt-4o", messages=[]).status
        'DISABLED'
        """
        decision: CacheDecision = self.run(self.explaining({**(request or {}), **fields}, endpoint))
        return decision

    def explaining(self, body: Mapping[str, Any], endpoint: str) -> Route[CacheDecision]:
        """Return the route that finds out."""
        from portkey_local.policies.foretelling import foretold

        path = f"/{endpoint.removeprefix('/v1').lstrip('/')}"
        headers, withheld = self._headers
        stream = body.get("stream") is True
        asked = Request("POST", path, body, None, None, headers, withheld, stream=stream)
        call, router = self._engine.begin(asked, self._plan, float("inf"))
        return foretold(router.root, call)

    def stats(self) -> CacheStats:
        """Return the cache in numbers."""
        return upkeep.stats(self._cache, self._engine.wall())

    def entries(self, **criteria: Unpack[Wanted]) -> Iterator[CacheEntry]:
        """Go through the entries, without their answers.

        >>> from portkey_local import Portkey
        >>> client = Portkey(provider="openai", Authorization="Bearer none")
        >>> list(client.cache.entries(namespace="team-a", older_than=3600))
        []
        """
        found = upkeep.entries(self._cache, self._engine.wall(), _criteria(criteria))
        return (entry for _, entry in found)

    def delete(self, **criteria: Unpack[Wanted]) -> int:
        """Delete the entries that fit; return how many. Raises ValueError without a criterion."""
        return upkeep.delete(self._cache, self._engine.wall(), _criteria(criteria))

    def clear(self) -> int:
        """Delete every entry; return how many. What was rejected stays so."""
        return self._cache.clear()

    def export(
        self, path: str | os.PathLike[str], *, bodies: bool = False, **criteria: Unpack[Wanted]
    ) -> int:
        """Write the entries as lines of JSON, whole or not at all; return how many.

        With `bodies` the answers are among them.
        """
        now, wanted = self._engine.wall(), _criteria(criteria)
        lines = upkeep.export(self._cache, now, wanted, bodies=bodies)
        return upkeep.export_to(path, lines)

    def reject(self, response: Any) -> bool:
        """Delete the entry behind a response, or the one that it became; whether there was any.

        Where the response was an answer to a question that is only like yours, the pair of them is
        remembered, and never taken for the same again. Takes results, streams and raw responses;
        raises TypeError for what is none of this client's.
        """
        source = _source(response)
        if source is None:
            return False
        cache = self._cache
        if source.pair is not None:
            cache.veto(source.pair)
        return bool(cache.forget(source.keys)) or source.pair is not None

    def flush(self) -> None:
        """Wait until what was answered so far is written."""
        self._engine.cache.flush()

    @property
    def _cache(self) -> Browsable:
        return upkeep.browsable(self._engine.cache)


@dataclass(frozen=True, slots=True)
class AsyncCacheView:
    """The same for asynchronous code: each method in a thread, for a disk may make it wait."""

    _view: CacheView = field(repr=False)

    async def explain(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        endpoint: str = "/chat/completions",
        **fields: Any,
    ) -> CacheDecision:
        """Say what the first cache on a request's way would answer; see `CacheView.explain`."""
        body = {**(request or {}), **fields}
        decision: CacheDecision = await self._view.run(self._view.explaining(body, endpoint))
        return decision

    async def stats(self) -> CacheStats:
        """Return the cache in numbers."""
        return await _aside(self._view.stats)

    async def entries(self, **criteria: Unpack[Wanted]) -> list[CacheEntry]:
        """Return the entries, without their answers."""
        return await _aside(lambda: list(self._view.entries(**criteria)))

    async def delete(self, **criteria: Unpack[Wanted]) -> int:
        """Delete the entries that fit; return how many. Raises ValueError without a criterion."""
        return await _aside(partial(self._view.delete, **criteria))

    async def clear(self) -> int:
        """Delete every entry; return how many. What was rejected stays so."""
        return await _aside(self._view.clear)

    async def export(
        self, path: str | os.PathLike[str], *, bodies: bool = False, **criteria: Unpack[Wanted]
    ) -> int:
        """Write the entries as lines of JSON, whole or not at all; return how many."""
        return await _aside(partial(self._view.export, path, bodies=bodies, **criteria))

    async def reject(self, response: Any) -> bool:
        """Delete the entry behind a response; see `CacheView.reject`."""
        return await _aside(partial(self._view.reject, response))

    async def flush(self) -> None:
        """Wait until what was answered so far is written."""
        await _aside(self._view.flush)


async def _aside(work: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(work)


def _criteria(given: Wanted) -> Criteria:
    names = given.get("names", ())
    beginnings = (names,) if isinstance(names, str) else tuple(names)
    return Criteria(**{**given, "names": beginnings})  # type: ignore[arg-type]  # as told above


def _source(response: Any) -> Source | None:
    """Return where a response is kept. Raises TypeError for what is no response of ours."""
    told: Any = getattr(response, "get_headers", None)
    if hasattr(told, "source"):  # a result
        source: Source | None = told.source
        return source
    reply = getattr(getattr(response, "_chunks", None), "reply", None)  # a stream
    if reply is None:
        raw = getattr(response, "http_response", None)
        reply = getattr(raw, "extensions", {}).get(EXTENSION, (None, None))[1]
    if not isinstance(reply, Reply):
        raise TypeError(f"{type(response).__name__} is no response of a Portkey client")
    return reply.source
