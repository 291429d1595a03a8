"""A config with its misspelt fields spelt right, so that what stands below them is looked at too.

Ground rules: only a field that is one slip away from a valid one is taken for it, and never in
place of one that is there. What is found in the corrected config is told by the path that was
written; only the misspelt field itself goes by its right name, for by its wrong one it was told
already.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from portkey_local.config.problems import Location, Node, Problem, path_of

__all__ = ["Spelling", "corrected"]

Find = Callable[[Node], list[Problem]]


class Spelling:
    """Which right names stand for which wrong ones; it leads a place back to what was written."""

    def __init__(self) -> None:
        """Begin with nothing misspelt."""
        self._wrong: dict[Location, str] = {}  # by the place in the corrected config

    def corrects(self, place: Location, right: str) -> None:
        """Note that the name at a place is read as another."""
        self._wrong[*place[:-1], right] = str(place[-1])

    def written(self, place: Location) -> Location:
        """Return where a place of the corrected config lies in the one that was written."""
        above = (self._wrong.get(place[: end + 1], place[end]) for end in range(len(place) - 1))
        return (*above, *place[-1:])

    def written_path(self, path: str) -> str:
        """Return the same for a JSON path."""
        for place in sorted(self._wrong, key=len, reverse=True):
            right = path_of(place)
            if path.startswith((f"{right}.", f"{right}[")):
                wrong = (*self.written(place)[:-1], self._wrong[place])
                return path_of(wrong) + path.removeprefix(right)
        return path


def corrected(document: Node, find: Find) -> tuple[Node, list[Problem], list[Problem], Spelling]:
    """Return the config with its misspelt fields spelt right, the problems they are, and what
    `find` still finds there, by the places of the corrected config.
    """
    spelling, slips = Spelling(), list[Problem]()
    found = find(document)
    while taken := list(_taken(document, found)):
        document = copy.deepcopy(document)
        for problem, right in taken:
            slips.append(replace(problem, location=spelling.written(problem.location)))
            _rename(document, problem.location, right)
        for problem, right in taken:
            spelling.corrects(problem.location, right)
        found = find(document)
    return document, slips, found, spelling


def _taken(document: Node, found: Iterable[Problem]) -> Iterable[tuple[Problem, str]]:
    seen: set[Location] = set()
    for problem in found:
        owner = _owner(document, problem.location)
        place = (*problem.location[:-1], problem.meant or "")
        if problem.meant is not None and problem.meant not in owner and place not in seen:
            seen.add(place)
            yield problem, problem.meant


def _owner(document: Any, location: Location) -> Any:
    for part in location[:-1]:
        document = document[part]
    return document


def _rename(document: Node, location: Location, right: str) -> None:
    owner = _owner(document, location)
    fields = [(right if name == location[-1] else name, value) for name, value in owner.items()]
    owner.clear()
    owner.update(fields)
