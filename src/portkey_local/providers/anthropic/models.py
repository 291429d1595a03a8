"""What a model of Anthropic's takes: the API refuses what an older or a newer one would.

Ground rules: a model is known by the version in its name, wherever a cloud's own prefix or date
stands around it. A Claude without a version in its name is taken to be new. A name that is no
Claude's belongs to a host that only speaks the language, and gets what the language always had.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["Model", "model_of"]

# claude-3-5-sonnet-20241022, claude-sonnet-4-20250514, anthropic.claude-opus-4-1-20250805-v1:0
VERSION: Final = re.compile(r"claude-(?:[a-z]+-)*?(\d+)(?:[-.](\d{1,2}))?(?!\d)")
NEWEST: Final = (99, 0)
FOREIGN: Final = (4, 0)
# Up to which version -> how many tokens an answer may have where nobody says: all of these may.
LIMITS: Final = (((3, 4), 4096), ((3, 6), 8192), (NEWEST, 32_000))
FOREIGN_LIMIT: Final = 8192


@dataclass(frozen=True, slots=True)
class Model:
    """What one model takes."""

    version: tuple[int, int]
    limit: int  # the tokens of an answer where nobody says
    always_thinks: bool = False

    @property
    def structured(self) -> bool:
        """Whether answers and strict tools can be bound to a schema."""
        return self.version >= (4, 5)

    @property
    def adaptive(self) -> bool:
        """Whether thinking is steered by effort; by a budget of tokens otherwise."""
        return self.version >= (4, 6)

    @property
    def thinks(self) -> bool:
        """Whether it can think at all."""
        return self.version >= (3, 7)

    @property
    def sampled(self) -> bool:
        """Whether temperature, top_p and top_k can be set."""
        return self.version < (4, 7)

    @property
    def one_sampling(self) -> bool:
        """Whether temperature and top_p exclude each other."""
        return self.version >= (4, 1)


@lru_cache(maxsize=256)
def model_of(name: str) -> Model:
    """Return what a model takes, by its name.

    >>> model_of("claude-sonnet-4-20250514").version, model_of("claude-opus-4-8").adaptive
    ((4, 0), True)
    """
    lower = name.lower()
    if "claude" not in lower:
        return Model(FOREIGN, FOREIGN_LIMIT)
    found = VERSION.search(lower)
    version = (int(found[1]), int(found[2] or 0)) if found else NEWEST
    limit = next((limit for last, limit in LIMITS if version <= last), LIMITS[-1][1])
    return Model(version, limit, "fable" in lower or "mythos" in lower)
