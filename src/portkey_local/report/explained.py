"""What a config would do with a request, for the command line: read both, ask nobody.

Ground rules: keys are not needed, because nothing is sent; a target's key may be missing here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from portkey_local.client.router import RouterView
from portkey_local.credentials import Vault
from portkey_local.engine import Engine, Options
from portkey_local.errors import ConfigError
from portkey_local.explain import Explanation
from portkey_local.providers.table import PROVIDERS

__all__ = ["explained"]


def explained(
    config: str, request: str, *, metadata: str, endpoint: str, checks: Sequence[str] = ()
) -> Explanation:
    """Return what a config does with a request's body; `request` is JSON text, or its file.

    Raises ConfigError, also for a request or metadata that is no JSON object.
    """
    body = _object(_text(request), "request")
    told = _object(metadata, "metadata")
    any_key = {name: "any" for row in PROVIDERS.values() for name in row.key_variables}
    engine = Engine(vault=Vault(environment=any_key), checks=dict.fromkeys(checks, bool))
    plan = engine.plan(Options(config=config, metadata=told))
    return RouterView(engine, plan).explain(body, endpoint=endpoint)


def _text(request: str) -> str:
    if request.lstrip().startswith("{"):
        return request
    try:
        return Path(request).read_text("utf-8-sig")
    except OSError as error:
        message = f"{request} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        message = f"{request} is not UTF-8 text"
    raise ConfigError("request", message)


def _object(text: str, name: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ConfigError(name, "must be a JSON object")
    return value
