"""What becomes of a stream that is recorded while its reader reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portkey_local.effects import Route
from portkey_local.model import Call, Reply, ServerEvent
from portkey_local.policies.shelf import Asked

if TYPE_CHECKING:
    from portkey_local.flights import Flight
    from portkey_local.policies.cached import Cached

__all__ = ["StreamTape"]


@dataclass(slots=True)
class StreamTape:
    """Keeps a stream that ends as it must; else lets those go who follow it."""

    cached: Cached
    call: Call
    asked: Asked
    reply: Reply
    flight: Flight | None

    def keep(self, events: list[ServerEvent]) -> Route[None]:
        """Keep the events, and land the flight with them."""
        try:
            yield from self.cached.keep(self.call, self.asked, self.reply, events, self.flight)
        finally:
            self.drop()

    def drop(self) -> None:
        """Let those go who follow."""
        if self.flight is not None:
            self.flight.land(None)

    def idle(self, since: float | None) -> None:
        """Note that the reader has paused, or goes on."""
        if self.flight is not None:
            self.flight.idle_since = since
