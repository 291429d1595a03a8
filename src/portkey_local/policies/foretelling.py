"""What a cache would say to a call, without making it.

Ground rules: nobody but the cache and its model is asked, no lot is drawn and no verifier called,
and nothing is reported or kept. Guardrails of the request are not run, so a request that one would
change is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from portkey_local.effects import Route
from portkey_local.model import DISABLED, Call
from portkey_local.policies.cached import Cached
from portkey_local.policies.shelf import HIT, REFRESH, STALE, Asked
from portkey_local.semantic.explained import CacheDecision

__all__ = ["foretold"]


def foretold(router: Any, call: Call) -> Route[CacheDecision]:
    """Return what the first cache on a call's way would decide."""
    cached, wish = next(_caches(router), None), call.caching
    asked = None if cached is None else cached.scope.asked(call)
    if cached is None or asked is None or not (wish.reads or wish.writes):
        return CacheDecision(status=DISABLED, reason="no cache keeps such a request")
    if not wish.reads:
        return CacheDecision(status=REFRESH, reason="asked anew")
    call = replace(call, emit=None)
    exact = yield from _exact(cached, call, asked)
    if exact is not None:
        return exact
    if cached.similar is None:
        return cached.missed
    return (yield from cached.similar.foretold(cached, call, asked))


def _exact(cached: Cached, call: Call, asked: Asked) -> Route[CacheDecision | None]:
    """Return what is kept of the very same request, if it may be given."""
    (held,) = yield from cached.look(call, (asked.key,))
    if held is None:
        return None
    age = cached.age(call, held.entry)
    if cached.fresh(call, held.entry):
        return CacheDecision(status=HIT, tier="exact", age=age)
    stale = age < cached.stale.at_once(call.caching, cached.max_age)
    return CacheDecision(status=STALE, tier="exact", age=age) if stale else None


def _caches(router: Any) -> Iterator[Cached]:
    """Walk the outermost caches of a tree, in the order of the config."""
    while router is not None:
        if isinstance(router, Cached):
            yield router
            return
        for target in getattr(router, "targets", ()):
            yield from _caches(target)
        router = getattr(router, "inner", None)
