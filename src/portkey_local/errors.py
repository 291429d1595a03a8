"""What can go wrong, and whose fault it is.

    ConfigError(ValueError)             you: at construction only; carries the JSON path
    ConfigWarning(UserWarning)          you, perhaps: a config that is taken but looks odd
    Failure (a value)                   they, inside the kernel: a status or a kind; never raised
      raised at the client's door as the installed openai package's own class:
      APIStatusError and its children   a provider's answer; 400 when routing finds no target
      APITimeoutError                   our time limits (408 to on_status_codes)
      APIConnectionError                network (500 to on_status_codes)
      APIError                          an answer that is not what it must be
      StreamInterrupted(APIError)       they, after the commit point
    HostedOnlyError(OpenAIError)        you: a resource that only the hosted product has

Ground rules: this file imports next to nothing, because every floor imports it; the classes that
derive from openai's live with the clients and load with them. No message here or elsewhere ever
holds a key.
"""

from __future__ import annotations

import re

__all__ = ["ConfigError", "ConfigWarning", "looks_secret"]

# The known beginnings of vendors' keys, JSON web tokens, and any long run without spaces that has a
# digit. Hiding too much costs a little help; showing too much costs a key.
_SECRET = re.compile(
    r"(?<![A-Za-z])(?:[SsPpRr][Kk][-_]|gsk_|xai-|AIza|AKIA|gh[a-z]_|github_pat_|hf_|r8_|nvapi-|eyJ)"
    r"|\b(?i:bearer|basic)\s"
    r"|^(?=.*\d)[\w\-./+=:~]{28,}$"
)


def looks_secret(text: str) -> bool:
    """Say whether a text may be a key, so that a message had better not quote it."""
    return _SECRET.search(text) is not None


class ConfigError(ValueError):
    """A config that cannot be used as it is written; raised before any call is made.

    `path` names the first wrong place, as in `config.targets[0].retry.attempts`, and `problems`
    holds every (path, message) pair found. The text is one line for each.
    """

    def __init__(self, path: str, message: str, *others: tuple[str, str]) -> None:
        """Say what is wrong at `path`; `others` are further problems, each with its own path."""
        super().__init__(path, message, *others)
        self.path = path
        self.problems: tuple[tuple[str, str], ...] = ((path, message), *others)

    def __str__(self) -> str:
        """Give one line for each problem."""
        return "\n".join(f"{path}: {message}" for path, message in self.problems)


class ConfigWarning(UserWarning):
    """A config that is accepted, although part of it has no effect or is probably a slip."""
