"""Checks that need nothing but what they look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portkey_local.effects import Route
from portkey_local.hooks import CheckContext, CheckResult, NoText

__all__ = ["OfText", "Plain", "judged"]


@dataclass(frozen=True, slots=True)
class Plain:
    """A check that decides at once."""

    decide: Callable[[CheckContext], CheckResult]

    def run(self, context: CheckContext) -> Route[CheckResult]:
        """Return what it decides."""
        return self.decide(context)
        yield  # a route is a generator, also when it asks for nothing


@dataclass(frozen=True, slots=True)
class OfText:
    """A check that decides at once, of a text that must be there to fail.

    An answer of tool calls alone has no text, and no text breaks no rule that forbids something.
    For one that demands something it cannot be judged, and passes, as in the reference.
    Where `blank`, white space alone is no text either.
    """

    decide: Callable[[CheckContext], CheckResult]
    blank: bool = False

    def run(self, context: CheckContext) -> Route[CheckResult]:
        """Return what it decides; raise NoText where it fails for want of a text."""
        result = self.decide(context)
        text = context.text.strip() if self.blank else context.text
        if not result.verdict and not text:
            raise NoText
        return result
        yield  # a route is a generator, also when it asks for nothing


def judged(holds: bool, negated: bool = False, **data: Any) -> CheckResult:  # noqa: FBT001, FBT002
    """Return a verdict, turned round where the check is negated by `not`."""
    return CheckResult(holds is not negated, data or None)
