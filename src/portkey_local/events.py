"""Where events go: a listener of the user's, a log of JSON lines, or both.

Ground rules: a listener that fails never fails a call (the first failure is logged, later ones are
not); a log line is one write to a file opened for appending, under a file lock where the system has
one, so that several processes can share it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portkey_local.model import Event, Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("portkey_local")


class EventLog:
    """Appends events to a file, one JSON object a line, each with the time of day."""

    def __init__(
        self, path: str | os.PathLike[str], *, wall: Callable[[], float] = time.time
    ) -> None:
        """Open nothing yet: the file is made by the first event."""
        self.path = Path(path)
        self._wall = wall
        self._begin()

    def _begin(self) -> None:
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._descriptor: int | None = None

    def __call__(self, event: Event) -> None:
        """Append one event."""
        if self._owner != os.getpid():
            self._begin()  # after a fork another thread's lock would never be released
        facts = {"time": round(self._wall(), 6), **event.to_dict()}
        line = json.dumps(_plain(facts), allow_nan=False).encode() + b"\n"
        with self._lock, _locked(self._opened()) as descriptor:
            while line:
                line = line[os.write(descriptor, line) :]

    def _opened(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY
            self._descriptor = os.open(self.path, flags, 0o600)
        return self._descriptor

    def __del__(self) -> None:
        """Close the file of a log that was dropped."""
        if "_lock" in self.__dict__:
            self.close()

    def close(self) -> None:
        """Close the file; a later event opens it again."""
        if self._owner != os.getpid():
            self._begin()
        with self._lock:
            if self._descriptor is not None and self._owner == os.getpid():
                os.close(self._descriptor)
            self._descriptor = None


class Guarded:
    """A listener that cannot fail a call."""

    def __init__(self, listener: Callable[[Event], object]) -> None:
        """Wrap `listener`."""
        self._listener = listener
        self._complained = False

    def __call__(self, event: Event) -> None:
        """Pass the event on; log the first exception."""
        try:
            self._listener(event)
        except Exception:
            if not self._complained:
                self._complained = True
                logger.warning(
                    "an event listener failed; its later failures are not logged", exc_info=True
                )


def listener_of(
    on_event: Callable[[Event], object] | None,
    log: EventLog | None,
    *,
    bodies: bool = False,
) -> Listener | None:
    """Return the one listener that a call reports to, or None when nobody listens.

    Without `bodies` no event holds what a request said.
    """
    given: tuple[Callable[[Event], object] | None, ...] = (on_event, log)
    listeners = [Guarded(listener) for listener in given if listener is not None]
    if not listeners:
        return None

    def report(event: Event) -> None:
        if not bodies and event.request_body is not None:
            event = replace(event, request_body=None)
        for listener in listeners:
            listener(event)

    return report


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a user's metadata; the rest as text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


@contextmanager
def _locked(descriptor: int) -> Iterator[int]:
    """Hold the file's lock, where the system has one."""
    try:
        import fcntl
    except ImportError:
        yield descriptor
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield descriptor
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
