"""Signing in with credentials that change: cloud vendors' own libraries, behind one protocol.

Ground rules: a vendor's library does the work, and is an extra; it is loaded when a target needs
it, and a missing one is named with the command that installs it. A signer keeps what it has
fetched until it is about to expire, is shared by threads, and answers with a failure (401), never
an exception. No secret is in a message.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from portkey_local.model import Signer

__all__ = ["SIGNERS", "NoCredentials", "signer_of"]

# Provider -> the module that has its `signer`. It gets the target's provider fields and the
# environment, and returns None where a call is right without a sign-in.
SIGNERS: Final[Mapping[str, str]] = {
    "azure-ai": "portkey_local.signing.azure",
    "azure-openai": "portkey_local.signing.azure",
    "bedrock": "portkey_local.signing.aws",
    "sagemaker": "portkey_local.signing.aws",
    "vertex-ai": "portkey_local.signing.google",
}


class NoCredentials(ValueError):
    """A target for which no way to sign in is set; `field` is where to set it in a config."""

    def __init__(self, field: str, message: str) -> None:
        """Say what is missing, and what to do."""
        super().__init__(message)
        self.field = field


def signer_of(
    provider: str, fields: Mapping[str, Any], environment: Mapping[str, str]
) -> Signer | None:
    """Return who signs in a provider's messages where no key does. Raises NoCredentials."""
    if provider not in SIGNERS:
        return None
    module = importlib.import_module(SIGNERS[provider])
    make = cast(
        "Callable[[str, Mapping[str, Any], Mapping[str, str]], Signer | None]", module.signer
    )
    return make(provider, fields, environment)
