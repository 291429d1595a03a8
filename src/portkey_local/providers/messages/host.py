"""What a target takes of a translated Messages request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from portkey_local.providers.completion import ANTHROPIC, BEDROCK

__all__ = ["Host"]

# OpenAI's models that reason: they take an effort, the newer limit of tokens, and neither sampling
# nor stops. What the others are asked of this they answer with a 400.
REASONERS: Final = re.compile(r"(?:^|[/.:])(?:o[1-9](?![0-9])|gpt-[5-9](?![0-9])(?!.*-chat))")
OPEN_REASONERS: Final = re.compile(r"gpt-oss")  # which take an effort, and all the rest
CLAUDE: Final = re.compile(r"claude|anthropic")
CLOSED: Final = frozenset({"mistral-ai"})  # it answers fields that are not its own with a 422
RICH_RESULTS: Final = frozenset({"bedrock"})  # whose results of tools hold more than text


@dataclass(frozen=True, slots=True)
class Host:
    """A target, as the translation wants to know it.

    `own` is OpenAI's own API, or Azure's. `vendor` is one whose words are translated once more:
    that translation reads more than OpenAI has words for, and names what it cannot say.
    """

    provider: str = ""
    model: str = ""
    own: bool = False
    vendor: bool = False

    @property
    def limit(self) -> str:
        """What the limit of an answer's tokens is called: many hosts know the older name only."""
        newer = self.own or self.refuses_sampling
        return "max_completion_tokens" if newer and not self.vendor else "max_tokens"

    @property
    def reasons(self) -> bool:
        """Whether an effort can be asked for."""
        return self.vendor or self.refuses_sampling or OPEN_REASONERS.search(self._name) is not None

    @property
    def refuses_sampling(self) -> bool:
        """Whether the model refuses a temperature, `top_p` and stop sequences."""
        return not self.vendor and REASONERS.search(self._name) is not None

    @property
    def _name(self) -> str:
        return self.model.lower()

    @property
    def claude(self) -> bool:
        """Whether the model is Anthropic's."""
        return CLAUDE.search(self._name) is not None

    @property
    def takes_thinking(self) -> bool:
        """Whether the vendor takes Anthropic's own words of how a model is to think."""
        return self.provider == "bedrock" and self.claude

    @property
    def thoughts(self) -> str | None:
        """The form in which Claude's own thoughts go back to it, where they can."""
        if not self.claude:
            return None
        if self.provider == "bedrock":
            return BEDROCK
        return ANTHROPIC if self.vendor or self.provider == "openrouter" else None

    @property
    def open(self) -> bool:
        """Whether OpenAI's less common fields are let pass."""
        return self.provider not in CLOSED

    @property
    def tells_failures(self) -> bool:
        """Whether a tool's result can be marked as a failure."""
        return self.provider in RICH_RESULTS

    @property
    def shows_results(self) -> bool:
        """Whether a tool's result may hold pictures and documents."""
        return self.provider in RICH_RESULTS
