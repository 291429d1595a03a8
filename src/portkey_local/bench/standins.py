"""Keys that nobody needs: a bench sends nothing, so any key will do, and any virtual key."""

from __future__ import annotations

from portkey_local.config import Config
from portkey_local.credentials import Vault
from portkey_local.errors import ConfigError
from portkey_local.providers.table import PROVIDERS

__all__ = ["StandIns"]

PLACEHOLDER = "stand-in"


class StandIns(Vault):
    """A vault that has a stand-in wherever a key is missing.

    A virtual key that is known keeps its provider and its parameters. One that is not is taken for
    the provider that its name begins with (`openai-prod`).
    """

    def described(self, leaf: Config, where: str) -> Config:
        """Return a leaf with the fields of its virtual key, which need not be known.

        Raises ConfigError for a name that tells no provider.
        """
        try:
            return super().described(leaf, where)
        except ConfigError:
            name = leaf.virtual_key or (leaf.provider or "").removeprefix("@")
            provider = provider_in(name)
            if provider is None:
                raise
        return leaf.model_copy(
            update={"provider": provider, "api_key": f"{PLACEHOLDER}-{name}", "virtual_key": name}
        )

    def signed(self, leaf: Config, where: str) -> Config:
        """Return a leaf with its provider's key, or a stand-in."""
        try:
            return super().signed(leaf, where)
        except ConfigError:
            return leaf.model_copy(update={"api_key": PLACEHOLDER})


def provider_in(name: str) -> str | None:
    """Return the provider that a virtual key's name begins with, or None.

    >>> provider_in("openai-prod"), provider_in("azure-openai-eu"), provider_in("my-key")
    ('openai', 'azure-openai', None)
    """
    found = [
        each for each in PROVIDERS if name == each or name.startswith((f"{each}-", f"{each}_"))
    ]
    return max(found, key=len, default=None)
