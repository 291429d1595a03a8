"""Runs ASGI applications on loopback, in a thread of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from portkey_local.serving.running import Settings, bind, server_config


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve an application; give the address it is at."""
    with bind(Settings(port=0)) as listener:
        server = uvicorn.Server(server_config(app, grace=2))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)  # uvicorn says in no other way that it has started
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(10)
