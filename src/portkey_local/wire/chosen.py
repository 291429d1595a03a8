"""The asynchronous wire that suits the running event loop: aiohttp on asyncio, httpcore on trio."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from typing import TYPE_CHECKING, Any, Literal

from portkey_local.model import Packet
from portkey_local.wire.contract import AsyncResponse, AsyncWire
from portkey_local.wire.pooled import PooledWire, load_loops
from portkey_local.wire.settings import Connections, prepare

if TYPE_CHECKING:
    from portkey_local.wire.aio import AioWire

Kind = Literal["aiohttp", "httpx"]


class ChosenWire:
    """Picks the wire at each call; `kind` is what asyncio gets."""

    def __init__(self, settings: Connections | None = None, kind: Kind = "aiohttp") -> None:
        """Make no connection yet."""
        self._settings = settings or Connections()
        prepare(self._settings)
        by_aiohttp = kind == "aiohttp" and not self._settings.uses_socks()
        self._aio = _aiohttp(self._settings) if by_aiohttp else None
        self._pooled: dict[Any, PooledWire] = {}
        loops = [name for name in ("asyncio", "trio") if name in sys.modules]
        load_loops(loops if self._aio is None else loops[1:])

    async def open(self, packet: Packet, deadline: float) -> AsyncResponse:
        """Send a request; return when the head of the answer is in."""
        return await self._choose().open(packet, deadline)

    def _choose(self) -> AsyncWire:
        loop = _running()
        if self._aio is not None and isinstance(loop, asyncio.AbstractEventLoop):
            return self._aio
        wire = self._pooled.get(loop)
        if wire is None:
            self._pooled = {old: pool for old, pool in self._pooled.items() if not _is_over(old)}
            wire = self._pooled[loop] = PooledWire(self._settings)
        return wire

    async def close(self) -> None:
        """Close the connections of the running loop, and let those of other loops go."""
        loop = _running()
        mine = self._pooled.pop(loop, None)
        for other, pool in self._pooled.items():
            if isinstance(other, asyncio.AbstractEventLoop) and other.is_running():
                asyncio.run_coroutine_threadsafe(pool.close(), other)
        self._pooled.clear()
        if mine is not None:
            await mine.close()
        if self._aio is not None:
            if isinstance(loop, asyncio.AbstractEventLoop):
                await self._aio.close()
            else:
                self._aio.drop()


def _aiohttp(settings: Connections) -> AioWire:
    """Import aiohttp when a client is made, so that no call pays for it out of its deadline."""
    from portkey_local.wire.aio import AioWire

    return AioWire(settings)


def _running() -> Any:
    """Return what stands for the running event loop: asyncio's loop, or the root task of trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return importlib.import_module("trio").lowlevel.current_root_task()


def _is_over(loop: Any) -> bool:
    if isinstance(loop, asyncio.AbstractEventLoop):
        return loop.is_closed()
    return inspect.getcoroutinestate(loop.coro) == inspect.CORO_CLOSED
