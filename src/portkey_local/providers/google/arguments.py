"""A call whose arguments come piece by piece, as Vertex AI streams them when it is asked to.

Ground rules: pure. Each piece names its place by a JSON path (`$.stops[0].city`); a text may come
in several. The call is handed on when it is whole: what it says before that is no JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from portkey_local.providers.vendor import Unreadable

__all__ = ["Partial"]

STEP: Final = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
VALUES: Final = ("stringValue", "numberValue", "boolValue")


@dataclass(slots=True)
class Partial:
    """A call that has begun."""

    name: Any = None
    id: Any = None
    signature: Any = None
    args: dict[str, Any] = field(default_factory=dict)

    def take(self, call: Mapping[str, Any]) -> None:
        """Take the next piece of the call."""
        self.name = self.name or call.get("name")
        self.id = self.id or call.get("id")
        self.args |= call.get("args") or {}
        for piece in call.get("partialArgs") or ():
            value = next((piece[kind] for kind in VALUES if piece.get(kind) is not None), None)
            self._put(_steps(piece["jsonPath"]), value)

    def _put(self, steps: list[str | int], value: Any) -> None:
        """Put a value where its path leads; a text goes on where one has begun."""
        at: Any = self.args
        for step, following in pairwise(steps):
            at = _member(at, step, [] if isinstance(following, int) else {})
        begun = _member(at, steps[-1], value)
        if begun is not value and isinstance(begun, str) and isinstance(value, str):
            at[steps[-1]] = begun + value


def _member(at: Any, step: str | int, fresh: Any) -> Any:
    """Return what stands at a step; it is made where there is nothing yet."""
    if isinstance(at, list) and isinstance(step, int):
        if step > len(at):
            raise Unreadable("an argument whose list has a gap")
        if step == len(at):
            at.append(fresh)
        return at[step]
    if not isinstance(at, dict) or not isinstance(step, str):
        raise Unreadable("an argument whose path leads nowhere")
    return at.setdefault(step, fresh)


def _steps(path: str) -> list[str | int]:
    """Return a JSON path's steps: names of members, and places in lists.

    >>> _steps("$.stops[0]['the city']")
    ['stops', 0, 'the city']
    """
    steps: list[str | int] = []
    place = 1
    while found := STEP.match(path, place):
        name, index, *quoted = found.groups()
        steps.append(int(index) if index else name or next(each for each in quoted if each))
        place = found.end()
    if not steps or place != len(path):
        raise Unreadable("an argument's path that is none")
    return steps
