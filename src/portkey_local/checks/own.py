"""A user's own check: a plain or asynchronous function of a context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from portkey_local.effects import Raised, Route, Run
from portkey_local.hooks import CheckContext, CheckResult

__all__ = ["Own"]


@dataclass(frozen=True, slots=True)
class Own:
    """Calls the function; it returns a bool, a CheckResult, or a mapping with a `verdict`."""

    name: str
    function: Callable[[CheckContext], Any]
    parameters: Mapping[str, Any] = field(repr=False)

    def run(self, context: CheckContext) -> Route[CheckResult]:
        """Return its verdict; raise what it raises, and TypeError for what is no verdict."""
        looked = replace(context, parameters=self.parameters)
        told = yield from Run(lambda: self.function(looked))
        match told:
            case Raised(error):
                raise error
            case CheckResult():
                return told
            case bool():
                return CheckResult(told)
            case {"verdict": bool() as verdict}:
                return CheckResult(verdict, told.get("data"), told.get("text"), told.get("body"))
        msg = f"the check {self.name!r} must return a bool, a CheckResult, or a dict with a verdict"
        raise TypeError(msg)
