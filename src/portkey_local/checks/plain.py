"""Checks that need nothing but what they look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portkey_local.effects import Route
from portkey_local.hooks import CheckContext, CheckResult

__all__ = ["Plain", "judged"]


@dataclass(frozen=True, slots=True)
class Plain:
    """A check that decides at once."""

    decide: Callable[[CheckContext], CheckResult]

    def run(self, context: CheckContext) -> Route[CheckResult]:
        """Return what it decides."""
        return self.decide(context)
        yield  # a route is a generator, also when it asks for nothing


def judged(holds: bool, negated: bool = False, **data: Any) -> CheckResult:  # noqa: FBT001, FBT002
    """Return a verdict, turned round where the check is negated by `not`."""
    return CheckResult(holds is not negated, data or None)
