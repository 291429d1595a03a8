"""What a query that has been read is made of, and how it explains itself.

Ground rules: an explanation repeats nothing that people say to a model, and no secret: of the
parameters only short values that are no text of the conversation, of the metadata only short ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from portkey_local.errors import looks_secret
from portkey_local.query.facts import MISSING, Facts, Look
from portkey_local.query.operators import Predicate, text_of

__all__ = ["Group", "Row", "Test", "all_of", "any_of", "asked"]

Test = Callable[[Facts], bool]

HIDDEN: Final = "(value hidden)"
LONGEST_SHOWN: Final = 40
_TEXTS = frozenset(
    {"messages", "prompt", "input", "instructions", "suffix", "prediction", "system"}
)
_SECRET_NAME = re.compile(r"key|token|secret|passw|credential|authorization", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One comparison."""

    path: str
    operator: str
    operand: Any
    find: Look
    test: Test

    def why(self, facts: Facts) -> str:
        """Say what decides for these facts."""
        verdict = "holds" if self.test(facts) else "does not hold"
        told = f"{self.path} {_told(self.path, self.find(facts))}"
        return f"{told}: {self.operator} {_shown(self.operand)} {verdict}"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Several rows or groups, of which all or any must hold."""

    parts: tuple[Row | Group, ...]
    test: Test
    every: bool

    def why(self, facts: Facts) -> str:
        """Say what decides for these facts."""
        if not self.parts:
            return "an empty query holds for every call"
        deciding = [part for part in self.parts if part.test(facts) is not self.every]
        if deciding:
            return deciding[0].why(facts)
        if self.every or len(self.parts) == 1:
            return ", and ".join(part.why(facts) for part in self.parts)
        return (
            f"none of {len(self.parts)} alternatives holds; the last: {self.parts[-1].why(facts)}"
        )


def _told(path: str, value: Any) -> str:
    if value is MISSING:
        return "is missing"
    root, *names = path.split(".")
    nested = root == "params" and len(names) > 1 and names[0] != "metadata"
    hidden = isinstance(value, str) and (nested or _SECRET_NAME.search(path) is not None)
    said = root == "params" and names[0] in _TEXTS
    return f"is {HIDDEN if hidden or said else _shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        return HIDDEN if len(value) > LONGEST_SHOWN or looks_secret(value) else repr(value)
    return text_of(value) or ("null" if value is None else HIDDEN)


def asked(find: Look, predicate: Predicate) -> Test:
    """Return the test that a found value passes a predicate."""
    return lambda facts: predicate(find(facts))


def all_of(tests: list[Test]) -> Test:
    """Return the test that all tests hold."""
    match tests:
        case []:
            return lambda _: True
        case [only]:
            return only
        case [one, other]:
            return lambda facts: one(facts) and other(facts)
    return lambda facts: all(test(facts) for test in tests)


def any_of(tests: list[Test]) -> Test:
    """Return the test that one of the tests holds."""
    return tests[0] if len(tests) == 1 else lambda facts: any(test(facts) for test in tests)
