"""Computing aside: in time or not at all, on every event loop, and never in others' threads."""

from __future__ import annotations

import os
import threading
import time
from functools import partial

import anyio
import pytest

from portkey_local.drivers.aside import Late, WorkersState, aside, aside_async


@pytest.fixture
def workers():
    state = WorkersState(threads=1)
    yield state
    state.stop()


def fail() -> None:
    raise TimeoutError("its own")


def test_it_returns_what_the_work_returns_or_raises_what_it_raises(workers):
    assert aside(threading.current_thread, 5, workers=workers) is not threading.current_thread()
    with pytest.raises(TimeoutError, match="its own"):
        aside(fail, 5, workers=workers)


def test_what_is_brief_is_computed_by_who_waits_for_it_unless_another_does_so(workers):
    here = threading.current_thread()
    assert aside(threading.current_thread, 5, brief=True, workers=workers) is here
    with pytest.raises(TimeoutError, match="its own"):
        aside(fail, 5, brief=True, workers=workers)

    def meanwhile() -> threading.Thread:
        return aside(threading.current_thread, 5, brief=True, workers=workers)

    assert aside(meanwhile, 5, brief=True, workers=workers).name == "portkey-semantic"
    assert aside(threading.current_thread, 5, brief=True, workers=workers) is here


@pytest.mark.anyio
async def test_so_it_does_on_an_event_loop(workers):
    thread = await aside_async(threading.current_thread, 5, workers=workers)
    assert thread.name == "portkey-semantic"
    with pytest.raises(TimeoutError, match="its own"):
        await aside_async(fail, 5, workers=workers)


def test_what_takes_too_long_is_late_and_what_waits_behind_it_never_begins(workers):
    go, done = threading.Event(), []
    with pytest.raises(Late, match=r"0\.01 s"):
        aside(partial(go.wait, 5), 0.01, workers=workers)
    with pytest.raises(Late):
        aside(partial(done.append, 1), 0.01, workers=workers)
    go.set()
    assert aside(lambda: "next", 5, workers=workers) == "next"
    assert done == []


@pytest.mark.anyio
async def test_so_it_is_on_an_event_loop_which_goes_on_meanwhile(workers):
    go, done = threading.Event(), []
    with pytest.raises(Late):
        await aside_async(partial(go.wait, 5), 0.01, workers=workers)
    with pytest.raises(Late):
        await aside_async(partial(done.append, 1), 0.01, workers=workers)
    go.set()
    assert await aside_async(lambda: "next", 5, workers=workers) == "next"
    assert done == []


@pytest.mark.anyio
async def test_a_cancelled_waiter_leaves_nothing_behind(workers):
    go, done = threading.Event(), []
    first = workers.submit(partial(go.wait, 5))
    with anyio.move_on_after(0.01):
        await aside_async(partial(done.append, 1), 60, workers=workers)
    go.set()
    assert first.result(5)
    assert aside(lambda: "next", 5, workers=workers) == "next"
    assert done == []


@pytest.mark.anyio
async def test_many_wait_for_few_threads():
    state = WorkersState(threads=2)
    seen: set[str] = set()
    results: list[int] = []

    async def ask(number: int) -> None:
        def work() -> int:
            seen.add(threading.current_thread().ident)
            return number

        results.append(await aside_async(work, 10, workers=state))

    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(ask, number)
    state.stop()
    assert sorted(results) == list(range(200))
    assert len(seen) <= 2


def test_stopping_wakes_whoever_waits_and_the_next_begins_anew(workers):
    go = threading.Event()
    running = workers.submit(partial(go.wait, 5))
    while not running.running():
        time.sleep(0.001)
    waiting = workers.submit(lambda: "never")
    threading.Timer(0.02, go.set).start()
    workers.stop()
    assert running.result(0)
    assert waiting.cancelled()
    assert aside(lambda: "again", 5, workers=workers) == "again"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_computes_in_threads_of_its_own():
    assert aside(lambda: 1, 5) == 1
    child = os.fork()
    if child == 0:
        begin = time.monotonic()
        os._exit(0 if aside(lambda: 2, 5) == 2 and time.monotonic() - begin < 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
