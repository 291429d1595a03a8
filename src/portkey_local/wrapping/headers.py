"""Portkey's headers: made from options, as `portkey_ai` makes them, and read back.

Ground rules: the reference's names and units, so `request_timeout` is in milliseconds here. Values
that are empty are left out, `False` and `{}` are not. A list is written as JSON, where the
reference writes it in Python's way, which no router reads. Headers that mean nothing to a router in
this process (the Portkey key, the SDK's version) are read over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from portkey_local.client.arguments import names_targets
from portkey_local.client.vendors import FIELDS
from portkey_local.config import VENDOR_FIELDS
from portkey_local.engine import Options
from portkey_local.errors import ConfigError
from portkey_local.transports import ROOT

__all__ = ["PORTKEY_GATEWAY_URL", "createHeaders", "options_of", "routing_headers"]

PORTKEY_GATEWAY_URL: Final = ROOT  # resolves nowhere: without our HTTP client, nothing leaves
PREFIX: Final = "x-portkey-"
BEARER: Final = "Bearer "
TARGETS: Final = ("provider", "virtual_key", "openai_organization", "openai_project")
JSON_FIELDS: Final = ("vertex_service_account_json",)
GUARDRAILS: Final = ("default_input_guardrails", "default_output_guardrails")
SWITCHES: Final = ("strict_open_ai_compliance", "strict_params")
MILLISECONDS: Final = ("request_timeout", "stream_idle_timeout")
ROUTING: Final = frozenset(
    {"config", "custom_host", "forward_headers", *TARGETS, *GUARDRAILS, *SWITCHES, *MILLISECONDS}
    | FIELDS.keys()
    | VENDOR_FIELDS
)
PER_CALL: Final = ("config", "custom-host", "provider", "virtual-key")  # who is asked


def createHeaders(**options: Any) -> dict[str, str]:  # noqa: N802 - the reference's name
    """Return the headers that say what `portkey_ai.createHeaders` says.

    Takes the options of a Portkey client: `config` (a dict, or an id), `provider`, `virtual_key`,
    `metadata`, `trace_id`, `request_timeout` in milliseconds, and so on. `Authorization` is a
    provider's own key.

    >>> createHeaders(provider="openai", trace_id="t-1", Authorization="sk-...")
    {'x-portkey-provider': 'openai', 'x-portkey-trace-id': 't-1', 'Authorization': 'Bearer sk-...'}
    """
    forwarded = [name.replace("_", "-") for name in options.get("forward_headers") or ()]
    headers: dict[str, str] = {}
    for option, value in options.items():
        text = _text(option, value)
        if not text:
            continue
        name = option.replace("_", "-")
        if name.lower() == "authorization":
            headers[name] = BEARER + text.removeprefix(BEARER)
        else:
            headers[name if name in forwarded else PREFIX + name] = text
    return headers


def _text(option: str, value: Any) -> str:
    """Return an option as the value of a header; nothing for one that is left out."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return json.dumps(value)
    if not value:
        return ""
    if option == "forward_headers" and not isinstance(value, str):
        return ",".join(value)
    if option == "mode" and "proxy" not in value:
        return f"proxy {value}"
    return json.dumps(value) if isinstance(value, (list, tuple)) else str(value)


def routing_headers(headers: Mapping[str, str]) -> bool:
    """Whether headers, their names in lower case, say who is to be asked."""
    return any(PREFIX + name in headers for name in PER_CALL)


def told_by(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what headers tell of the route, by the names of options, and the caller's key."""
    told = {}
    for name, value in headers.items():
        option = name.removeprefix(PREFIX).replace("-", "_")
        if name.startswith(PREFIX) and option in ROUTING:
            told[option] = value
    key = _bearer(headers.get("authorization", "")) or headers.get("x-api-key", "")
    return {**told, "api_key": key} if key else told


def _bearer(text: str) -> str:
    """Return the key of an Authorization header; HTTP's schemes may be written in any case."""
    named = text[: len(BEARER)].lower() == BEARER.lower()
    return text[len(BEARER) :].strip() if named else text


def options_of(told: Mapping[str, str]) -> Options:
    """Return the engine's options for what headers tell. Raises ConfigError."""
    config = told.get("config")
    defaults: dict[str, Any] = {}
    if config is None or not names_targets(config):  # else these have no say
        defaults = _defaults(told)
    overrides: dict[str, Any] = {name: _json(told, name) for name in GUARDRAILS if name in told}
    overrides |= {name: told[name].lower() == "true" for name in SWITCHES if name in told}
    overrides |= {name: _milliseconds(told, name) for name in MILLISECONDS if name in told}
    if "custom_host" in told:
        overrides["custom_host"] = told["custom_host"]
    if "forward_headers" in told:
        overrides["forward_headers"] = _names(told["forward_headers"])
    return Options(config=config, defaults=defaults, overrides=overrides)


def _defaults(told: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of the one target that is told by headers, with the caller's key."""
    fields: dict[str, Any] = {name: told[name] for name in TARGETS if name in told}
    for option in told.keys() & (FIELDS.keys() | VENDOR_FIELDS):
        known = _json(told, option) if option in JSON_FIELDS else told[option]
        fields[FIELDS.get(option, option)] = known
    named = told.get("provider", "@")
    if "api_key" in told and "virtual_key" not in told and not named.startswith("@"):
        fields["api_key"] = told["api_key"]
    return fields


def _json(told: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(told[name])
    except (RecursionError, ValueError):
        raise ConfigError(f"{PREFIX}{name.replace('_', '-')}", "is not JSON") from None


def _milliseconds(told: Mapping[str, str], name: str) -> float:
    try:
        number = float(told[name])
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        place = f"{PREFIX}{name.replace('_', '-')}"
        raise ConfigError(place, "is not a number of milliseconds")
    return number


def _names(text: str) -> Sequence[str]:
    return [name.strip().replace("_", "-") for name in text.split(",") if name.strip()]
