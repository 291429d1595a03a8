"""The tree as lints see it: every node with its place, its surroundings and what it inherits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from portkey_local.config.models import Config
from portkey_local.config.tree import inherit

__all__ = ["Advice", "Spot", "leaf_spots", "spelt", "spots"]

Advice = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """One node: as it was `written`, and as a `node` with what it inherits."""

    path: str
    written: Config
    node: Config
    above: Spot | None = None

    @property
    def mode(self) -> str | None:
        """The mode of a group."""
        return self.node.strategy.mode if self.node.strategy is not None else None

    @property
    def codes(self) -> tuple[int, ...] | None:
        """The status codes that move a fallback on."""
        return self.node.strategy.on_status_codes if self.node.strategy is not None else None

    @property
    def ancestors(self) -> tuple[Spot, ...]:
        """The groups around this node, the nearest first."""
        return () if self.above is None else (self.above, *self.above.ancestors)

    @property
    def children(self) -> tuple[Spot, ...]:
        """The targets of a group."""
        pairs = zip(self.written.targets or (), self.node.targets or (), strict=True)
        return tuple(
            Spot(f"{self.path}.targets[{index}]", written, node, self)
            for index, (written, node) in enumerate(pairs)
        )


def spots(config: Config) -> Iterator[Spot]:
    """Walk the root and all targets, parents first."""
    return _below(Spot("config", config, inherit(config)))


def _below(spot: Spot) -> Iterator[Spot]:
    yield spot
    for child in spot.children:
        yield from _below(child)


def leaf_spots(spot: Spot) -> Iterator[Spot]:
    """Walk the leaves of a node, which may be one itself."""
    return (each for each in _below(spot) if not each.children)


def spelt(number: float) -> str:
    """Spell a number with all its digits, as in 3600000."""
    return f"{number:.15g}"
