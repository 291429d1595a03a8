"""Keys that nobody needs: a bench sends nothing, so any key will do, and any virtual key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from portkey_local.config import Config
from portkey_local.credentials import Vault
from portkey_local.errors import ConfigError
from portkey_local.providers.table import PROVIDERS

__all__ = ["StandIns", "provider_in"]

PLACEHOLDER: Final = "stand-in"
FALLBACK_PROVIDER: Final = "openai"
AZURE: Final = ("azure-openai", "azure-ai")  # where a key may be missing, but not without more
AZURE_URL: Final = "https://stand-in.services.ai.azure.com"
SETTINGS: Final[Mapping[str, str]] = {  # what some providers want to know besides a key
    "AWS_ACCESS_KEY_ID": PLACEHOLDER,
    "AWS_SECRET_ACCESS_KEY": PLACEHOLDER,
    "AWS_REGION": "us-east-1",
    "AZURE_OPENAI_ENDPOINT": "https://stand-in.openai.azure.com",
    "CLOUDFLARE_ACCOUNT_ID": PLACEHOLDER,
    "GOOGLE_CLOUD_PROJECT": PLACEHOLDER,
}


@dataclass(frozen=True, slots=True)
class StandIns(Vault):
    """A vault that has a stand-in wherever a key is missing, and that no environment changes.

    A virtual key that is known keeps its provider and its parameters. One that is not is taken for
    the provider that its name begins with (`openai-prod`), else for OpenAI; `guessed` then holds
    its name, by the target's place.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: SETTINGS, repr=False)
    guessed: dict[str, str] = field(default_factory=dict)

    def described(self, leaf: Config, where: str) -> Config:
        """Return a leaf with the fields of its virtual key, which need not be known."""
        try:
            return Vault.described(self, leaf, where)
        except ConfigError:
            name = leaf.virtual_key or (leaf.provider or "").removeprefix("@")
        provider = provider_in(name)
        if provider is None:
            provider = FALLBACK_PROVIDER
            self.guessed[where] = name
        key = f"{PLACEHOLDER}-{name}"
        return leaf.model_copy(update={"provider": provider, "api_key": key})

    def signed(self, leaf: Config, where: str) -> Config:
        """Return a leaf with its provider's key, or a stand-in."""
        if leaf.provider in AZURE and leaf.api_key is None:
            hosted = leaf.azure_foundry_url or leaf.custom_host or AZURE_URL
            return leaf.model_copy(update={"api_key": PLACEHOLDER, "azure_foundry_url": hosted})
        try:
            return Vault.signed(self, leaf, where)
        except ConfigError:
            return leaf.model_copy(update={"api_key": PLACEHOLDER})

    def warnings(self) -> Iterator[str]:
        """Say which virtual keys were taken for a provider that nobody named."""
        for place, name in self.guessed.items():
            yield (
                f"{place}: virtual key {name!r} is unknown, and taken for a provider of its own "
                f"that is like {FALLBACK_PROVIDER}; add it to keys.toml, or begin its name with a "
                f"provider's id ({FALLBACK_PROVIDER}-prod)"
            )


def provider_in(name: str) -> str | None:
    """Return the provider that a virtual key's name begins with, or None.

    >>> provider_in("openai-prod"), provider_in("azure-openai-eu"), provider_in("my-key")
    ('openai', 'azure-openai', None)
    """
    found = [
        each for each in PROVIDERS if name == each or name.startswith((f"{each}-", f"{each}_"))
    ]
    return max(found, key=len, default=None)
