"""What a query looks at, and how a path finds it there.

Ground rules: a path is read once and becomes a closure, because it is followed on every call. It
goes down the data name by name (a number is an index of a list); where that finds nothing, what
remains of the path is tried as one name that holds dots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from portkey_local.errors import looks_secret
from portkey_local.model import EMPTY, Request
from portkey_local.query.spelling import nearest, one_slip

__all__ = [
    "GROUPS",
    "MISSING",
    "PATHNAME",
    "Facts",
    "Location",
    "Look",
    "WrongQuery",
    "facts_of",
    "look",
]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a query may look at; `pathname` is the gateway's, as in `/v1/chat/completions`."""

    metadata: Mapping[str, Any]
    params: Mapping[str, Any]
    pathname: str


def facts_of(metadata: Mapping[str, Any], request: Request) -> Facts:
    """Return what a query may look at of a call: its request is that of before any override."""
    return Facts(metadata, request.body or EMPTY, f"/v1{request.path}")


Location = tuple[str | int, ...]
Look = Callable[[Facts], Any]

MISSING: Final[Any] = object()
PATHNAME: Final = "url.pathname"
ROOTS: Final = ("metadata", "params")
GROUPS: Final = ("$and", "$or")
LONGEST_SHOWN: Final = 60


class WrongQuery(ValueError):
    """A query that cannot be used; `problems` holds every place in it with what is wrong there."""

    def __init__(self, problems: Iterable[tuple[Location, str]]) -> None:
        """Take every problem, each with its place below the query."""
        self.problems: tuple[tuple[Location, str], ...] = tuple(problems)
        super().__init__("; ".join(message for _, message in self.problems))


def look(path: str) -> Look:
    """Return what finds a path's value in the facts, or MISSING.

    >>> look("params.messages.0.role")(Facts({}, {"messages": [{"role": "user"}]}, ""))
    'user'
    """
    if path == PATHNAME:
        return attrgetter("pathname")
    root, *names = path.split(".")
    if root not in ROOTS or not all(names) or not names:
        raise WrongQuery([((), _no_path(path))])
    source, first = attrgetter(root), names[0]
    if len(names) == 1:
        return lambda facts: source(facts).get(first, MISSING)
    return lambda facts: _descend(source(facts), names)


def _descend(node: Any, names: list[str]) -> Any:
    if not names:
        return node
    first, *rest = names
    if isinstance(node, Mapping):
        found = _descend(node[first], rest) if first in node else MISSING
        return node.get(".".join(names), MISSING) if found is MISSING else found
    if isinstance(node, list | tuple) and first.isdecimal() and len(first) < 10:
        index = int(first)
        return _descend(node[index], rest) if index < len(node) else MISSING
    return MISSING


def _no_path(path: str) -> str:
    root, _, rest = path.partition(".")
    if root in ROOTS:
        return f"a path names what it looks at, as in '{root}.name'"
    valid = "a path begins with 'metadata.' or 'params.', or is 'url.pathname'"
    meant = "url" if one_slip(path, PATHNAME) else nearest(root, (*ROOTS, "url", *GROUPS))
    if meant is None:
        return valid
    below = "name" if not rest or looks_secret(rest) else rest[:LONGEST_SHOWN]
    full = {"url": PATHNAME}.get(meant, f"{meant}.{below}" if meant in ROOTS else meant)
    return f"{valid}; did you mean '{full}'?" if full != path else valid
