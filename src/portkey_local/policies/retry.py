"""Retry: ask again, after a wait.

What is retried: an outcome whose status is in `on_status_codes` (a listed 2xx too), and every
network failure; a request that could not be sent at all never is. The waits are 1, 2, 4 ... s, at
most 60 s, each drawn from the upper half of its step, so that callers that failed together do not
return together. After an answer that our own guardrails failed there is no wait, and the steps
begin anew: its provider is in no trouble. `Retry-After` is honoured where `use_retry_after` says
so, on 429, 503 and 529: a wait of 60 s or more, or past what is left of 60 s of such waits, gives
up at once. No wait outlasts the call's deadline. A target whose circuit has opened meanwhile is not
asked again.

Defaults: codes 429, 500, 502, 503, 504 (the Portkey gateway's); step and cap above. `stop` and
`wait` are tenacity's objects, any of them; tenacity's own loop is not used because it reads a
clock and draws from a random source of its own, and a simulated run needs both to be the call's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tenacity import RetryCallState, wait_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from portkey_local.effects import Discard, Gate, Route, Router, Sleep, turned_away
from portkey_local.model import Call, Failure, Fault, Outcome, Reply, Rng

DEFAULT_STATUS_CODES = frozenset({429, 500, 502, 503, 504})
RETRY_AFTER_STATUS_CODES = frozenset({429, 503, 529})
RETRY_AFTER_BUDGET = 60.0
DECIDED = (Fault.NETWORK, Fault.OPEN, Fault.ROUTING)  # whatever the codes say
SOFT_FAILED = 246
BACKOFF = wait_exponential(multiplier=1, max=60)


def upper_half(step: float, rng: Rng) -> float:
    """Draw a wait from the upper half of a backoff step, in seconds."""
    return step * (1.0 + rng.random()) / 2.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask the inner route again after a failure that may pass."""

    inner: Router
    stop: stop_base
    wait: wait_base = BACKOFF
    on_status_codes: frozenset[int] = DEFAULT_STATUS_CODES
    use_retry_after: bool = False
    jitter: Callable[[float, Rng], float] = upper_half
    gate: Gate | None = None

    def route(self, call: Call) -> Route[Outcome]:
        """Return the first outcome that needs no retry, or the last one."""
        outcome = yield from self.inner.route(call)
        if not self.retries(outcome):
            return outcome
        return (yield from self._again(call, outcome))

    def retries(self, outcome: Outcome) -> bool:
        """Whether `outcome` is worth another attempt."""
        if isinstance(outcome, Failure) and outcome.fault in DECIDED:
            return outcome.fault is Fault.NETWORK
        return outcome.status in self.on_status_codes

    def _again(self, call: Call, outcome: Outcome) -> Route[Outcome]:
        state = _state(call)
        budget, judged = RETRY_AFTER_BUDGET, 0
        while True:
            state.outcome_timestamp = call.clock()
            judged = state.attempt_number if failed_by_guardrails(outcome) else judged
            wait, spent = self._wait(_since(judged, state), outcome, call.rng, budget)
            state.upcoming_sleep = wait or 0.0
            if self.stop(state):
                return self._used_up(call, outcome, state.attempt_number - 1)
            if wait is None:
                return self._give_up(call, outcome, "Retry-After asks for too long a wait")
            if call.clock() + wait >= call.deadline:
                return self._give_up(call, outcome, "the wait would outlast the deadline")
            if self._circuit_open(call):
                return self._give_up(call, outcome, "the circuit is open")
            budget -= spent
            asking = yield from self._leave(call, outcome)
            call.report("retry.scheduled", outcome.target, status=outcome.status, wait=wait)
            yield from Sleep(wait)
            retries = state.attempt_number
            state.attempt_number += 1
            state.idle_for += wait
            following = yield from self.inner.route(asking)
            if turned_away(following):  # the circuit opened during the wait
                return self._give_up(call, outcome, "the circuit is open")
            outcome = following
            if not self.retries(outcome):
                return replace(outcome, retries=retries)

    def _circuit_open(self, call: Call) -> bool:
        return self.gate is not None and not call.bypass and self.gate.blocked(call)

    def _leave(self, call: Call, outcome: Outcome) -> Route[Call]:
        """Leave an outcome for another attempt; return the call as that one alone gets it."""
        if not isinstance(outcome, Reply):
            return call
        yield from Discard(call, outcome)
        # A discarded reply cannot be returned any more, so the attempt must not be turned away.
        return call if self.gate is None else replace(call, bypass=True)

    def _used_up(self, call: Call, outcome: Outcome, retries: int) -> Outcome:
        """Return the last outcome; a network failure whose status is not listed tells its count."""
        ended = self._give_up(call, outcome, "attempts used up")
        return ended if outcome.status in self.on_status_codes else replace(ended, retries=retries)

    def _give_up(self, call: Call, outcome: Outcome, reason: str) -> Outcome:
        call.report("retry.exhausted", outcome.target, status=outcome.status, reason=reason)
        return replace(outcome, retries=-1)

    def _wait(
        self, state: RetryCallState, outcome: Outcome, rng: Rng, budget: float
    ) -> tuple[float | None, float]:
        """Return the wait in seconds (None: too long) and what it takes from the budget."""
        if state.attempt_number == 0:  # the last answer was good, but for our own guardrails
            return 0.0, 0.0
        if self.use_retry_after and isinstance(outcome, Failure):
            asked = outcome.retry_after
            if asked is not None and outcome.status in RETRY_AFTER_STATUS_CODES:
                return (None if asked >= RETRY_AFTER_BUDGET or asked > budget else asked), asked
        return self.jitter(self.wait(state), rng), 0.0


def failed_by_guardrails(outcome: Outcome) -> bool:
    """Whether a target's answer was good, and our own guardrails did not like it."""
    if isinstance(outcome, Failure):
        return outcome.fault is Fault.GUARDRAIL
    told = outcome.stream is not None or (
        isinstance(outcome.data, dict) and "hook_results" in outcome.data
    )
    return told and outcome.status == SOFT_FAILED


def _since(attempts: int, state: RetryCallState) -> RetryCallState:
    """Return the record as it would be without the first so many attempts."""
    if not attempts:
        return state
    later = copy.copy(state)
    later.attempt_number -= attempts
    return later


def _state(call: Call) -> RetryCallState:
    """Return tenacity's record of a call, on the call's own clock."""
    nothing: Any = (
        None  # its fields for the retried function, which stop and wait objects do not read
    )
    state = RetryCallState(nothing, nothing, (), {})
    state.start_time = call.started
    return state
