"""What a cache decided about a call, for whoever wants to know why."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import Any, Literal

__all__ = ["CacheDecision", "Passed", "question_hash"]


def question_hash(text: str) -> str:
    """Return what tells a question from others without its words.

    >>> question_hash("What is the capital of France?")
    '115049a298532be2'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Passed:
    """A question that was near and did not serve, and the veto that stopped it, in a word."""

    question: str
    similarity: float
    veto: str
    text: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheDecision:
    """Why a call was answered from a cache, or was not.

    `tier` is who answered ("exact", "semantic", or None for nobody), `reason` why the semantic tier
    did not. Of the question whose answer served, or would have, `question` is a hash, `similarity`
    the cosine to the one that was asked, and `age` that of the answer in seconds; `threshold` is
    the similarity that `profile` asks of the model. `passed` are the nearer ones that a veto
    stopped, the nearest first. Texts are told with `debug=True` alone.
    """

    status: str
    tier: Literal["exact", "semantic"] | None = None
    reason: str | None = None
    profile: str | None = None
    threshold: float | None = None
    similarity: float | None = None
    age: float | None = None
    question: str | None = None
    text: str | None = field(default=None, repr=False)
    scope: str | None = None
    passed: tuple[Passed, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the decision as JSON, without what is unset."""
        told = {**_set(self), "passed": [_set(each) for each in self.passed]}
        return {name: value for name, value in told.items() if value != []}


def _set(facts: CacheDecision | Passed) -> dict[str, Any]:
    values = ((each.name, getattr(facts, each.name)) for each in fields(facts))
    return {name: value for name, value in values if value is not None}
