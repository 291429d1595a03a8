"""What single families of models on Bedrock can do; the API is one, its models are many.

Ground rules: a model is known by its id alone, in any of its forms: a plain id, an inference
profile (`us.…`, `global.…`), an ARN. An id that says nothing, such as that of an application
inference profile, is taken for a model that can do everything: Bedrock's own refusal is better
than a feature that is left out without need.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["Model", "model_of"]

# A part of an id -> the family, in this order.
FAMILIES: Final[Mapping[str, str]] = {
    "claude": "claude",
    "nova": "nova",
    "titan": "titan",
    "meta.": "llama",
    "mistral": "mistral",
    "gpt-oss": "gpt-oss",
    "qwen": "qwen",
    "deepseek": "deepseek",
    "cohere": "cohere",
    "ai21": "ai21",
    "writer": "writer",
}
CLAUDE: Final = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:-(\d{1,2}))?(?!\d)")
UNFORCED: Final = frozenset({"ai21", "cohere", "deepseek", "llama", "titan", "writer"})
STRUCTURED: Final = (  # beside Claude's, who have structured outputs
    "deepseek.v3",
    "gemma-3",
    "gpt-oss",
    "kimi-k2",
    "magistral",
    "minimax",
    "ministral",
    "mistral-large-3",
    "nemotron",
    "qwen3",
    "voxtral",
)


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its family ("" where its id does not say), and its version if it is a Claude."""

    id: str
    family: str
    version: tuple[int, int] = (0, 0)

    @property
    def structured(self) -> bool:
        """Whether it keeps its answers, and strict tools' arguments, to a schema."""
        if self.family == "claude":
            return self.version >= (4, 5)
        return any(part in self.id for part in STRUCTURED)

    @property
    def forced(self) -> bool:
        """Whether it can be made to call a tool."""
        return self.family not in UNFORCED

    @property
    def forced_by_name(self) -> bool:
        """Whether it can be made to call one tool of several."""
        return self.family in ("claude", "nova", "")

    @property
    def caches(self) -> bool:
        """Whether it takes cache points."""
        return self.family in ("claude", "nova", "")

    @property
    def hears(self) -> bool:
        """Whether it takes audio."""
        return self.family == "" or "voxtral" in self.id or "omni" in self.id or "sonic" in self.id

    @property
    def tells_failures(self) -> bool:
        """Whether it takes the status of a tool's result."""
        return self.family in ("claude", "nova", "")

    @property
    def adaptive(self) -> bool:
        """Whether it is a Claude that decides itself how much it thinks."""
        return self.version >= (4, 6)

    @property
    def takes_signed(self) -> bool:
        """Whether it wants its signed reasoning back."""
        return self.family in ("claude", "nova", "")

    @property
    def takes_unsigned(self) -> bool:
        """Whether reasoning that nobody signed may be sent back to it."""
        return self.family not in ("claude", "deepseek", "llama", "titan")


@lru_cache(maxsize=256)
def model_of(*names: str) -> Model:
    """Return the model that one of these names tells: an ARN may leave it to another.

    >>> model_of("us.anthropic.claude-sonnet-4-5-20250929-v1:0").version
    (4, 5)
    """
    text = " ".join(names).lower()
    family = next((family for part, family in FAMILIES.items() if part in text), "")
    version = (0, 0)
    if family == "claude" and (found := CLAUDE.search(text)):
        version = (int(found[1]), int(found[2] or 0))
    return Model(text, family, version)
