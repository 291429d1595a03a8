"""Portkey's routing engine in your own process: fallback, load balancing, retries and timeouts.

Importing this package is cheap: each name is loaded when it is first touched.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portkey_local.caches.disk import DiskCache
    from portkey_local.caches.memory import MemoryCache
    from portkey_local.client import (
        AsyncPortkey,
        GuardrailDenied,
        HostedOnlyError,
        Portkey,
        StreamInterrupted,
    )
    from portkey_local.errors import ConfigError, ConfigWarning
    from portkey_local.hooks import CheckContext, CheckResult
    from portkey_local.model import Event
    from portkey_local.semantic.explained import CacheDecision
    from portkey_local.wire.settings import Connections
    from portkey_local.wrapping import (
        PORTKEY_GATEWAY_URL,
        async_http_client,
        async_transport,
        createHeaders,
        http_client,
        transport,
        wrap,
    )

__all__ = [
    "PORTKEY_GATEWAY_URL",
    "AsyncPortkey",
    "CacheDecision",
    "CheckContext",
    "CheckResult",
    "ConfigError",
    "ConfigWarning",
    "Connections",
    "DiskCache",
    "Event",
    "GuardrailDenied",
    "HostedOnlyError",
    "MemoryCache",
    "Portkey",
    "StreamInterrupted",
    "async_http_client",
    "async_transport",
    "createHeaders",
    "http_client",
    "transport",
    "wrap",
]

_HOMES = {
    "AsyncPortkey": "portkey_local.client",
    "CacheDecision": "portkey_local.semantic.explained",
    "CheckContext": "portkey_local.hooks",
    "CheckResult": "portkey_local.hooks",
    "ConfigError": "portkey_local.errors",
    "ConfigWarning": "portkey_local.errors",
    "Connections": "portkey_local.wire.settings",
    "DiskCache": "portkey_local.caches.disk",
    "Event": "portkey_local.model",
    "GuardrailDenied": "portkey_local.client",
    "HostedOnlyError": "portkey_local.client",
    "MemoryCache": "portkey_local.caches.memory",
    "PORTKEY_GATEWAY_URL": "portkey_local.wrapping",
    "Portkey": "portkey_local.client",
    "StreamInterrupted": "portkey_local.client",
    "async_http_client": "portkey_local.wrapping",
    "async_transport": "portkey_local.wrapping",
    "createHeaders": "portkey_local.wrapping",
    "http_client": "portkey_local.wrapping",
    "transport": "portkey_local.wrapping",
    "wrap": "portkey_local.wrapping",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("portkey-local")
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
