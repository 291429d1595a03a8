"""A config or a table as it may be shown: everything that may be a key is hidden."""

from __future__ import annotations

import re
from typing import Any, Final

from portkey_local.errors import looks_secret

__all__ = ["hidden"]

HIDDEN: Final = "(hidden)"
SECRET_NAME: Final = re.compile(
    r"key|token|secret|passw|credential|authorization|headers", re.IGNORECASE
)
HARMLESS: Final = frozenset({"virtual_key", "keys", "max_tokens", "metadataKeys", "headerKey"})


def hidden(value: Any, name: str = "") -> Any:
    """Return a copy in which no value stands that its name, or its looks, makes a secret.

    >>> hidden({"provider": "openai", "api_key": "sk-1", "virtual_key": "prod"})
    {'provider': 'openai', 'api_key': '(hidden)', 'virtual_key': 'prod'}
    """
    secret = name not in HARMLESS and SECRET_NAME.search(name) is not None
    if isinstance(value, dict):
        return {key: hidden(each, name if secret else str(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [hidden(each, name) for each in value]
    if isinstance(value, str) and (secret or looks_secret(value)):
        return HIDDEN
    return value
