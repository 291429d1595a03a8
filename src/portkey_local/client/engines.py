"""From what a client is told to the engine that all its copies share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portkey_local.client import arguments
from portkey_local.engine import Engine

__all__ = ["engine_of"]


def engine_of(given: Mapping[str, Any], *, own: bool = False) -> Engine:
    """Return the engine for a client's checked arguments.

    `own`: the caller's own client makes the requests, so a target may be "self".
    """
    from portkey_local.credentials import Vault  # and with it pydantic's models: slow to make

    told = {
        name: given[name]
        for name in ("on_event", "event_log", "rng", "checks")
        if given.get(name) is not None
    }
    return Engine(
        vault=Vault(virtual_keys=given.get("virtual_keys") or {}),
        bodies=given.get("debug") is True,
        cache=arguments.cache(given),
        cache_owned=given.get("cache") is None,
        embedder=given.get("cache_embedder"),
        judges=arguments.judges(given),
        own=own,
        **told,
    )
