"""The config floor: Portkey's config JSON read, checked and made immutable.

Ground rules: configs are data. Nothing here calls a provider or knows one by name, and everything
that can be wrong with a config is said here, before the first call, with the JSON path and never
with a key.
"""

from portkey_local.config.hooks import CheckSpec, HookKind, Hooks, HookSpec, OnStream, hooks_of
from portkey_local.config.load import Examined, Source, examine, load, warn
from portkey_local.config.models import (
    DEFAULT_STREAM_IDLE_TIMEOUT,
    Cache,
    CacheMode,
    CircuitBreaker,
    Condition,
    Config,
    Mode,
    Retry,
    StickySession,
    Strategy,
)
from portkey_local.config.tree import breaker_of, check, inherit, leaves, provider_problems
from portkey_local.config.unbuilt import NOT_BUILT
from portkey_local.config.vendors import SECRET_FIELDS, VENDOR_FIELDS

__all__ = [
    "DEFAULT_STREAM_IDLE_TIMEOUT",
    "NOT_BUILT",
    "SECRET_FIELDS",
    "VENDOR_FIELDS",
    "Cache",
    "CacheMode",
    "CheckSpec",
    "CircuitBreaker",
    "Condition",
    "Config",
    "Examined",
    "HookKind",
    "HookSpec",
    "Hooks",
    "Mode",
    "OnStream",
    "Retry",
    "Source",
    "StickySession",
    "Strategy",
    "breaker_of",
    "check",
    "examine",
    "hooks_of",
    "inherit",
    "leaves",
    "load",
    "provider_problems",
    "warn",
]
