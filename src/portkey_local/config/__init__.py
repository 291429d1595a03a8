"""The config floor: Portkey's config JSON read, checked and made immutable.

Ground rules: configs are data. Nothing here calls a provider or knows one by name, and everything
that can be wrong with a config is said here, before the first call, with the JSON path and never
with a key.
"""

from portkey_local.config.load import Source, load, warn
from portkey_local.config.models import (
    DEFAULT_STREAM_IDLE_TIMEOUT,
    Cache,
    CacheMode,
    Condition,
    Config,
    Mode,
    Retry,
    Strategy,
)
from portkey_local.config.tree import check, inherit, leaves
from portkey_local.config.unbuilt import NOT_BUILT

__all__ = [
    "DEFAULT_STREAM_IDLE_TIMEOUT",
    "NOT_BUILT",
    "Cache",
    "CacheMode",
    "Condition",
    "Config",
    "Mode",
    "Retry",
    "Source",
    "Strategy",
    "check",
    "inherit",
    "leaves",
    "load",
    "warn",
]
