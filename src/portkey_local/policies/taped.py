"""What a stream that is to be kept is recorded on, and who is let go when it is not."""

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
        """Keep the stream, and land its flight."""
        try:
            yield from self.cached.keep(self.call, self.asked, self.reply, events, self.flight)
        finally:
            self.drop()

    def drop(self) -> None:
        """Land the flight with nothing, if it has not landed."""
        if self.flight is not None:
            self.flight.land(None)

    def idle(self, since: float | None) -> None:
        """Note since when the reader pauses."""
        if self.flight is not None:
            self.flight.idle_since = since
