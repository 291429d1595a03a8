"""What is allowed in a config but odd: said once, when the config is taken.

Ground rules: as in `rules`. A remark says something that is certain from one node alone; what is
only likely to surprise is in `lint`, which has to be asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portkey_local.config.conditional import conditions_without_effect
from portkey_local.config.problems import Location, Node, Problem, nodes, shown
from portkey_local.config.rules import Rule

__all__ = ["remarks"]

LOOKS_LIKE_SECONDS: Final = 100
# Field of strategy -> the one mode that reads it.
READERS: Final = {"on_status_codes": "fallback", "sticky_session": "loadbalance"}


def _milliseconds(location: Location, node: Node) -> Iterator[Problem]:
    for field in ("request_timeout", "stream_idle_timeout"):
        timeout = node.get(field)
        if isinstance(timeout, int | float) and 0 < timeout < LOOKS_LIKE_SECONDS:
            meant = f"{timeout * 1000:g} for {timeout} s"
            message = f"{timeout} looks like seconds; a config counts milliseconds ({meant})"
            yield Problem((*location, field), message)


def _ignored_beside_targets(location: Location, node: Node) -> Iterator[Problem]:
    if "strategy" in node and "targets" in node:
        for field in ("provider", "api_key", "virtual_key"):
            if field in node:
                message = "ignored beside strategy and targets; name it in each target instead"
                yield Problem((*location, field), message)


def _codes_without_effect(location: Location, node: Node) -> Iterator[Problem]:
    if "on_status_codes" in node:
        yield Problem(
            (*location, "on_status_codes"), "no effect here; it belongs in strategy or in retry"
        )


def _read_by_another_mode(location: Location, node: Node) -> Iterator[Problem]:
    strategy = node.get("strategy")
    if not isinstance(strategy, dict):
        return
    for field, reader in READERS.items():
        if field in strategy and strategy.get("mode") != reader:
            message = f"no effect with mode {shown(strategy.get('mode'))}; only {reader} reads it"
            yield Problem((*location, "strategy", field), message)


REMARKS: Final[tuple[Rule, ...]] = (
    _milliseconds,
    _ignored_beside_targets,
    _codes_without_effect,
    _read_by_another_mode,
    conditions_without_effect,
)


def remarks(document: Node) -> Iterator[Problem]:
    """Find what is allowed but odd."""
    for place, node in nodes(document):
        for rule in REMARKS:
            yield from rule(place, node)
