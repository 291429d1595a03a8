"""The parts of an explanation, and how they read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Explanation", "Order", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the config, as the call would meet it.

    `probability` is that of its being chosen by the node above it (of being asked at all, for the
    targets of a fallback, if those before it fail). `why` says what decides there, a sentence each.
    A target has `provider` and `model`; a group has `below`, in the order in which they would be
    asked. What the call cannot come to is left out. `on_status_codes` are those of a fallback.
    """

    path: str
    kind: str
    probability: float = 1.0
    why: tuple[str, ...] = ()
    provider: str | None = None
    model: str | None = None
    below: tuple[Step, ...] = ()
    on_status_codes: frozenset[int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the step as JSON."""
        facts: dict[str, Any] = {
            "path": self.path,
            "kind": self.kind,
            "probability": round(self.probability, 6),
            "why": list(self.why),
        }
        if self.provider is not None:
            return {**facts, "provider": self.provider, "model": self.model}
        return {**facts, "below": [step.to_dict() for step in self.below]}


@dataclass(frozen=True, slots=True)
class Order:
    """Targets in the order in which they would be asked until one answers, and how likely it is.

    Without targets it is the way of a call that comes to conditions of which none holds.
    """

    probability: float
    targets: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the order as JSON."""
        return {"probability": round(self.probability, 6), "targets": list(self.targets)}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of a call. `print` it, or take it as JSON by `to_dict`.

    `orders` are the ways a call may go, the likeliest first; `refused` says why none exists. Where
    there are very many, the unlikely ones are left out and their probabilities add up to less
    than 1.
    """

    endpoint: str
    root: Step | None
    orders: tuple[Order, ...] = ()
    refused: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON."""
        return {
            "endpoint": self.endpoint,
            "refused": self.refused,
            "orders": [order.to_dict() for order in self.orders],
            "route": None if self.root is None else self.root.to_dict(),
        }

    def __str__(self) -> str:
        """Return the explanation as an indented text."""
        lines = [f"{self.endpoint}"]
        if self.root is not None:
            lines += _lines(self.root, 0)
        if self.refused is not None:
            lines.append(f"No target would be asked: {self.refused}")
        for order in self.orders:
            asked = ", then ".join(order.targets) or "nobody: no condition holds"
            lines.append(f"{order.probability:7.2%}  {asked}")
        return "\n".join(lines)


def _lines(step: Step, depth: int) -> Iterator[str]:
    indent = "  " * depth
    chance = "" if step.probability == 1 else f" {step.probability:.2%}"
    what = step.kind if step.provider is None else f"{step.provider} {step.model or 'any model'}"
    yield f"{indent}{step.path}{chance}: {what}"
    for reason in step.why:
        yield f"{indent}  - {reason}"
    for below in step.below:
        yield from _lines(below, depth + 1)
