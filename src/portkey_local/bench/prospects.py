"""What can come of a call at each step of its way: an answer, or which failures.

Ground rule: a doubt counts as a chance. What is said here to be impossible is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from portkey_local.compile import Compiled
from portkey_local.config import Config, hooks_of, leaves
from portkey_local.explain import Step

__all__ = ["Prospect", "always_failing", "never_asked", "prospect", "shut"]

ANSWERED: Final = frozenset({200, 246})
NOBODY: Final = frozenset({400})  # where no condition holds
LACKED: Final = {
    "default.webhook": "it asks a webhook, and a bench has no network",
    "default.jwt": "it asks for a token, and the calls of a bench bring none",
}


@dataclass(frozen=True, slots=True)
class Prospect:
    """Whether a step can answer, and the statuses that its outcomes can have."""

    answers: bool
    statuses: frozenset[int]


def always_failing(statuses: frozenset[int]) -> Prospect:
    """Return what is left to a target that never answers."""
    return Prospect(answers=False, statuses=statuses - ANSWERED)


def prospect(step: Step, at: Mapping[str, Prospect]) -> Prospect:
    """Return what can come of a step, by what can come of its targets."""
    if step.provider is not None:
        return at[step.path]
    if not step.below:
        return always_failing(NOBODY)
    asked = [prospect(below, at) for below in _asked(step, at)]
    statuses = frozenset[int]().union(*(each.statuses for each in asked))
    return Prospect(any(each.answers for each in asked), statuses)


def never_asked(step: Step, at: Mapping[str, Prospect]) -> Iterator[str]:
    """Say of each fallback which of its targets are not asked, whatever happens, and why."""
    asked = _asked(step, at)
    for below in asked:
        yield from never_asked(below, at)
    if len(asked) < len(step.below):
        last, left = asked[-1], step.below[len(asked)]
        codes = ", ".join(map(str, sorted(step.on_status_codes or ())))
        found = ", ".join(map(str, sorted(prospect(last, at).statuses - ANSWERED)))
        yield (
            f"{left.path} is never asked in this weather: {step.path}'s on_status_codes ({codes})"
            f" hold none of the statuses with which {last.path} can fail ({found})"
        )


def _asked(step: Step, at: Mapping[str, Prospect]) -> tuple[Step, ...]:
    """Return the steps below one that a call can come to."""
    codes = step.on_status_codes
    if codes is None:
        return step.below
    for index, below in enumerate(step.below):
        if not codes & prospect(below, at).statuses:
            return step.below[: index + 1]
    return step.below


def shut(compiled: Compiled, *, streamed: bool) -> dict[str, str]:
    """Return the targets whose guardrails deny every call in a bench, each with the reason."""
    if compiled.config is None:
        return {}
    reasons = {
        path: next(_lacks(path, leaf, streamed=streamed), None)
        for path, leaf in leaves(compiled.config)
    }
    return {path: reason for path, reason in reasons.items() if reason is not None}


def _lacks(path: str, leaf: Config, *, streamed: bool) -> Iterator[str]:
    hooks = hooks_of(leaf, path)
    held = [hook for hook in hooks.after if not streamed or hook.on_stream == "buffer"]
    for hook in (*hooks.before, *held):
        for check in hook.checks if hook.deny and not hook.beside else ():
            name = check.id if "." in check.id else f"default.{check.id}"
            if name in LACKED:
                yield f"{check.id} at {check.place} denies every call: {LACKED[name]}"
