"""The languages that providers speak, and what a target of each needs to be told.

Ground rules: a language is a module with one public function, `speak`, loaded when a config first
names a provider that speaks it, because most programs know two of them. Nothing here reads the
environment: it is handed in.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from portkey_local.model import Codec, empty

__all__ = ["LANGUAGES", "Settings", "Spoken", "WrongSetting", "speak"]

# Language -> the module that has its `speak`.
LANGUAGES: Final[Mapping[str, str]] = {
    "anthropic": "portkey_local.providers.anthropic",
    "azure": "portkey_local.providers.azure",
    "bedrock": "portkey_local.providers.bedrock",
    "cohere": "portkey_local.providers.cohere",
    "google": "portkey_local.providers.google",
    "huggingface": "portkey_local.providers.huggingface",
    "jina": "portkey_local.providers.jina",
    "ollama": "portkey_local.providers.ollama",
    "vertex": "portkey_local.providers.vertex",
    "voyage": "portkey_local.providers.voyage",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a target says about its provider.

    `fields` are its provider fields that are set (`vertex_region`, `aws_region`, ...); `url` is
    where the provider lives: the target's `custom_host`, or else the table's; None where neither
    knows. `custom` tells which.
    """

    provider: str
    url: str | None
    custom: bool = False
    fields: Mapping[str, Any] = field(default_factory=empty, repr=False)
    environment: Mapping[str, str] = field(default_factory=empty, repr=False)

    def get(self, name: str, *variables: str) -> str | None:
        """Return a field, or else the first of the environment variables that is set."""
        told = self.fields.get(name)
        if isinstance(told, str) and told:
            return told
        found = (self.environment.get(variable, "").strip() for variable in variables)
        return next((value for value in found if value), None)

    def need(self, name: str, *variables: str) -> str:
        """Return a field as `get` does; raise WrongSetting where it is nowhere."""
        told = self.get(name, *variables)
        if told is None:
            known = f", or set the environment variable {variables[0]}" if variables else ""
            raise WrongSetting(name, f"{self.provider!r} needs it{known}")
        return told

    def host(self) -> str:
        """Return where the provider lives; raise WrongSetting where nobody says it."""
        if self.url is None:
            message = f"{self.provider!r} has no host of its own; give its URL"
            raise WrongSetting("custom_host", message)
        return self.url


class WrongSetting(ValueError):
    """A provider field that is missing or wrong; `field` is its name in a config."""

    def __init__(self, field: str, message: str) -> None:
        """Say what is wrong with a field."""
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a target is spoken to: its codec, its address, and headers that never change."""

    codec: Codec
    url: str
    headers: Mapping[str, str] = field(default_factory=empty, repr=False)


def speak(language: str, settings: Settings) -> Spoken:
    """Return how a target of a language is spoken to. Raises WrongSetting."""
    module = importlib.import_module(LANGUAGES[language])
    return cast("Spoken", module.speak(settings))
