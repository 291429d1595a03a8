"""Which fields of a call the conditions in a tree look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from portkey_local.config import Config

__all__ = ["looked_at"]


def looked_at(node: Config) -> Iterator[str]:
    """Name the fields that the conditions of a node and of all below it look at."""
    for condition in (node.strategy.conditions if node.strategy else None) or ():
        yield from _names(condition.query)
    for target in node.targets or ():
        yield from looked_at(target)


def _names(query: Any) -> Iterator[str]:
    if isinstance(query, Mapping):
        for name, value in query.items():
            yield name
            yield from _names(value)
    elif isinstance(query, list):
        for each in query:
            yield from _names(each)
