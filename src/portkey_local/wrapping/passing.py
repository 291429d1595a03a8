"""`transport` and `async_transport`: for any SDK that takes an HTTP client."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Unpack

from portkey_local.wrapping.building import Making, async_door_of, library_named, sync_door_of
from portkey_local.wrapping.told import Told, checked

if TYPE_CHECKING:
    import os

    from portkey_local.config import Config

__all__ = ["async_transport", "transport"]


def transport(
    config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    library: ModuleType | str | None = None,
    inner: Any = None,
    **given: Unpack[Told],
) -> Any:
    """Return a transport for `httpx.Client` or `httpx2.Client` that routes model calls.

    A model call is a POST to a chat, completions, embeddings, responses, messages, moderations,
    images or audio endpoint: of a provider this library knows, or of any host where a target of the
    config is "self", the call as it is. Everything else goes by `inner`, by default a transport
    like a new client's. `library` is httpx or httpx2, by default that of `inner` or of the
    installed openai SDK. Takes the routing arguments of `Portkey`. Raises ConfigError.
    """
    told = checked({**given, "config": config})
    return sync_door_of(told, Making(library_named(library, inner), inner))


def async_transport(
    config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    library: ModuleType | str | None = None,
    inner: Any = None,
    **given: Unpack[Told],
) -> Any:
    """Return the same for `httpx.AsyncClient` or `httpx2.AsyncClient`."""
    told = checked({**given, "config": config})
    return async_door_of(told, Making(library_named(library, inner), inner))
