"""What is under way in a simulation: a route, or a coroutine that reads streams."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from portkey_local.drivers.virtual import Performed, Until
from portkey_local.effects import Route

if TYPE_CHECKING:
    from portkey_local.drivers.simulated import Simulation


class Process:
    """A route that is under way in a simulation."""

    __slots__ = ("_done", "_over", "_route", "_simulation")

    def __init__(
        self, simulation: Simulation, route: Route[Any], done: Callable[[Any], None]
    ) -> None:
        """Take a route that nobody has begun."""
        self._simulation = simulation
        self._route = route
        self._done = done
        self._over = False

    def go_on(self, answer: object) -> None:
        """Give the route what it asked for, and perform what it asks for next."""
        if self._over:
            return
        try:
            effect = self._route.send(answer)
        except StopIteration as stop:
            self._over = True
            self._done(stop.value)
            return
        self._simulation.perform(effect, self.go_on)

    def leave(self) -> None:
        """Close the route, as a live driver does when its caller is cancelled."""
        self._over = True
        self._route.close()


class Reading:
    """A coroutine that reads streams in a simulation."""

    __slots__ = ("_done", "_over", "_simulation", "_work")

    def __init__(
        self, simulation: Simulation, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]
    ) -> None:
        """Take a coroutine that nobody has begun."""
        self._simulation = simulation
        self._work = work
        self._done = done
        self._over = False

    def go_on(self, answer: object) -> None:
        """Give the coroutine what it awaited, and wait for what it awaits next."""
        if self._over:
            return
        try:
            awaited = self._work.send(answer)
        except StopIteration as stop:
            self._over = True
            self._done(stop.value)
            return
        match awaited:
            case Until(moment):
                self._simulation.later(moment, self.go_on)
            case Performed(route):
                Process(self._simulation, route, self.go_on).go_on(None)

    def leave(self) -> None:
        """Stop reading, as a caller does who is cancelled; open streams are closed."""
        self._over = True
        self._work.close()
