"""What values the arguments of a client may have, where a wrong one would only show in a call."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from portkey_local.wire.settings import Connections

EMBEDDER_METHODS = ("name", "fingerprint", "dimensions", "window", "tokens", "embed")
CACHE_METHODS = ("ready", "get", "put", "flush", "close")


def is_timeout(value: Any) -> bool:
    """Whether a value can be a time limit: seconds, or an object of httpx's."""
    if isinstance(value, bool):
        return False
    return value >= 0 if isinstance(value, (int, float)) else hasattr(value, "read")


WANTED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "cache": (
        lambda value: all(hasattr(value, name) for name in CACHE_METHODS),
        "a MemoryCache, a DiskCache, or an object with their methods",
    ),
    "cache_comparer": (callable, "a callable, which takes two answers"),
    "cache_dir": (lambda value: isinstance(value, (str, os.PathLike)), "a path"),
    "cache_embedder": (
        lambda value: all(hasattr(value, name) for name in EMBEDDER_METHODS),
        "an object with the methods of portkey_local.semantic.contract.Embedder",
    ),
    "cache_force_refresh": (lambda value: isinstance(value, bool), "a bool"),
    "cache_namespace": (lambda value: isinstance(value, str), "a string"),
    "cache_verifier": (callable, "a callable, which takes two questions and an answer"),
    "checks": (
        lambda value: isinstance(value, Mapping) and all(map(callable, value.values())),
        "a dict of names and callables",
    ),
    "connections": (lambda value: isinstance(value, Connections), "portkey_local.Connections"),
    "debug": (lambda value: isinstance(value, bool), "a bool"),
    "on_event": (
        lambda value: callable(value) and not inspect.iscoroutinefunction(value),
        "a plain callable, which takes an event",
    ),
    "rng": (lambda value: callable(getattr(value, "random", None)), "a random.Random"),
    "timeout": (is_timeout, "a number of seconds, 0 or more, or an httpx timeout"),
    "virtual_keys": (lambda value: isinstance(value, Mapping), "a dict of names"),
    "wire": (lambda value: value in ("aiohttp", "httpx"), "'aiohttp' or 'httpx'"),
}
