"""What a wrapped client or a transport may be told: a client's routing arguments, and no others."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from portkey_local.client import arguments
from portkey_local.client.vendors import VendorArguments
from portkey_local.effects import Cache
from portkey_local.errors import ConfigError
from portkey_local.hooks import CheckContext
from portkey_local.model import Event, Rng
from portkey_local.wire.chosen import Kind
from portkey_local.wire.settings import Connections

__all__ = ["Shared", "Told", "checked", "refuse"]


class Shared(VendorArguments, total=False):
    """What belongs to a router, whatever it routes."""

    cache: Cache
    cache_dir: str | os.PathLike[str]
    checks: Mapping[str, Callable[[CheckContext], Any]]
    connections: Connections
    debug: bool
    event_log: str | os.PathLike[str]
    on_event: Callable[[Event], object]
    rng: Rng
    virtual_keys: Mapping[str, str | Mapping[str, Any]]
    wire: Kind


class Told(Shared, total=False):
    """What a wrapped client can be told beside its config, as `Portkey` is."""

    Authorization: str
    cache_force_refresh: bool
    cache_namespace: str | None
    custom_host: str
    default_input_guardrails: Sequence[Mapping[str, Any]]
    default_output_guardrails: Sequence[Mapping[str, Any]]
    forward_headers: Sequence[str]
    metadata: Mapping[str, Any] | str | None
    openai_organization: str
    openai_project: str
    provider: str
    request_timeout: float | None
    stream_idle_timeout: float
    strict_open_ai_compliance: bool
    strict_params: bool
    trace_id: str | None
    virtual_key: str


THE_CLIENTS: Final = arguments.FROM_OPENAI | {"base_url", "http_client"}


def checked(given: Mapping[str, Any], known: type = Told) -> dict[str, Any]:
    """Return the arguments that are set; raise TypeError or ConfigError for one that cannot be."""
    names = known.__annotations__.keys() | {"config"}
    for name in given:
        if name in THE_CLIENTS:
            raise TypeError(f"{name!r} is the client's own: set it there, or by its with_options")
        if name not in names:
            near = difflib.get_close_matches(name, sorted(names), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"there is no argument {name!r}{hint}")
    return arguments.checked(given)


def refuse(given: Mapping[str, Any], names: Sequence[str], why: str) -> None:
    """Raise ConfigError for arguments that would have no effect."""
    for name in names:
        if given.get(name) is not None:
            raise ConfigError(name, f"has no effect here: {why}")
