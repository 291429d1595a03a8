"""Threads of our own for what computes: embedding a question and searching its neighbours.

Ground rules: they are few, for each keeps a core busy, and one core is left to the event loop: with
as many threads as cores its turns come up to four times as late. They are never those that a
program's other calls wait in. Whoever asks waits for so many seconds and no longer: what has not
begun by then is never begun, and what comes later is dropped. Only what is brief may be computed by
a thread that would wait for it anyway, by as many at once as there are threads here: to wake
another one, on another core, costs a tenth of an embedding.
"""

from __future__ import annotations

import atexit
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, TypeVar

import anyio

from portkey_local.drivers.shelving import across_threads

__all__ = ["Late", "WorkersState", "aside", "aside_async", "in_time"]

T = TypeVar("T")

MOST: Final = 2  # threads, however many cores there are
LAST: Final = 2.0  # seconds that the end of the program waits for what is being computed

_Task = tuple["Future[Any]", Callable[[], Any]]


class Late(TimeoutError):
    """What was asked for was not computed in time."""

    def __init__(self, seconds: float) -> None:
        """Say how many seconds there were."""
        super().__init__(f"not computed within {seconds:g} s")


class WorkersState:
    """A few threads that compute one thing after the other; begun with the first."""

    def __init__(self, threads: int | None = None) -> None:
        """Begin with no thread; by default one core is left to others, and at most two are used."""
        self._most = threads or max(1, min(MOST, _cores() - 1))
        self.begin()

    def begin(self) -> None:
        """Begin with no thread and nothing to compute, as a forked process does."""
        self._lock = threading.Lock()
        self.here = threading.BoundedSemaphore(self._most)  # who computes in a thread of his own
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have something computed; cancel the future when nobody waits for it any more."""
        future: Future[T] = Future()
        with self._lock:
            if len(self._threads) < self._most:
                self._threads.append(
                    threading.Thread(
                        target=_work, args=(self._tasks,), name="portkey-semantic", daemon=True
                    )
                )
                self._threads[-1].start()
            self._tasks.put((future, work))
        return future

    def stop(self) -> None:
        """End the threads after what they are computing; what waits is not computed."""
        with self._lock:
            tasks, threads = self._tasks, self._threads
            self._tasks, self._threads = SimpleQueue(), []
        while not tasks.empty():
            waiting = tasks.get()
            if waiting is not None:
                waiting[0].cancel()
        for _ in threads:
            tasks.put(None)
        for thread in threads:
            thread.join(LAST)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # those that we may use, in a container say
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _work(tasks: SimpleQueue[_Task | None]) -> None:
    while (task := tasks.get()) is not None:
        _compute(*task)
        del task  # or the last result would be kept until the next comes


def _compute(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - whoever waits is told
        future.set_exception(error)
    else:
        future.set_result(result)


_WORKERS: Final = WorkersState()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_WORKERS.begin)
atexit.register(_WORKERS.stop)


def aside(
    work: Callable[[], T],
    seconds: float,
    *,
    brief: bool = False,
    workers: WorkersState = _WORKERS,
) -> T:
    """Return what `work` returns, or raise what it raises; `Late` after so many seconds.

    What is `brief` is computed here and now, unless others are doing so.
    """
    here = workers.here
    if brief and here.acquire(blocking=False):
        try:
            return work()
        finally:
            here.release()
    future = workers.submit(work)
    try:
        return future.result(seconds)
    except TimeoutError:
        if not future.cancel() and future.done():  # at the last moment, or its own error
            return future.result()
        raise Late(seconds) from None
    finally:
        future.cancel()


async def aside_async(
    work: Callable[[], T], seconds: float, *, workers: WorkersState = _WORKERS
) -> T:
    """Return the same without holding up the event loop, on asyncio and on trio."""
    event = anyio.Event()
    awake = across_threads()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop of whoever waited is over
            awake(event.set)

    future = workers.submit(work)
    future.add_done_callback(wake)
    try:
        with anyio.move_on_after(seconds):
            await event.wait()
            return future.result()
    finally:
        future.cancel()
    raise Late(seconds)


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
