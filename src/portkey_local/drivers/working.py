"""What takes long and is ours, in a few threads, for callers who wait no longer than they said.

Computing a vector takes milliseconds, and loading a model seconds: neither may hold up an event
loop, or take the threads that others wait for. What nobody waits for any more is not begun.
"""

from __future__ import annotations

import contextvars
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, TypeAlias

import anyio

from portkey_local.drivers.shelving import across_threads
from portkey_local.effects import Raised, Work

__all__ = ["in_time", "worked", "worked_aside"]

THREADS: Final = max(2, min(4, os.cpu_count() or 2))

Job: TypeAlias = "tuple[Future[Any], Callable[[], Any]]"


class _WorkersState:
    """Threads that are begun as they are needed, and that no ending program waits for."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin with no thread, and nothing to do."""
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._threads = 0
        self._idle = 0

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Have a function done as soon as a thread is free."""
        future: Future[Any] = Future()
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._threads < THREADS:
                self._threads += 1
                thread = threading.Thread(
                    target=self._work, args=(self._jobs,), name="portkey-work", daemon=True
                )
                thread.start()
            self._jobs.put((future, function))
        return future

    def _work(self, jobs: SimpleQueue[Job]) -> None:
        while True:
            future, function = jobs.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:  # noqa: BLE001 - whoever waits is told
                    future.set_exception(error)
            del future, function  # or an idle thread would keep them
            with self._lock:
                self._idle += jobs.empty()


_WORKERS: Final = _WorkersState()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_WORKERS.begin)


def worked(work: Work) -> Any:
    """Return what a function returns, or what it raised; `TimeoutError` after its time."""
    future = _WORKERS.submit(work.function)
    try:
        return future.result(None if math.isinf(work.seconds) else max(0.0, work.seconds))
    except Exception as error:  # noqa: BLE001 - the route decides what it means
        return Raised(error)
    finally:
        future.cancel()


def in_time(function: Callable[[], Any], seconds: float) -> Any:
    """Return what a caller's function returns within so many seconds; a thread of its own runs it.

    Raises what it raises, or TimeoutError.
    """
    future: Future[Any] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            future.set_exception(error)

    threading.Thread(target=run, name="portkey-call", daemon=True).start()
    return future.result(max(0.0, seconds))


async def worked_aside(work: Work) -> Any:
    """Return the same without holding up the event loop, on asyncio and on trio."""
    ended = anyio.Event()
    awake = across_threads()
    future = _WORKERS.submit(work.function)

    def wake(_: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop of whoever waited is over
            awake(ended.set)

    future.add_done_callback(wake)
    try:
        with anyio.move_on_after(None if math.isinf(work.seconds) else max(0.0, work.seconds)):
            await ended.wait()
    finally:
        future.cancel()
    if not future.done() or future.cancelled():
        return Raised(TimeoutError())
    error = future.exception()
    if error is None:
        return future.result()
    if not isinstance(error, Exception):
        raise error
    return Raised(error)
