"""What is wrong with a config, and how to say so without giving anything away.

Ground rules: a problem is a place and a sentence. The sentence shows the wrong value only when
neither the names on the way to it nor the value itself look like a secret; objects and lists are
never shown at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from portkey_local.errors import looks_secret
from portkey_local.query import alike, nearest

__all__ = ["Location", "Node", "Problem", "listed", "near", "nodes", "path_of", "shown", "slip"]

Location = tuple[str | int, ...]
Node = dict[str, Any]

HIDDEN: Final = "(value hidden)"
LONGEST_SHOWN: Final = 60
_SECRET_NAME = re.compile(r"key|token|secret|passw|credential|authorization", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}\Z")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (or odd), and where.

    `meant` is set for a misspelt field: the one that it is a slip away from.
    """

    location: Location
    message: str
    meant: str | None = None


def nodes(document: Node, location: Location = ()) -> Iterator[tuple[Location, Node]]:
    """Walk the root and all targets, parents first, past anything that has the wrong shape."""
    yield location, document
    targets = document.get("targets")
    if isinstance(targets, list):
        for index, target in enumerate(targets):
            if isinstance(target, dict):
                yield from nodes(target, (*location, "targets", index))


def path_of(location: Location) -> str:
    """Spell a location as the JSON path users know, as in `config.targets[0].retry`."""
    return "config" + "".join(_step(part) for part in location)


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if looks_secret(part):
        return ".(name hidden)"
    return f".{part}" if _PLAIN_NAME.match(part) else f"[{_short(repr(part))}]"


def shown(value: object, location: Location = ()) -> str:
    """Quote a wrong value for a message, or hide it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if any(isinstance(part, str) and _SECRET_NAME.search(part) for part in location):
        return HIDDEN
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return HIDDEN if looks_secret(value) else _short(repr(value))
    if isinstance(value, int) and value.bit_length() > 4 * LONGEST_SHOWN:
        return "a number of many digits"
    return _short(repr(value)) if isinstance(value, int | float) else HIDDEN


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def near(name: str, names: Iterable[str]) -> str | None:
    """Find the valid name that was probably meant, past camelCase and hyphens."""
    return nearest(name[:LONGEST_SHOWN], names)


def slip(name: str, names: Iterable[str]) -> str | None:
    """Find the valid name that another is a slip away from, with capitals and hyphens apart."""
    meant = near(name, names)
    return meant if meant is not None and alike(name, meant) else None


def listed(problems: Iterable[Problem], document: Node) -> tuple[tuple[str, str], ...]:
    """List problems as (path, message), in the order of the document, one for each place."""
    first: dict[Location, Problem] = {}
    for problem in problems:
        first.setdefault(problem.location, problem)
    ordered = sorted(first.values(), key=lambda problem: _place(document, problem.location))
    return tuple((path_of(problem.location), problem.message) for problem in ordered)


def _place(document: object, location: Location) -> tuple[int, ...]:
    # A field that is missing comes after those that are there.
    place: list[int] = []
    for part in location:
        if isinstance(part, int):
            place.append(part)
            document = (
                document[part] if isinstance(document, list) and part < len(document) else None
            )
            continue
        names = list(document) if isinstance(document, dict) else []
        place.append(names.index(part) if part in names else len(names))
        document = document.get(part) if isinstance(document, dict) else None
    return tuple(place)
