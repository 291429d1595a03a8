"""Groups with a cache: their own input hooks, and what a client's default hooks mean there.

A hit must not skip a guardrail of the request, so what looks at requests stands before a group's
cache, and the targets below do not run it a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from portkey_local.compile.guards import Own, guards_of
from portkey_local.compile.problems import Problems
from portkey_local.compile.targets import CODEC
from portkey_local.compile.tree import Leaf
from portkey_local.config import Config
from portkey_local.model import Target

DEFAULT_HOOKS: Final = frozenset({"default_input_guardrails", "default_output_guardrails"})
BEFORE_CACHES: Final = frozenset({"default_input_guardrails"})


def beaten(
    node: Config, path: str, beating: Mapping[str, Any], without: frozenset[str] = frozenset()
) -> Config:
    """Return a node with a client's arguments over it; its default guardrails come on top."""
    update = {name: value for name, value in beating.items() if name not in without}
    places = {}
    for name in DEFAULT_HOOKS & update.keys():
        given = update[name] or ()
        update[name] = (*(getattr(node, name) or ()), *given)
        places[name] = node.places(name, path) + tuple(f"{name}[{at}]" for at in range(len(given)))
    return node.handed(update, places)


def has_cache(node: Config) -> bool:
    """Whether a node or one below it has a cache."""
    return node.cache is not None or any(map(has_cache, node.targets or ()))


def below_caches(node: Config, path: str = "config", *, cached: bool = False) -> Iterator[str]:
    """Walk the paths of all targets that stand below a group with a cache."""
    if node.targets is None:
        if cached:
            yield path
        return
    for index, target in enumerate(node.targets):
        below = f"{path}.targets[{index}]"
        yield from below_caches(target, below, cached=cached or node.cache is not None)


def groups_made(
    config: Config, beating: Mapping[str, Any], checks: Own, problems: Problems
) -> dict[str, Leaf]:
    """Return what stands for each group with a cache, with its input hooks; note all problems."""
    made: dict[str, Leaf] = {}
    outermost = {name: value for name, value in beating.items() if name in BEFORE_CACHES}

    def visit(node: Config, path: str, given: Mapping[str, Any]) -> None:
        if node.targets is None:
            return
        if node.cache is not None:
            with problems.gathering():
                before, _ = guards_of(beaten(node, path, given), path, checks)
                made[path] = Leaf(_stands_for(node, path), before)
            given = {}
        for index, target in enumerate(node.targets):
            visit(target, f"{path}.targets[{index}]", given)

    visit(config, "config", outermost)
    return made


def _stands_for(node: Config, path: str) -> Target:
    """Return a target that stands for a group where a hook speaks of one; it is never asked."""
    strict = node.strict_open_ai_compliance
    return Target(path, "", "", CODEC, override=node.override_params, strict=strict)
