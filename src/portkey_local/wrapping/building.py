"""From what is told to a door: the engine, the driver with its wire, and the way around both."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from portkey_local.client import arguments
from portkey_local.client.engines import engine_of
from portkey_local.client.failures import http_library
from portkey_local.drivers.aio import AsyncDriver
from portkey_local.drivers.sync import SyncDriver
from portkey_local.providers.own import SELF
from portkey_local.wire.chosen import ChosenWire
from portkey_local.wire.contract import AsyncWire, Wire
from portkey_local.wire.given import GivenAsyncWire, GivenWire, library_of
from portkey_local.wire.sync import CoreWire
from portkey_local.wrapping.doors import Door, async_door, sync_door
from portkey_local.wrapping.inner import async_ways, ways
from portkey_local.wrapping.told import refuse

__all__ = ["Making", "async_door_of", "library_named", "sync_door_of"]

LIBRARIES = ("httpx", "httpx2")


def library_named(library: ModuleType | str | None, inner: Any = None) -> Any:
    """Return httpx or httpx2: as it is named, as `inner` has it, or as the openai SDK has it.

    Raises TypeError for anything else.
    """
    if library is None:
        return library_of(inner) if inner is not None else http_library()
    name = library if isinstance(library, str) else getattr(library, "__name__", "")
    if name not in LIBRARIES:
        raise TypeError(f"library must be httpx or httpx2, the module or its name, not {library!r}")
    return importlib.import_module(name)


@dataclass(frozen=True, slots=True)
class Making:
    """How a door is made, beside what its user told.

    `inner` carries what is not routed (None: a transport like a new client's), and where `through`
    is set, the routed calls as well. `anywhere`: calls are routed whatever their host; None: where
    a target is "self".
    """

    http: Any
    inner: Any = None
    through: bool = False
    anywhere: bool | None = None
    kind: Any = Door


def sync_door_of(given: Mapping[str, Any], making: Making) -> Any:
    """Return a synchronous door. Raises ConfigError."""
    refuse(given, ("wire",), "only asynchronous calls have a choice of wires")
    library = making.http
    inner = making.inner or ways(library)()
    wire: Wire = GivenWire(inner) if making.through else CoreWire(given.get("connections"))
    return _door(sync_door(library, making.kind), SyncDriver(wire), given, making, inner)


def async_door_of(given: Mapping[str, Any], making: Making) -> Any:
    """Return an asynchronous door. Raises ConfigError."""
    library = making.http
    inner = making.inner or async_ways(library)()
    wire: AsyncWire
    if making.through:
        wire = GivenAsyncWire(inner)
    else:
        wire = ChosenWire(given.get("connections"), given.get("wire") or "aiohttp")
    return _door(async_door(library, making.kind), AsyncDriver(wire), given, making, inner)


def _door(
    door: Callable[..., Any], driver: Any, given: Mapping[str, Any], making: Making, inner: Any
) -> Any:
    engine = engine_of(given, own=making.kind.own)
    plan = engine.plan(arguments.options(given))
    anywhere = making.anywhere
    if anywhere is None:
        anywhere = any(target.provider == SELF for target in plan.router.targets)
    return door(driver, engine, plan, inner, anywhere=anywhere)
