"""What runs beside the calls: hooks whose verdict nobody waits for, and refreshes of caches.

Each is a thread, or a task of the running event loop. They are joined when the client is closed, so
that what they were to send is sent.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

logger = logging.getLogger("portkey_local")

JOIN: Final = 10.0  # seconds that a closing client waits for them


class Threads:
    """Runs functions in threads of their own."""

    def __init__(self) -> None:
        """Begin with none."""
        self._running: set[threading.Thread] = set()

    def start(self, work: Callable[[], object]) -> None:
        """Begin `work`; what it raises is logged by its class alone."""
        thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
        self._running.add(thread)
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the program ends: the call goes on without it
            self._running.discard(thread)
            logger.warning("what was to run beside a call did not: no thread could be started")

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - nobody is there to take it
            logger.warning("what ran beside a call failed: %s", type(error).__name__)
        finally:
            self._running.discard(threading.current_thread())

    def join(self) -> None:
        """Wait for those that are running, but not for ever."""
        until = time.monotonic() + JOIN
        for thread in list(self._running):
            thread.join(max(0.0, until - time.monotonic()))


class Tasks:
    """Runs coroutines in tasks of their own, on asyncio or trio."""

    def __init__(self) -> None:
        """Begin with none."""
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Begin `work`; what it raises is logged by its class alone."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            importlib.import_module("trio").lowlevel.spawn_system_task(self._guarded, work)
            return
        task = loop.create_task(self._guarded(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - nobody is there to take it
            logger.warning("what ran beside a call failed: %s", type(error).__name__)

    async def join(self) -> None:
        """Wait for those of the running event loop; trio's end with their own loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        mine = [task for task in self._running if task.get_loop() is loop]
        if mine:
            await asyncio.wait(mine, timeout=JOIN)
