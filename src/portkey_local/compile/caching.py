"""From a node's `cache` to the policy around it: what its answers depend on, as a digest.

What is left out of the digest cannot change an answer: who is asked first, how often and for how
long. Everything else is in it, also what a later version may add, so that two nodes share an answer
only where they would have asked for the same one, of the same account, under the same guardrails.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from portkey_local.caches.keys import digest
from portkey_local.compile.conditions import looked_at
from portkey_local.compile.guarding import go_by_metadata, headers_read, tell_streams_apart
from portkey_local.compile.guards import Guards, Own
from portkey_local.compile.likeness import likeness
from portkey_local.config import Cache, Config
from portkey_local.effects import Router
from portkey_local.model import EMPTY, Target
from portkey_local.policies.cached import MAX_AGE, Cached
from portkey_local.policies.cached_inputs import CachedInputs
from portkey_local.policies.shelf import Scope, Shelf
from portkey_local.policies.stale import NEVER, Stale
from portkey_local.query import look

NO_MATTER: Final = frozenset(
    {
        "cache",
        "cb_config",
        "name",
        "on_status_codes",
        "request_timeout",
        "retry",
        "stream_idle_timeout",
        "strategy",
        "targets",
        "virtual_key",  # what it stands for is in the other fields
        "weight",
    }
)
ACCOUNTS: Final = ("AWS_", "AZURE_", "GOOGLE_")  # variables by which vendors' own libraries sign in
METADATA: Final = "metadata."


def cached(
    router: Router,
    node: Config,
    targets: Mapping[str, Target],
    path: str,
    shelf: Shelf,
    checks: Own,
    inside: Guards,
) -> Router:
    """Return a node's router behind its cache; the node is complete, with its keys.

    `inside` are the hooks that a hit skips, before and after a target is asked.
    """
    own = node.cache.max_age if node.cache is not None else None
    below = dict(_below(node, path, targets))
    told = [_told(node, path, below), [[name, likeness(checks[name])] for name in sorted(checks)]]
    fields = {field for field in looked_at(node) if field.startswith(METADATA)}
    forward = {name for target in below.values() for name in target.forward}
    hooks = (*inside[0], *inside[1])
    scope = Scope(
        digest=digest(told),
        override=below[path].override if node.targets is None else EMPTY,
        forward=tuple(sorted(forward | headers_read(hooks))),
        looks=tuple(look(field) for field in sorted(fields)),
        metadata=go_by_metadata(hooks, checks),
        streams_apart=tell_streams_apart(inside[1], checks),
    )
    max_age = MAX_AGE if own is None else own
    stale = NEVER if node.cache is None else _stale(node.cache)
    further, alone = None, None
    if node.cache is not None and node.cache.mode == "semantic":
        from portkey_local.compile.similar import similar  # its words and tables take a while

        further = similar(node.cache, node, path, below.values(), shelf)
        alone = "no model" if further is None else None
    return CachedInputs(
        Cached(router, tuple(below.values()), shelf, scope, max_age, stale, further, alone)
    )


def _stale(cache: Cache) -> Stale:
    """Return for how long a node's answers serve when they are stale."""
    both = cache.max_stale or 0.0
    beside, on_error = cache.stale_while_revalidate, cache.stale_if_error
    return Stale(both if beside is None else beside, both if on_error is None else on_error)


def _below(node: Config, path: str, targets: Mapping[str, Target]) -> Iterator[tuple[str, Target]]:
    """Walk the targets of a node, in the order they are written."""
    if node.targets is None:
        yield path, targets[path]
    for index, child in enumerate(node.targets or ()):
        yield from _below(child, f"{path}.targets[{index}]", targets)


def _told(node: Config, path: str, targets: Mapping[str, Target]) -> Any:
    """Return what the answers of a node depend on, as JSON."""
    if node.targets is None:
        target = targets[path]
        fields = node.model_dump(mode="json", exclude=set(NO_MATTER))
        signed = _accounts() if target.signer is not None else []
        return [fields, target.provider, target.url, dict(target.headers), signed]
    strategy = node.strategy
    chosen = None if strategy is None else [strategy.mode, strategy.default]
    rows = [] if strategy is None else [[c.query, c.then] for c in strategy.conditions or ()]
    named = strategy is not None and strategy.mode == "conditional"
    below = [
        [target.name if named else None, _told(target, f"{path}.targets[{index}]", targets)]
        for index, target in enumerate(node.targets)
    ]
    return [chosen, rows, below]


def _accounts() -> list[tuple[str, str]]:
    return sorted(item for item in os.environ.items() if item[0].startswith(ACCOUNTS))
