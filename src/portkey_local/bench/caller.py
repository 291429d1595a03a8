"""One caller in a simulated run: what he asks, how long he waits, and what becomes of his call."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from portkey_local.bench.chance import Draws
from portkey_local.bench.recorder import RecorderState
from portkey_local.bench.records import CacheUse, Ending
from portkey_local.bench.sites import Site
from portkey_local.drivers.processes import Process, Reading
from portkey_local.drivers.simulated import Simulation
from portkey_local.drivers.streams import StreamBroken
from portkey_local.model import DISABLED, Failure, Fault, Outcome, Reply

__all__ = ["Caller", "CallersDraws"]

ENDINGS: Final = {
    Fault.STATUS: Ending.STATUS,
    Fault.TIMEOUT: Ending.TIMEOUT,
    Fault.NETWORK: Ending.NETWORK,
    Fault.OPEN: Ending.NOWHERE,
    Fault.ROUTING: Ending.NOWHERE,
    Fault.GUARDRAIL: Ending.DENIED,
}
NAMES: Final = {  # of what x-portkey-cache-status says; anything else is a miss
    DISABLED: CacheUse.DISABLED,
    "HIT": CacheUse.HIT,
    "STALE": CacheUse.HIT,
    "SEMANTIC HIT": CacheUse.SEMANTIC_HIT,
    "REFRESH": CacheUse.REFRESH,
}
HITS: Final = (CacheUse.HIT, CacheUse.SEMANTIC_HIT)
NOTHING: Final = math.nan


class Caller:
    """A call that is under way. `over` is called when it is written down."""

    __slots__ = (
        "_attempts",
        "_cost",
        "_last",
        "_over",
        "_recorder",
        "_row",
        "_simulation",
        "_site",
        "_stream",
        "_tried",
        "_ttft",
        "_under_way",
        "answer",
        "begun",
        "completion_tokens",
        "leaves_at",
        "number",
        "prompt_tokens",
        "trace_id",
    )

    def __init__(
        self,
        number: int,
        simulation: Simulation,
        recorder: RecorderState,
        over: Callable[[], None],
        *,
        sizes: tuple[int, int],
        answer: str,
        leaves_at: float,
    ) -> None:
        """Arrive now; `sizes` are the tokens of the prompt and of its one right `answer`.

        An empty answer stands for any: then nobody on the way looks at it.
        """
        self.number = number
        self.trace_id = str(number)
        self.prompt_tokens, self.completion_tokens = sizes
        self.answer = answer
        self.begun = simulation.now
        self.leaves_at = leaves_at
        self._under_way: Process | Reading | None = None
        self._simulation = simulation
        self._recorder = recorder
        self._over: Callable[[], None] | None = over
        self._tried: dict[str, int] = {}
        self._attempts = 0
        self._cost = self._last = 0.0
        self._row = -1
        self._site: Site | None = None
        self._stream = (0.0, 0.0, 0)
        self._ttft = NOTHING

    @property
    def patience_until(self) -> float:
        """When the caller hangs up; who has got his answer does not."""
        return math.inf if self._over is None else self.leaves_at

    # --- what the world tells

    def next_attempt(self, identity: str) -> int:
        """Return how often the call has tried a provider's model before, and count this time."""
        number = self._tried.get(identity, 0)
        self._tried[identity] = number + 1
        self._attempts += 1
        return number

    def billed(self, row: int, site: Site, cost: float) -> None:
        """Hear what the latest attempt costs, unless somebody leaves its stream early."""
        if self._over is None:  # what goes on beside a call may outlive it
            self._recorder.spent_later(self.number, cost)
            return
        self._row, self._site, self._last = row, site, cost
        self._cost += cost

    def streams(self, begin: float, seconds: float, tokens: int) -> None:
        """Hear when the latest attempt's tokens come."""
        self._stream = begin, seconds, tokens

    # --- what becomes of the call

    def on_its_way(self, process: Process) -> None:
        """Keep the call's route, unless it is over: its answer is being read, or has been."""
        if self._over is not None and self._under_way is None:
            self._under_way = process

    def done(self, outcome: Outcome) -> None:
        """Take the router's outcome, and read its stream."""
        if isinstance(outcome, Failure):
            network = outcome.fault is Fault.NETWORK
            ending = ENDINGS.get(outcome.fault, Ending.OTHER)
            status = 0 if network else outcome.status
            self._finish(
                ending, status, self._place(outcome), NAMES.get(outcome.cache, CacheUse.MISS)
            )
            return
        self._ttft = self._simulation.now - self.begun
        if outcome.stream is None:
            self._answered(outcome, [outcome.data])
            return
        reading = self._simulation.read(
            _read(outcome.stream), lambda parts: self._read_to_the_end(outcome, parts)
        )
        if self._over is not None:
            self._under_way = reading

    def _read_to_the_end(self, reply: Reply, parts: list[Any] | None) -> None:
        if parts is None:
            self._finish(
                Ending.INTERRUPTED, 0, self._place(reply), NAMES.get(reply.cache, CacheUse.MISS)
            )
        else:
            self._answered(reply, parts)

    def _answered(self, reply: Reply, parts: list[Any]) -> None:
        cache = NAMES.get(reply.cache, CacheUse.MISS)
        hit = cache in HITS
        wrong = hit and not "".join(map(_said, parts)).startswith(self.answer)
        target = -1 if hit else self._place(reply)
        self._finish(Ending.SUCCEEDED, reply.status, target, cache, wrong=wrong)

    def leave(self, _: object = None) -> None:
        """Leave, unless the call is over: the route, or the stream, is closed as it is live."""
        if self._over is None:
            return
        if self._under_way is not None:
            self._under_way.leave()
        begin, seconds, tokens = self._stream
        if isinstance(self._under_way, Reading) and self._site is not None and seconds > 0:
            share = min(1.0, (self._simulation.now - begin) / seconds)
            cost = self._site.paid.cost(self.prompt_tokens, tokens * share)
            self._recorder.reprice(self._row, cost)
            self._cost += cost - self._last
        self._finish(Ending.ABANDONED, 0, -1)

    def _finish(
        self,
        ending: Ending,
        status: int,
        target: int,
        cache: CacheUse = CacheUse.DISABLED,
        *,
        wrong: bool = False,
    ) -> None:
        bought = self._last if ending is Ending.SUCCEEDED and cache not in HITS else 0.0
        recorder, number = self._recorder, self.number
        total, cost = self._simulation.now - self.begun, self._cost
        recorder.took(number, self._ttft, total, cost, cost - bought)
        recorder.ended(number, status, ending, target, self._attempts, cache)
        if wrong:
            recorder.wrong(number)
        self._under_way = None  # it knows its caller: what is in no circle is freed at once
        over, self._over = self._over, None
        if over is not None:
            over()

    def _place(self, outcome: Outcome) -> int:
        """Return the target of an outcome: of a provider's, the one that was asked last."""
        return -1 if self._site is None or outcome.target is None else self._site.number


class CallersDraws(Draws):
    """A call's random numbers, which know whose they are: also of what goes on beside the call."""

    __slots__ = ("caller",)

    def __init__(self, key: int, number: int, caller: Caller) -> None:
        """Take the key that all calls share, the number of this one, and its caller."""
        super().__init__(key, number)
        self.caller = caller


async def _read(stream: Any) -> list[Any] | None:
    """Read a stream to its end, as a client does; return its parts, or None where it broke."""
    try:
        return [event.data async for event in stream]
    except StreamBroken:
        return None
    finally:
        await stream.close()


def _said(data: Any) -> str:
    """Return the text of a whole answer, or what one event of a stream adds to it."""
    try:
        choice = data["choices"][0]
        return str((choice.get("delta") or choice["message"])["content"] or "")
    except (KeyError, IndexError, TypeError, AttributeError):
        return ""
