"""How much a model is to think, in the words of its generation.

Ground rules: `thinking` of the request itself, Anthropic's own parameter, goes before everything.
Newer models are told an effort and think as they see fit; older ones get a budget of tokens, which
must be less than what the whole answer may have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portkey_local.providers.anthropic.models import Model

__all__ = ["Thought", "thought"]

EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
BUDGETS: Final = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 24_576,
}
LEAST_BUDGET: Final = 1024


@dataclass(slots=True)
class Thought:
    """What is said of thinking; `on` tells whether the model will think before it answers."""

    fields: dict[str, Any] = field(default_factory=dict)
    effort: str | None = None
    dropped: bool = False

    @property
    def kind(self) -> str | None:
        """The kind of thinking that is asked for."""
        told = self.fields.get("thinking")
        return told.get("type") if isinstance(told, Mapping) else None

    @property
    def on(self) -> bool:
        """Whether the model is asked to think."""
        return self.kind not in (None, "disabled")


def thought(body: Mapping[str, Any], model: Model, *, limit: int, budget_fits: bool) -> Thought:
    """Return what a request's `thinking` and `reasoning_effort` come to.

    `budget_fits` is false where a budget would be refused: a tool has to be called, or the
    conversation is within a run of tools that was not begun with thinking.
    """
    effort = body.get("reasoning_effort")
    if body.get("thinking") is not None:
        told = Thought({"thinking": body["thinking"]})
        told.effort = _effort(effort, model) if model.adaptive else None
        told.dropped = effort not in (None, "none") and told.effort is None
        return told
    if effort is None:
        return Thought()
    if effort == "none":
        return _no_thought(model)
    if model.adaptive:
        return _adaptive(effort, model)
    return _budget(effort, model, limit, fits=budget_fits)


def _adaptive(effort: Any, model: Model) -> Thought:
    level = _effort(effort, model)
    if level is None:
        return Thought(dropped=True)
    # The newer ones keep their thoughts to themselves unless they are asked for them.
    shown = {} if model.sampled else {"display": "summarized"}
    return Thought({"thinking": {"type": "adaptive", **shown}}, level)


def _budget(effort: Any, model: Model, limit: int, *, fits: bool) -> Thought:
    budget = BUDGETS.get(effort) if isinstance(effort, str) else None
    if budget is None or not model.thinks or not fits or limit <= LEAST_BUDGET:
        return Thought(dropped=True)
    fitting = min(budget, max(LEAST_BUDGET, limit // 2))
    return Thought({"thinking": {"type": "enabled", "budget_tokens": fitting}})


def _no_thought(model: Model) -> Thought:
    if model.always_thinks:
        return Thought(dropped=True)
    # From the fifth generation on a model may think unless it is told not to.
    return Thought({"thinking": {"type": "disabled"}} if model.version >= (5, 0) else {})


def _effort(effort: Any, model: Model) -> str | None:
    if effort in ("xhigh", "max"):
        return "max" if effort == "max" or model.sampled else "xhigh"
    return EFFORTS.get(effort) if isinstance(effort, str) else None
