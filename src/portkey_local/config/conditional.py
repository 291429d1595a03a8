"""The rules of conditional routing: whom conditions name, and what they ask.

Ground rules: as in `rules`, which lists them: one node as plain JSON, problems as values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from portkey_local.config.models import MODES
from portkey_local.config.problems import Location, Node, Problem, near, shown
from portkey_local.query import WrongQuery, compile_query

__all__ = [
    "conditions_are_whole",
    "conditions_without_effect",
    "meant_mode",
    "names_exist",
    "queries_are_right",
]

WHOLE = 'a list of at least one {"query": {…}, "then": "name of a target"}'


def _strategy(node: Node) -> Node:
    strategy = node.get("strategy")
    return strategy if isinstance(strategy, dict) else {}


def _conditional(node: Node) -> bool:
    mode = _strategy(node).get("mode")
    return isinstance(mode, str) and (meant_mode(mode) or mode) == "conditional"


def meant_mode(mode: str) -> str | None:
    """Find the mode that was probably meant, so that what belongs to it is looked at too."""
    return near(mode, MODES["strategy"])


def _conditions(node: Node) -> Iterator[tuple[int, Node]]:
    conditions = _strategy(node).get("conditions")
    for index, condition in enumerate(conditions if isinstance(conditions, list) else ()):
        if isinstance(condition, dict):
            yield index, condition


def _names(node: Node) -> list[Any]:
    targets = node.get("targets")
    return [
        target.get("name") if isinstance(target, dict) else None
        for target in (targets if isinstance(targets, list) else ())
    ]


def conditions_are_whole(location: Location, node: Node) -> Iterator[Problem]:
    """Refuse conditional routing without conditions."""
    if not _conditional(node):
        return
    place = (*location, "strategy", "conditions")
    if "conditions" not in node["strategy"]:
        yield Problem(place, f"required with mode 'conditional': {WHOLE}")
    elif node["strategy"]["conditions"] == []:
        yield Problem(place, f"empty; mode 'conditional' needs {WHOLE}")


def queries_are_right(location: Location, node: Node) -> Iterator[Problem]:
    """Refuse queries that could not be asked."""
    for index, condition in _conditions(node):
        query = condition.get("query")
        try:
            compile_query(query if isinstance(query, dict) else {})
        except WrongQuery as error:
            place = (*location, "strategy", "conditions", index, "query")
            yield from (Problem((*place, *below), text) for below, text in error.problems)


def names_exist(location: Location, node: Node) -> Iterator[Problem]:
    """Refuse conditions that name no target, or one of two."""
    if not _conditional(node):
        return
    names = _names(node)
    for index, name in enumerate(names):
        if isinstance(name, str) and names.index(name) < index:
            first = f"targets[{names.index(name)}]"
            message = f"{shown(name)} is the name of {first} too; conditions need different ones"
            yield Problem((*location, "targets", index, "name"), message)
    known = [name for name in names if isinstance(name, str)]
    place = (*location, "strategy")
    for index, condition in _conditions(node):
        then = condition.get("then")
        if isinstance(then, str) and then not in known:
            yield Problem((*place, "conditions", index, "then"), _no_target(then, known))
    default = node["strategy"].get("default")
    if isinstance(default, str) and default not in known:
        yield Problem((*place, "default"), _no_target(default, known))


def _no_target(name: str, known: list[str]) -> str:
    if not known:
        return f"{shown(name)}: none of the targets here has a name"
    meant = near(name, known)
    guess = f"; did you mean {shown(meant)}?" if meant is not None else ""
    return f"{shown(name)} is not the name of a target here{guess} ({_listed(known)})"


def _listed(names: list[str]) -> str:
    more = ", …" if len(names) > 8 else ""
    return ", ".join(shown(name) for name in names[:8]) + more


def conditions_without_effect(location: Location, node: Node) -> Iterator[Problem]:
    """Remark on conditions that nobody reads."""
    strategy = _strategy(node)
    for field in ("conditions", "default"):
        if field in strategy and strategy.get("mode") != "conditional":
            message = f"no effect with mode {shown(strategy.get('mode'))}; only conditional reads"
            yield Problem((*location, "strategy", field), f"{message} it")
