"""What is left of a config once everything wrong is taken out of it.

Ground rules: the result is for looking for further mistakes, never for a call. Places must stay
where they were written, so that what is found later has the right path: a target or a hook that is
wrong leaves an empty one behind. A misspelt field is taken for the one that was probably meant, so
that nobody is told that the field is missing too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Final

from portkey_local.config.conditional import meant_mode
from portkey_local.config.hooks import SLOTS
from portkey_local.config.problems import Location, Node, Problem
from portkey_local.config.wording import OWNERS, meant_field

__all__ = ["repaired"]

MODE: Final = "fallback"
KEY: Final = "unreadable"
NO_CHECK: Final[Node] = {"id": "none", "is_enabled": False}
NO_HOOK: Final[Node] = {"none": {"is_enabled": False}}
NO_LONG_HOOK: Final[Node] = {"checks": [NO_CHECK]}
# Name of a list -> what stands for an item of it that was wrong.
STAND_INS: Final[dict[str | int, Node]] = {
    "targets": {},
    "checks": NO_CHECK,
    **{name: NO_LONG_HOOK if name.endswith("_hooks") else NO_HOOK for name in SLOTS},
}
_OWN = {*OWNERS, "targets"}


def repaired(document: Node, problems: Iterable[Problem]) -> Node:
    """Return a copy in which nothing stands any more where a problem was found."""
    whole = copy.deepcopy(document)
    # From the back, so that what is taken out of a list moves nothing that is looked at later.
    places = sorted({problem.location for problem in problems}, key=_order, reverse=True)
    missing = [location for location in places if not _is_there(whole, location)]
    for location in places:
        if location and location not in missing:
            _take_out(whole, location)
    for location in missing:
        if not _is_there(whole, location):  # or else a misspelt field was taken for it
            _fill_in(whole, location)
    return whole


def _order(location: Location) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (0, part) for part in location]


def _is_there(document: Node, location: Location) -> bool:
    if not location:
        return True
    owner, name = _at(document, location[:-1]), location[-1]
    if isinstance(owner, list):
        return isinstance(name, int) and name < len(owner)
    return isinstance(owner, dict) and name in owner


def _at(document: Any, location: Location) -> Any:
    for part in location:
        if isinstance(document, dict):
            document = document.get(part) if isinstance(part, str) else None
        elif isinstance(document, list) and isinstance(part, int) and part < len(document):
            document = document[part]
        else:
            return None
    return document


def _take_out(document: Node, location: Location) -> None:
    owner, name = _at(document, location[:-1]), location[-1]
    if isinstance(owner, dict) and isinstance(name, str) and name in owner:
        _take_field(owner, name, location)
    elif isinstance(owner, list) and isinstance(name, int) and name < len(owner):
        if location[-2] in STAND_INS:
            owner[name] = copy.deepcopy(STAND_INS[location[-2]])
        else:
            del owner[name]


def _take_field(owner: Node, name: str, location: Location) -> None:
    value = owner[name]
    if name == "targets" and isinstance(value, list) and value:
        return  # what is wrong with all of them together does not hinder looking at each
    if name == "api_key":
        owner[name] = KEY
        return
    del owner[name]
    if name == "mode" and location[-2:-1] == ("strategy",):
        owner[name] = (meant_mode(value) if isinstance(value, str) else None) or MODE
    elif name == "strategy" and "targets" in owner:
        owner[name] = {"mode": MODE}
    elif all(part in _OWN for part in location[:-1] if isinstance(part, str)):
        meant = meant_field(location)
        if meant is not None and meant != name:
            owner.setdefault(meant, value)


def _fill_in(document: Node, location: Location) -> None:
    owner, name = _at(document, location[:-1]), location[-1]
    if name == "provider":
        return
    if not isinstance(owner, dict):  # a short form, such as a cache written as its mode
        _take_out(document, location[:-1])
    elif name == "strategy":
        owner[name] = {"mode": MODE}
    elif name in {"mode", "conditions"} and location[-2:-1] == ("strategy",):
        owner["mode"] = MODE
    elif name == "targets":
        owner.pop("strategy", None)
    elif location[:-1]:
        _take_out(document, location[:-1])  # without what it needs, the whole object goes
