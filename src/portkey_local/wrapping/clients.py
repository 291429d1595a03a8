"""`wrap`: a client of openai's or anthropic's, of the same class, whose model calls are routed."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack

from portkey_local.client.routed import Routed
from portkey_local.wire.given import library_of
from portkey_local.wrapping.building import Making, async_door_of, sync_door_of
from portkey_local.wrapping.doors import Door
from portkey_local.wrapping.inner import async_ways, is_plain, ways
from portkey_local.wrapping.straight import straight
from portkey_local.wrapping.told import Told, checked, refuse

if TYPE_CHECKING:
    import os

    from portkey_local.config import Config

__all__ = ["wrap"]

Client = TypeVar("Client")
SDKS: Final = {"openai": ("OpenAI", "AsyncOpenAI"), "anthropic": ("Anthropic", "AsyncAnthropic")}
NOT_COPIED: Final = (  # of a client, what shapes its calls: openai 2's `copy` leaves it out
    "_azure_deployment",
    "_azure_endpoint",
    "_strict_response_validation",
)


def wrap(
    client: Client,
    config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    **given: Unpack[Told],
) -> Client:
    """Return a client of the same class whose model calls are routed by `config`.

    The target `{"provider": "self"}` is the client as it is: its key, its host, its headers. It is
    the only one where the config names none. Takes the routing arguments of `Portkey`. The SDK's
    own retries are off: `retry` in the config is the one owner. Calls that are no model calls go as
    they always did. The client that is given stays as it is.

    Raises ConfigError, and TypeError for what is no client of openai's or anthropic's, or is
    routed already.
    """
    asynchronous = _checked(client)
    told = checked({**given, "config": config})
    http_client = client._client  # type: ignore[attr-defined]
    library = library_of(http_client)
    through = not is_plain(http_client, library)
    if through:
        refuse(told, ("connections", "wire"), "the client has an HTTP client of its own")
    inner = (async_ways if asynchronous else ways)(library)(http_client)
    making = Making(library, inner, through, anywhere=True)
    door = (async_door_of if asynchronous else sync_door_of)(told, making)
    twin = _with_door(http_client, door)
    if not (through or asynchronous):
        kind: Any = type(twin)
        twin.__class__, twin._kept = straight(kind, library), {}
    wrapped: Client = client.copy(  # type: ignore[attr-defined]
        http_client=twin, max_retries=0
    )
    for name in NOT_COPIED:
        if name in vars(client):
            setattr(wrapped, name, vars(client)[name])
    return wrapped


def _checked(client: object) -> bool:
    """Return whether a client is asynchronous. Raises TypeError for one that cannot be wrapped."""
    if isinstance(client, Routed):
        raise TypeError(f"a {type(client).__name__} is routed already: give it the config")
    for name, names in SDKS.items():
        sdk = sys.modules.get(name)
        # Others of an SDK's clients (Claude on Bedrock, on Vertex) have addresses of their own,
        # that no router would know for model calls.
        kinds = tuple(getattr(sdk, each) for each in names) if sdk is not None else ()
        if not isinstance(client, kinds):
            continue
        if isinstance(client._client._transport, Door):
            raise TypeError(
                "this client, or the one it is a copy of, has been wrapped already: wrap the bare "
                "one, or put both configs into one"
            )
        return isinstance(client, kinds[1])
    kind = client.__name__ if isinstance(client, type) else type(client).__name__
    raise TypeError(
        f"wrap takes a client of openai's or anthropic's, not {kind}; for another SDK, give it an "
        f"HTTP client over portkey_local.transport(config), or over async_transport(config)"
    )


def _with_door(http_client: Any, door: Any) -> Any:
    """Return a twin of an HTTP client, with its headers, hooks and cookies, over our transport.

    Methods that were put on the client itself lead to its own transports, so the twin has those of
    its class.
    """
    twin = copy.copy(http_client)
    kind = type(twin)
    for name in [name for name in vars(twin) if callable(getattr(kind, name, None))]:
        delattr(twin, name)
    twin._transport = door
    twin._mounts = {}
    return twin
