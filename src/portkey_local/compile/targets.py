"""From a leaf of a config, complete with what it inherits and its key, to a target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from portkey_local.config import SECRET_FIELDS, VENDOR_FIELDS, Config
from portkey_local.errors import ConfigError
from portkey_local.model import EMPTY, Signer, Target
from portkey_local.providers.languages import Settings, Spoken, WrongSetting, speak
from portkey_local.providers.messages.front import MessagesDoor
from portkey_local.providers.openai import OpenAICodec
from portkey_local.providers.own import SELF, OwnCodec
from portkey_local.providers.table import PROVIDERS, Provider
from portkey_local.signing import NoCredentials, signer_of

CODEC: Final = MessagesDoor(OpenAICodec())
OPENAI_ITSELF: Final = MessagesDoor(OpenAICodec(own_fields=False))
OWN: Final = MessagesDoor(OwnCodec())
HEADER_FIELDS: Final[Mapping[str, str]] = {  # fields that go along as headers of these names
    "openai_organization": "openai-organization",
    "openai_project": "openai-project",
    "openai_beta": "openai-beta",
    "stability_client_id": "stability-client-id",
    "stability_client_user_id": "stability-client-user-id",
    "stability_client_version": "stability-client-version",
    "amzn_sagemaker_custom_attributes": "x-amzn-sagemaker-custom-attributes",
    "amzn_sagemaker_target_model": "x-amzn-sagemaker-target-model",
    "amzn_sagemaker_target_variant": "x-amzn-sagemaker-target-variant",
    "amzn_sagemaker_target_container_hostname": "x-amzn-sagemaker-target-container-hostname",
    "amzn_sagemaker_inference_id": "x-amzn-sagemaker-inference-id",
    "amzn_sagemaker_enable_explanations": "x-amzn-sagemaker-enable-explanations",
    "amzn_sagemaker_inference_component": "x-amzn-sagemaker-inference-component",
    "amzn_sagemaker_session_id": "x-amzn-sagemaker-session-id",
}
PLACE: Final = re.compile(r"[A-Za-z0-9._-]+")  # it becomes part of a host or a path
SECRET_LENGTH: Final = 8  # a shorter key ("none", "EMPTY") is no secret, and stands in many a text


def own_target(node: Config, path: str) -> Target:
    """Return the target that stands for the caller's own client. Raises ConfigError."""
    for name in sorted(node.model_fields_set & (VENDOR_FIELDS | {"api_key", "custom_host"})):
        message = "has no meaning for 'self', which is sent as the caller's own client sends it"
        raise ConfigError(f"{path}.{name}", message)
    return Target(
        path=path,
        provider=SELF,
        url="",  # each request says where it goes
        codec=OWN,
        override=_override(node, path),
        idle_timeout=node.stream_idle_timeout / 1000 or float("inf"),
        strict=node.strict_open_ai_compliance,
        strict_params=node.strict_params,
    )


def _override(node: Config, path: str) -> Mapping[str, Any]:
    if "stream" in node.override_params:
        message = "whether an answer is streamed is the caller's choice; leave it out"
        raise ConfigError(f"{path}.override_params.stream", message)
    return node.override_params


def target_of(node: Config, path: str, environment: Mapping[str, str] = EMPTY) -> Target:
    """Return the target of a leaf whose provider is known. Raises ConfigError."""
    provider = node.provider or ""
    row = PROVIDERS[provider]
    key = _checked_key(node.api_key, path)
    override = _override(node, path)
    settings = Settings(
        provider,
        row.url(node.custom_host),
        node.custom_host is not None,
        {name: value for name in VENDOR_FIELDS if (value := getattr(node, name))},
        environment,
    )
    try:
        spoken = _spoken(row, settings)
        signer = _signer(node, key, settings)
    except (WrongSetting, NoCredentials) as error:
        raise ConfigError(f"{path}.{error.field}", str(error)) from None
    headers = {
        header: value for name, header in HEADER_FIELDS.items() if (value := getattr(node, name))
    }
    headers |= spoken.headers
    if row.auth_header is not None and key:
        headers[row.auth_header] = row.auth_prefix + key
    return Target(
        path=path,
        provider=provider,
        url=spoken.url.rstrip("/"),
        codec=spoken.codec,
        headers=headers,
        secrets=_secrets(key, settings.fields, spoken.headers),
        override=override,
        idle_timeout=node.stream_idle_timeout / 1000 or float("inf"),
        forward=tuple(name.lower() for name in node.forward_headers or ()),
        strict=node.strict_open_ai_compliance,
        strict_params=node.strict_params,
        signer=signer,
    )


def _signer(node: Config, key: str | None, settings: Settings) -> Signer | None:
    """Return who signs in where a key does not: a way that the config names goes before a key."""
    if key and node.azure_auth_mode is None:
        return None
    around = {"custom_host": node.custom_host, "forward_headers": node.forward_headers}
    return signer_of(settings.provider, {**settings.fields, **around}, settings.environment)


def _spoken(row: Provider, settings: Settings) -> Spoken:
    if row.language is not None:
        spoken = speak(row.language, settings)
        return replace(spoken, codec=MessagesDoor(spoken.codec))
    url = settings.host()
    host = urlsplit(url).hostname or ""
    itself = host == "openai.com" or host.endswith(".openai.com")
    codec = OPENAI_ITSELF if itself else CODEC
    return Spoken(codec, url if settings.custom else _placed(row, settings))


def _placed(row: Provider, settings: Settings) -> str:
    """Return a row's URL with the target's own names in it. Raises WrongSetting."""
    named = {name: settings.need(name, *variables) for name, variables in row.places.items()}
    for name, value in named.items():
        if not PLACE.fullmatch(value):
            raise WrongSetting(name, "may hold letters, digits, '-', '_' and '.' only")
    return (row.base_url or "").format_map(named)


def _secrets(
    key: str | None, fields: Mapping[str, Any], headers: Mapping[str, str]
) -> tuple[str, ...]:
    """Return what must never be quoted from a provider's words."""
    token = headers.get("authorization", "").removeprefix("Bearer ")  # the environment's, maybe
    known = (key, *(fields.get(name) for name in SECRET_FIELDS), token)
    texts = (text for text in known if isinstance(text, str) and len(text) >= SECRET_LENGTH)
    return tuple(dict.fromkeys(texts))


def _checked_key(key: str | None, path: str) -> str | None:
    """Return a key as it can stand in a header: read from a file, it may end in a line break."""
    key = key.strip() if key else None
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigError(f"{path}.api_key", "has characters that no HTTP header can hold")
    return key or None
