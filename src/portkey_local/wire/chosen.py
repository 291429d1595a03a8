"""The asynchronous wire that suits the running event loop: aiohttp on asyncio, httpcore on trio."""

from __future__ import annotations

import asyncio
import importlib
import weakref
from typing import Any, Literal

from portkey_local.model import Packet
from portkey_local.wire.contract import AsyncResponse, AsyncWire
from portkey_local.wire.pooled import PooledWire
from portkey_local.wire.settings import Connections

Kind = Literal["aiohttp", "httpx"]


class ChosenWire:
    """Picks the wire at each call; `kind` is what asyncio gets. Connections stay with their
    loop.
    """

    def __init__(self, settings: Connections | None = None, kind: Kind = "aiohttp") -> None:
        """Make no connection yet."""
        self._settings = settings or Connections()
        self._aio: AsyncWire | None = _aiohttp(self._settings) if kind == "aiohttp" else None
        self._pooled: weakref.WeakKeyDictionary[Any, PooledWire] = weakref.WeakKeyDictionary()

    async def open(self, packet: Packet, deadline: float) -> AsyncResponse:
        """Send a request; return when the head of the answer is in."""
        return await self._choose().open(packet, deadline)

    def _choose(self) -> AsyncWire:
        try:
            loop: Any = asyncio.get_running_loop()
        except RuntimeError:
            # The root task lives as long as a run of trio, and can be weakly referenced.
            loop = importlib.import_module("trio").lowlevel.current_root_task()
        else:
            if self._aio is not None:
                return self._aio
        wire = self._pooled.get(loop)
        if wire is None:
            wire = self._pooled[loop] = PooledWire(self._settings)
        return wire

    async def close(self) -> None:
        """Close every connection of the running loop's."""
        pooled = list(self._pooled.values())
        self._pooled.clear()
        for wire in pooled:
            await wire.close()
        if self._aio is not None:
            await self._aio.close()


def _aiohttp(settings: Connections) -> AsyncWire:
    """Import aiohttp when a client is made, so that no call pays for it out of its deadline."""
    from portkey_local.wire.aio import AioWire

    return AioWire(settings)
