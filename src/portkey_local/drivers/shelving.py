"""What the drivers do for caches: ask one, give it something, and wait for another call's end.

A cache that raises is a value here, like every failure that is expected. An asynchronous wait is
woken from whatever thread the other call ends in, on asyncio and on trio.
"""

from __future__ import annotations

import asyncio
import importlib
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import anyio
from anyio.lowlevel import RunVar

from portkey_local.effects import Cache, Landing, Lookup, Raised, Store

LOOKERS: Final = 4  # threads of an event loop that look something up
_LOOKERS: Final[RunVar[anyio.CapacityLimiter]] = RunVar("lookers")


def ready(cache: Cache, keys: Sequence[bytes]) -> bool:
    """Whether a cache answers for all keys at once."""
    try:
        return all(map(cache.ready, keys))
    except Exception:  # noqa: BLE001 - asking it will tell
        return False


def looked_up(lookup: Lookup) -> tuple[bytes | None, ...] | Raised:
    """Return what a cache keeps, or what it raised."""
    try:
        return tuple(lookup.cache.get(key, lookup.now) for key in lookup.keys)
    except Exception as error:  # noqa: BLE001 - the route decides what it means
        return Raised(error)


async def looked_up_aside(lookup: Lookup) -> tuple[bytes | None, ...] | Raised:
    """Return the same from a thread, of which few look at a time: more would hold up the loop."""
    try:
        lookers = _LOOKERS.get()
    except LookupError:
        lookers = anyio.CapacityLimiter(LOOKERS)
        _LOOKERS.set(lookers)
    return await anyio.to_thread.run_sync(
        looked_up, lookup, abandon_on_cancel=True, limiter=lookers
    )


def stored(store: Store) -> Raised | None:
    """Give a cache what it is to keep; return what it raised."""
    try:
        for key, value in store.values:
            store.cache.put(key, value, store.now, store.max_age, store.failed)
    except Exception as error:  # noqa: BLE001 - as above
        return Raised(error)
    return None


async def landed(flight: Landing, seconds: float) -> None:
    """Wait until another call has ended, but not for longer than so many seconds."""
    event = anyio.Event()
    awake = across_threads()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop of whoever waited is over
            awake(event.set)

    if not flight.watch(wake):
        return
    try:
        with anyio.move_on_after(None if math.isinf(seconds) else seconds):
            await event.wait()
    finally:
        flight.unwatch(wake)


def across_threads() -> Callable[[Callable[[], object]], object]:
    """Return what runs a function in the event loop that is running here, from any thread."""
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        run_soon: Callable[[Callable[[], object]], object]
        run_soon = importlib.import_module("trio").lowlevel.current_trio_token().run_sync_soon
        return run_soon
