"""Lints about what is never reached, never read, or never checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final

from portkey_local.config.hooks import hooks_of
from portkey_local.config.lint.spots import Advice, Spot, leaf_spots
from portkey_local.semantic.requests import unfit_fields

__all__ = ["REACH"]

LOW_SIMILARITY: Final = 0.75


def _behind_single(spot: Spot) -> Iterator[Advice]:
    for child in spot.children[1:] if spot.mode == "single" else ():
        yield child.path, "never asked: mode 'single' asks the first target only"


def _fallback_that_stays(spot: Spot) -> Iterator[Advice]:
    if spot.mode == "fallback" and spot.codes == () and len(spot.children) > 1:
        message = "empty, so no status moves the fallback on: only the first target is ever asked"
        yield f"{spot.path}.strategy.on_status_codes", message


def _behind_an_empty_query(spot: Spot) -> Iterator[Advice]:
    strategy = spot.written.strategy
    if strategy is None or spot.mode != "conditional" or not strategy.conditions:
        return
    last = _last_looked_at(spot)
    message = f"never looked at: conditions[{last}] has an empty query, which holds for every call"
    for index in range(last + 1, len(strategy.conditions)):
        yield f"{spot.path}.strategy.conditions[{index}]", message
    if strategy.default is not None and not strategy.conditions[last].query:
        yield f"{spot.path}.strategy.default", message


def _last_looked_at(spot: Spot) -> int:
    strategy = spot.written.strategy
    conditions = strategy.conditions or () if strategy is not None else ()
    return next(
        (index for index, condition in enumerate(conditions) if not condition.query),
        len(conditions) - 1,
    )


def _behind_the_same_query(spot: Spot) -> Iterator[Advice]:
    for index, first in _shadowed(spot).items():
        message = f"never holds: conditions[{first}] has the same query and comes first"
        yield f"{spot.path}.strategy.conditions[{index}]", message


def _shadowed(spot: Spot) -> dict[int, int]:
    strategy = spot.written.strategy
    conditions = strategy.conditions or () if strategy is not None else ()
    texts = [
        json.dumps(row.query, sort_keys=True) for row in conditions[: _last_looked_at(spot) + 1]
    ]
    firsts = {index: texts.index(text) for index, text in enumerate(texts)}
    return {index: first for index, first in firsts.items() if first < index}


def _named_by_nobody(spot: Spot) -> Iterator[Advice]:
    strategy = spot.written.strategy
    if strategy is None or spot.mode != "conditional" or not strategy.conditions:
        return
    last = _last_looked_at(spot)
    shadowed = _shadowed(spot)
    looked_at = enumerate(strategy.conditions[: last + 1])
    named = {condition.then for index, condition in looked_at if index not in shadowed}
    if strategy.conditions[last].query:
        named.add(strategy.default or "")
    for child in spot.children:
        if child.written.name is None or child.written.name not in named:
            yield child.path, "never asked: no condition that is looked at names it"


def _weights(spot: Spot) -> Iterator[Advice]:
    if "weight" not in spot.written.model_fields_set:
        return
    balanced = spot.above is not None and spot.above.mode == "loadbalance"
    if not balanced:
        message = "no effect: only a group with mode 'loadbalance' reads its targets' weights"
        yield f"{spot.path}.weight", message
    elif spot.written.weight == 0:
        yield f"{spot.path}.weight", "0, so this target is never chosen"


def _unchecked_streams(spot: Spot) -> Iterator[Advice]:
    if spot.children:
        return
    for hook in hooks_of(spot.node, spot.path).after:
        if hook.kind == "guardrail" and hook.on_stream == "skip" and not hook.beside:
            message = 'streams pass unchecked; "on_stream": "buffer" holds each back until it is'
            yield hook.place, f"{message} complete and checked"


def _one_answer_for_all(spot: Spot) -> Iterator[Advice]:
    if spot.written.cache is None:
        return
    for leaf in leaf_spots(spot):
        temperature = leaf.node.override_params.get("temperature")
        if isinstance(temperature, int | float) and temperature > 0:
            message = f"every caller gets the first answer again, although {leaf.path} asks for"
            yield f"{spot.path}.cache", f"{message} variety (temperature {temperature:g})"
            return


def _semantic_in_vain(spot: Spot) -> Iterator[Advice]:
    cache = spot.written.cache
    if cache is None or cache.mode != "semantic":
        return
    for leaf in leaf_spots(spot):
        reason = unfit_fields(leaf.node.override_params)
        if reason is not None:
            message = f"no similar question is ever looked for: {leaf.path} overrides ({reason})"
            yield f"{spot.path}.cache", message
            break
    if cache.min_similarity is not None and cache.min_similarity < LOW_SIMILARITY:
        message = "questions so little alike are seldom the same; the profiles ask for more"
        yield f"{spot.path}.cache.min_similarity", message
    if cache.shadow and (cache.sample is not None or cache.max_error is not None):
        yield f"{spot.path}.cache.shadow", "nothing is served, so nothing is sampled or proven"


REACH: Final[tuple[Callable[[Spot], Iterator[Advice]], ...]] = (
    _behind_single,
    _fallback_that_stays,
    _behind_an_empty_query,
    _behind_the_same_query,
    _named_by_nobody,
    _weights,
    _unchecked_streams,
    _one_answer_for_all,
    _semantic_in_vain,
)
