"""A scripted model provider on 127.0.0.1, for tests, demonstrations and benchmarks.

Ground rules:
- A raw socket server, one daemon thread per connection: it must be able to misbehave byte by byte,
  which no HTTP library lets it do.
- The script decides what is answered (`steps`), `answers` how it is sent; here are only the
  server's life and the bookkeeping.
- All bookkeeping is guarded by one lock. Sockets are closed under it too: otherwise `close` could
  hang up a file descriptor that already belongs to somebody else.
- A script that raises never passes for a failing provider: the client gets a 500, and leaving the
  `with` block raises the script's own exception.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self, TypeAlias

from portkey_local.testing.answers import answer
from portkey_local.testing.connection import Connection, Gone
from portkey_local.testing.received import Received, UnreadableRequestError, read_request
from portkey_local.testing.steps import Step, error

__all__ = ["Loopback"]

HOST: Final = "127.0.0.1"
BACKLOG: Final = 1024
CLOSE_LIMIT: Final = 0.4
ACCEPT_AGAIN: Final = 0.01
BAD_REQUEST: Final = (
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
)

Script: TypeAlias = Callable[[Received], Step] | Mapping[str, Sequence[Step]] | None


class Loopback:
    """A provider that answers as scripted.

    The script is a function of the request, or a list of steps per target, the last of which
    repeats. Without a script, and for targets it does not name, it answers "from <target>".

    >>> from urllib.request import urlopen
    >>> with Loopback({"primary": [Step(json="first"), Step(json="then")]}) as server:
    ...     [urlopen(server.target("primary")).read() for _ in range(3)]
    ...     server.received[0].target
    [b'"first"', b'"then"', b'"then"']
    'primary'
    """

    def __init__(self, script: Script = None) -> None:
        self.received: list[Received] = []
        """The requests, in order of arrival."""
        self._changed = threading.Condition()
        self._turns = _TurnState(script)
        self._script_errors: list[BaseException] = []
        self._connections: dict[Connection, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if exc is None and self._script_errors:
            raise self._script_errors[0]

    def start(self) -> None:
        """Listen on a free port."""
        if self._listener is not None:
            raise RuntimeError("the server is already running")
        listener = socket.create_server((HOST, 0), backlog=BACKLOG)
        self._listener = listener
        self._acceptor = threading.Thread(
            target=self._accept, args=(listener,), name="loopback-accept", daemon=True
        )
        self._acceptor.start()

    def close(self) -> None:
        """Stop listening and hang up on everybody, whatever is being answered."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        limit = time.monotonic() + CLOSE_LIMIT
        self._stop_accepting(listener)
        with self._changed:
            threads = list(self._connections.values())
            for connection in self._connections:
                connection.hang_up()
        for thread in threads:
            if thread is not threading.current_thread():  # a script may close its own server
                thread.join(max(0.0, limit - time.monotonic()))

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._listener is None:
            raise RuntimeError("the server is not running: use it in a with block, or call start()")
        return f"http://{HOST}:{self._listener.getsockname()[1]}"

    def target(self, name: str) -> str:
        """Give the base URL of one target."""
        return f"{self.url}/{name}"

    def reset(self, script: Script = None) -> None:
        """Take a new script; forget the requests received and how far the old script was."""
        with self._changed:
            self._turns = _TurnState(script)
            self.received = []
            self._script_errors = []

    @property
    def open_connections(self) -> int:
        """How many clients' connections the server still holds open."""
        return len(self._connections)

    def wait_closed(self, timeout: float = 2.0) -> bool:
        """Wait for clients to close all their connections; False if some stay open."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._connections, timeout)

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                accepted, _ = listener.accept()
            except OSError:  # out of file descriptors, say: the client waits in the backlog
                time.sleep(ACCEPT_AGAIN)
                continue
            if self._listener is not listener:  # it was `_stop_accepting` that connected
                accepted.close()
                return
            self._welcome(Connection(accepted))

    def _stop_accepting(self, listener: socket.socket) -> None:
        # Closing a listener does not wake a thread in accept(); a connection does, everywhere.
        with suppress(OSError):
            socket.create_connection(listener.getsockname(), timeout=CLOSE_LIMIT).close()
        if self._acceptor is not None:
            self._acceptor.join(CLOSE_LIMIT)
        listener.close()

    def _welcome(self, connection: Connection) -> None:
        thread = threading.Thread(
            target=self._serve, args=(connection,), name="loopback-connection", daemon=True
        )
        with self._changed:
            self._connections[connection] = thread
        thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            with contextlib.suppress(Gone):  # the client left, which is its right
                while self._serve_one(connection):
                    continue
        finally:
            self._forget(connection)

    def _serve_one(self, connection: Connection) -> bool:
        try:
            received = read_request(connection)
        except UnreadableRequestError as exc:
            text = str(exc).encode()
            connection.send(BAD_REQUEST % (len(text), text))
            return False
        reusable = answer(connection, received, self._next_step(received))
        return reusable and not received.is_last

    def _forget(self, connection: Connection) -> None:
        with self._changed:
            del self._connections[connection]
            connection.close()
            self._changed.notify_all()

    def _next_step(self, received: Received) -> Step:
        with self._changed:  # both at once: requests are recorded in the order of their steps
            self.received.append(received)
            choose = self._turns.take(received.target)
        try:
            step = choose(received)
            if not isinstance(step, Step):
                raise TypeError(f"a script gives a Step, not {step!r}")
            return step
        except BaseException as exc:  # noqa: BLE001 - a failed test, too: __exit__ raises it
            self._script_errors.append(exc)
            return error(500, f"the script raised {exc!r}")


class _TurnState:
    """A script in one form, and how many steps of each target were used."""

    def __init__(self, script: Script) -> None:
        self._used: Counter[str] = Counter()
        self._function: Callable[[Received], Step] | None = None
        self._steps: dict[str, tuple[Step, ...]] = {}
        if isinstance(script, Mapping):
            self._steps = {name: tuple(steps) for name, steps in script.items()}
        elif script is not None:
            self._function = script

    def take(self, target: str) -> Callable[[Received], Step]:
        """Use up one turn of the target; what it gives is called without the server's lock."""
        if self._function is not None:
            return self._function
        steps = self._steps.get(target) or (AUTOMATIC,)
        step = steps[min(self._used[target], len(steps) - 1)]
        self._used[target] += 1
        return lambda _: step


AUTOMATIC: Final = Step()
