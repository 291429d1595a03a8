"""Lints about hooks that do not run where they stand: on the endpoint that is called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from portkey_local.config.hooks import HookSpec, hooks_of
from portkey_local.config.lint.spots import Advice, Spot
from portkey_local.texts import INPUT_ENDPOINTS, OUTPUT_ENDPOINTS

__all__ = ["called_by_conditions", "hooks_not_run"]

PATHNAME: Final = "url.pathname"


def called_by_conditions(spot: Spot) -> Iterator[Advice]:
    """Find the hooks of a target whose conditions let only other endpoints come to it."""
    if not spot.children and (endpoints := _let_through(spot)):
        yield from hooks_not_run(spot, endpoints)


def hooks_not_run(spot: Spot, endpoints: frozenset[str]) -> Iterator[Advice]:
    """Find the hooks of a target that run on none of the endpoints."""
    if spot.children:
        return
    hooks = hooks_of(spot.node, spot.path)
    for each, runs_on in ((hooks.before, INPUT_ENDPOINTS), (hooks.after, OUTPUT_ENDPOINTS)):
        if not endpoints & runs_on:
            yield from (_advice(hook, endpoints, runs_on) for hook in each)


def _advice(hook: HookSpec, endpoints: frozenset[str], runs_on: frozenset[str]) -> Advice:
    where, there = ", ".join(sorted(endpoints)), ", ".join(sorted(runs_on))
    return hook.place, f"not run on {where}, so those calls go unchecked; it runs on {there}"


def _let_through(spot: Spot) -> frozenset[str] | None:
    """Return the endpoints of a target's branch, or None where it may be any."""
    for below, above in zip((spot, *spot.ancestors), spot.ancestors, strict=False):
        strategy = above.written.strategy
        if strategy is None or above.mode != "conditional":
            continue
        name = below.written.name
        rows = [row.query for row in strategy.conditions or () if row.then == name]
        if strategy.default != name and rows:
            named = [_named(query.get(PATHNAME)) for query in rows]
            return None if None in named else frozenset().union(*filter(None, named))
    return None


def _named(condition: Any) -> frozenset[str] | None:
    """Return the endpoints that a condition on the path names one by one."""
    if isinstance(condition, dict):
        paths = condition.get("$in", [condition.get("$eq")])
    else:
        paths = [condition]
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        return None
    return frozenset(path.removeprefix("/v1") for path in paths)
