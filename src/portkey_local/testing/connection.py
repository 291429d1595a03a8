"""One client's socket: buffered reading, sending, and waiting that notices when the client leaves.

Ground rules:
- One thread owns a connection; only `hang_up` may be called from another.
- Nothing sleeps. Every wait is a read with a time limit, so the end of the client's side, and the
  server's own `hang_up`, which looks the same from here, end the wait at once by raising `Gone`.
- A client that shuts down only its sending side counts as gone when it is being waited on: no HTTP
  client of ours does that, and it cannot be told from a close.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import suppress
from typing import Final, NoReturn

__all__ = ["Connection", "Gone"]

RECEIVE_SIZE: Final = 65_536
# struct linger is two ints, on Windows two shorts: on, and zero seconds, which means a reset
LINGER_ZERO: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Gone(Exception):
    """The client has closed its side, or the server is closing."""


class Connection:
    """A byte stream from and to one client."""

    def __init__(self, accepted: socket.socket) -> None:
        self._socket = accepted
        self._buffer = bytearray()
        self._set(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read_until(self, mark: bytes) -> bytes:
        """Read up to the mark, which is consumed and not returned."""
        searched = 0
        while (found := self._buffer.find(mark, searched)) < 0:
            searched = max(0, len(self._buffer) - len(mark) + 1)
            self._receive()
        data = bytes(self._buffer[:found])
        del self._buffer[: found + len(mark)]
        return data

    def read_exactly(self, size: int) -> bytes:
        """Read this many bytes."""
        while len(self._buffer) < size:
            self._receive()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def send(self, data: bytes) -> None:
        """Send all of it in one go."""
        try:
            self._socket.sendall(data)
        except OSError as exc:
            raise Gone from exc

    def pause(self, seconds: float) -> None:
        """Wait (to the millisecond), keeping what the client may send meanwhile for later."""
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                self._socket.settimeout(left)
                self._receive()
        except TimeoutError:
            return
        finally:
            self._socket.settimeout(None)

    def hold(self) -> NoReturn:
        """Wait until the client leaves or the server is closed."""
        while True:
            self._receive()

    def reset_on_close(self) -> None:
        """Let `close` send a TCP reset in place of a clean end."""
        self._set(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)

    def hang_up(self) -> None:
        """Make the owning thread see the end of the stream, wherever it waits."""
        with suppress(OSError):  # the client may have left first
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def _set(self, level: int, option: int, value: int | bytes) -> None:
        with suppress(OSError):  # some systems refuse once the client has left
            self._socket.setsockopt(level, option, value)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(RECEIVE_SIZE)
        except TimeoutError:
            raise
        except OSError as exc:
            raise Gone from exc
        if not data:
            raise Gone
        self._buffer += data
