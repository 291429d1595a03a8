"""What guardrails are made of: a context, a result, a check, and the hook that holds checks.

Ground rules: everything here is a value or a protocol. A check is a route: it decides by itself, or
asks its driver to call a user's function (`Run`) or a web address (`Fetch`). A check that cannot
decide raises; whether that denies the call is the hook's business. For want of a text it never
does: an answer of tool calls alone breaks no rule about its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from portkey_local.effects import Route
from portkey_local.model import empty

__all__ = [
    "Check",
    "CheckContext",
    "CheckResult",
    "Feedback",
    "Hook",
    "Moment",
    "NamedCheck",
    "NoText",
]

Moment = Literal["input", "output"]


class NoText(Exception):
    """There is no text to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What a check looks at.

    `moment` says which text `text` is: "input", the request's last message (or prompt, or input),
    or "output", the answer's first choice. `request` is the body as it goes to the provider,
    `response` the decoded answer (None for input checks), `endpoint` the request's path
    (`/chat/completions`), `headers` the caller's own, in lower case. `parameters` are the check's
    own, from the config; `now` is the call's clock, in seconds.
    """

    moment: Moment
    text: str = field(repr=False)
    request: Mapping[str, Any] = field(repr=False)
    response: Mapping[str, Any] | None = field(default=None, repr=False)
    endpoint: str = ""
    provider: str = ""
    metadata: Mapping[str, Any] = field(default_factory=empty)
    headers: Mapping[str, str] = field(default_factory=empty, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=empty, repr=False)
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found. `data` goes into `hook_results` as it is, so it holds no text of the
    call. A check that changes what it looks at gives the changed `text`, or the whole changed
    `body` (of the request, or of the answer); None where nothing is changed.
    """

    verdict: bool
    data: Any = None
    text: str | None = field(default=None, repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)


class Check(Protocol):
    """One check, ready to run: its parameters have been looked at."""

    def run(self, context: CheckContext, /) -> Route[CheckResult]:
        """Look at the context; raise where no verdict can be reached."""


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """A check and the id it is written by, as in `default.contains`.

    Where it `fails_on_error`, its hook fails when it raises, also without `deny`.
    """

    id: str
    check: Check
    fails_on_error: bool = False


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a hook says of a call that passed or failed it; it goes into `hook_results`."""

    value: float | None = None
    weight: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=empty)

    def to_dict(self) -> dict[str, Any]:
        """Return the feedback as JSON."""
        return {"value": self.value, "weight": self.weight, "metadata": dict(self.metadata)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A guardrail (which judges) or a mutator (which changes), before or after a call.

    A check of either may change the text. The checks of a `sequential` guardrail, and those of
    mutators, see what the one before them left; otherwise each judges what was given. A failed
    guardrail denies the call with 446 where `deny` is set, else its answer's status becomes 246.
    `beside` hooks run beside the call and change nothing. `buffered` output hooks hold a stream
    back until it is complete and checked; the others let streams pass unchecked.
    """

    id: str
    checks: tuple[NamedCheck, ...]
    mutator: bool = False
    deny: bool = False
    beside: bool = False
    sequential: bool = False
    buffered: bool = False
    on_success: Feedback | None = None
    on_fail: Feedback | None = None
