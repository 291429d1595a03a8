"""From a leaf of a config, complete with what it inherits and its key, to a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portkey_local.config import Config
from portkey_local.errors import ConfigError
from portkey_local.model import Target
from portkey_local.providers.openai import OpenAICodec
from portkey_local.providers.table import PROVIDERS

CODEC: Final = OpenAICodec()
ORGANISATION_HEADERS: Final[Mapping[str, str]] = {
    "openai_organization": "openai-organization",
    "openai_project": "openai-project",
    "openai_beta": "openai-beta",
}
SECRET_LENGTH: Final = 8  # a shorter key ("none", "EMPTY") is no secret, and stands in many a text


def target_of(node: Config, path: str) -> Target:
    """Return the target of a leaf whose provider is known. Raises ConfigError."""
    provider = node.provider or ""
    row = PROVIDERS[provider]
    url = row.url(node.custom_host)
    if url is None:
        raise ConfigError(
            f"{path}.custom_host", f"{provider!r} has no host of its own; give its URL"
        )
    key = _checked_key(node.api_key, path)
    if "stream" in node.override_params:
        message = "whether an answer is streamed is the caller's choice; leave it out"
        raise ConfigError(f"{path}.override_params.stream", message)
    headers = {
        header: value
        for name, header in ORGANISATION_HEADERS.items()
        if (value := getattr(node, name))
    }
    if row.auth_header is not None and key:
        headers[row.auth_header] = row.auth_prefix + key
    return Target(
        path=path,
        provider=provider,
        url=url.rstrip("/"),
        codec=CODEC,
        headers=headers,
        secrets=(key,) if key and len(key) >= SECRET_LENGTH else (),
        override=node.override_params,
        idle_timeout=node.stream_idle_timeout / 1000 or float("inf"),
        forward=tuple(name.lower() for name in node.forward_headers or ()),
        strict=node.strict_open_ai_compliance,
    )


def _checked_key(key: str | None, path: str) -> str | None:
    """Return a key as it can stand in a header: read from a file, it may end in a line break."""
    key = key.strip() if key else None
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigError(f"{path}.api_key", "has characters that no HTTP header can hold")
    return key or None
