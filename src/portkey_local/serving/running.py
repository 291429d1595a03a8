"""Running the server in this process until it is told to stop."""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from portkey_local.errors import ConfigError
from portkey_local.serving.guards import is_loopback

if TYPE_CHECKING:
    from portkey_local.serving.app import Service

__all__ = ["NEEDED", "Settings", "bind", "missing", "serve", "server_config"]

NEEDED: Final = ("starlette", "uvicorn")
BACKLOG: Final = 1024
HEAD_LIMIT: Final = 2**20  # bytes of a request's headers; a config may be among them
KEEP_ALIVE: Final = 75  # seconds; longer than clients keep theirs, who might meet a closed one
UVICORN: Final = "uvicorn.error"  # the name it logs by, whatever it has to say


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen; `grace` is the seconds that calls in flight have when the server stops."""

    host: str = "127.0.0.1"
    port: int = 8787
    remote: bool = False
    grace: float = 10.0


def missing() -> list[str]:
    """Return the packages of the extra `serve` that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def bind(settings: Settings) -> socket.socket:
    """Return a socket that listens. Raises ConfigError, which says what to do instead."""
    host, port = settings.host, settings.port
    if not settings.remote and not is_loopback(host):
        raise ConfigError(
            "--host",
            f"{host!r} is not this machine alone; whoever reaches the server spends its keys, for "
            f"it asks for no password. If that is meant, say --allow-remote",
        )
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _listening(family, address)
    except OSError as error:
        raise ConfigError(*_why_not(error, host, port)) from None


def _listening(family: socket.AddressFamily, address: Any) -> socket.socket:
    """Return a listener that names its protocol: asyncio sends without delay on no other."""
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two programs listen
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _why_not(error: OSError, host: str, port: int) -> tuple[str, str]:
    if isinstance(error, socket.gaierror):
        return "--host", f"{host!r} is no address of this machine's: {error.strerror}"
    match error.errno:
        case errno.EADDRINUSE:
            return (
                "--port",
                f"{port} is taken, perhaps by another server; name another, or 0 for any",
            )
        case errno.EACCES:
            return "--port", f"{port} may not be taken by this user; those from 1024 on may"
        case errno.EADDRNOTAVAIL:
            return "--host", f"{host!r} is no address of this machine's"
    return "--port", f"{port} cannot be listened on: {error.strerror}"


def server_config(app: Any, grace: float) -> Any:
    """Return uvicorn's config for an application. What concerns the user, we say, not uvicorn."""
    import uvicorn

    logging.getLogger(UVICORN).setLevel(logging.CRITICAL)
    return uvicorn.Config(
        app,
        access_log=False,
        date_header=True,
        h11_max_incomplete_event_size=HEAD_LIMIT,
        http="h11",
        lifespan="on",
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=grace,  # type: ignore[arg-type]  # any number will do
        ws="none",
    )


def serve(
    service: Service,
    listener: socket.socket,
    settings: Settings,
    ready: Callable[[], object] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM: then calls in flight may end, and caches are written.

    A second signal ends them at once. `ready` is called when requests are answered.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    engine: Any = service.door._engine
    with suppress(KeyboardInterrupt):
        Server(server_config(service.app, settings.grace)).run([listener])
    if not engine.closed:  # a second signal leaves no time for the application's own end
        engine.close()
