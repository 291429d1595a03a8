"""Policies, driven by hand with a clock that the test moves."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tenacity import (
    stop_after_attempt,
    stop_after_delay,
    stop_before_delay,
    stop_never,
    wait_chain,
    wait_exponential,
    wait_fixed,
    wait_none,
)

from portkey_local.effects import Discard, Send, Sleep
from portkey_local.model import Answer, Call, Event, Failure, Fault, Reply, Request, Target
from portkey_local.policies.retry import (
    BACKOFF,
    DEFAULT_STATUS_CODES,
    RETRY_AFTER_STATUS_CODES,
    Retry,
    upper_half,
)
from portkey_local.policies.timeout import Timeout
from portkey_local.providers.openai import OpenAICodec
from portkey_local.strategies.fallback import Fallback
from portkey_local.strategies.single import Single

target = Target("config", "openai", "http://t", OpenAICodec())
other = Target("config.targets[1]", "openai", "http://u", OpenAICodec())
LEAF = Single(target)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Fixed:
    """A source of one number."""

    def __init__(self, draw: float) -> None:
        self._draw = draw

    def random(self) -> float:
        return self._draw


HIGHEST = 1.0 - 2**-53


def call(
    clock: Any = None, *, deadline: float = float("inf"), draw: float = 0.0, emit: Any = None
) -> Call:
    clock = clock or Clock()
    request = Request("POST", "/chat/completions", {"model": "m"})
    return Call(request, deadline, clock, Fixed(draw), started=clock(), emit=emit)


def retry(attempts: int, **options: Any) -> Retry:
    return Retry(LEAF, stop=stop_after_attempt(attempts + 1), **options)


def failure(status: int = 503, after: float | None = None, fault: Fault = Fault.STATUS) -> Failure:
    return Failure(target, fault, status, f"HTTP {status}", retry_after=after)


def reply(status: int = 200) -> Reply:
    return Reply(target, Answer(status, {}))


def drive(
    route: Any, answers: list[Any], clock: Clock | None = None, took: float = 0.0
) -> tuple[Any, list[Any]]:
    """Answer every send in turn, and let waits pass; return the outcome and the effects."""
    effects: list[Any] = []
    left = list(answers)
    answer: Any = None
    while True:
        try:
            effect = route.send(answer)
        except StopIteration as stop:
            assert not left, "the route asked for less than expected"
            return stop.value, effects
        effects.append(effect)
        answer = None
        if isinstance(effect, Send):
            answer = left.pop(0)
            if clock is not None:
                clock.now += took
        elif isinstance(effect, Sleep) and clock is not None:
            clock.now += effect.seconds


def waits(effects: list[Any]) -> list[float]:
    return [effect.seconds for effect in effects if isinstance(effect, Sleep)]


# --- what is retried


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_the_default_codes_are_retried(status):
    """By default 429, 500, 502, 503 and 504 are asked again."""
    outcome, effects = drive(retry(1).route(call()), [failure(status), reply()])
    assert outcome.status == 200
    assert [type(effect) for effect in effects] == [Send, Sleep, Send]
    assert frozenset({429, 500, 502, 503, 504}) == DEFAULT_STATUS_CODES


@pytest.mark.parametrize("status", [302, 400, 401, 404, 408, 422, 446, 501, 529])
def test_other_codes_are_not_retried(status):
    """By default nothing else is asked again: 408, 501 and 529 neither."""
    outcome, effects = drive(retry(3).route(call()), [failure(status)])
    assert outcome == failure(status)
    assert len(effects) == 1


def test_a_network_failure_is_retried_whatever_the_codes_say():
    """A network failure is asked again although 500 is not listed."""
    network = failure(500, fault=Fault.NETWORK)
    outcome, _ = drive(retry(1, on_status_codes=frozenset({429})).route(call()), [network, reply()])
    assert (outcome.status, outcome.retries) == (200, 1)


@pytest.mark.parametrize("fault", [Fault.MALFORMED, Fault.ERROR_EVENT, Fault.STATUS])
def test_other_failures_are_judged_by_their_status(fault):
    """A malformed answer or an error event counts as its status says."""
    for codes, sends in ((frozenset({429}), 1), (frozenset({500}), 2)):
        answers = [failure(500, fault=fault), reply()][:sends]
        _, effects = drive(retry(1, on_status_codes=codes).route(call()), answers)
        assert sum(isinstance(effect, Send) for effect in effects) == sends


def test_a_time_limit_is_retried_only_if_408_is_listed():
    """Our own time limit is a 408 to `on_status_codes`."""
    late = failure(408, fault=Fault.TIMEOUT)
    assert drive(retry(2).route(call()), [late])[0] == late
    outcome, _ = drive(retry(2, on_status_codes=frozenset({408})).route(call()), [late, reply()])
    assert outcome.retries == 1


def test_a_listed_2xx_is_retried_and_discarded():
    """A listed 200 is closed, waited after and asked again; used up, it is the outcome with -1."""
    again = retry(1, on_status_codes=frozenset({200}))
    outcome, effects = drive(again.route(call()), [reply(), reply()])
    assert [type(effect) for effect in effects] == [Send, Discard, Sleep, Send]
    assert isinstance(outcome, Reply)
    assert outcome.retries == -1


# --- counts


def test_the_count_is_of_retries_made():
    """Success on the third try tells 2; a first success tells 0."""
    outcome, _ = drive(retry(5).route(call()), [failure(), failure(), reply()])
    assert outcome.retries == 2
    assert drive(retry(5).route(call()), [reply()])[0].retries == 0


def test_used_up_attempts_count_as_minus_one():
    """When the last attempt is still retryable the count is -1, and the outcome is its own."""
    outcome, effects = drive(retry(2).route(call()), [failure(500), failure(502), failure(503)])
    assert (outcome.status, outcome.retries) == (503, -1)
    assert len(waits(effects)) == 2


@pytest.mark.parametrize(("codes", "count"), [({429}, 2), ({429, 500}, -1)])
def test_a_network_failure_that_used_up_the_attempts_counts_by_its_status(codes, count):
    """The last of only network failures tells -1 where 500 is listed, else the retries made."""
    answers = [failure(500, fault=Fault.NETWORK)] * 3
    route = retry(2, on_status_codes=frozenset(codes)).route(call())
    outcome, _ = drive(route, answers)
    assert outcome.retries == count


def test_a_failure_that_is_not_retried_keeps_the_count():
    """503 and then 400 tells 1: the retry ended, it was not used up."""
    outcome, _ = drive(retry(3).route(call()), [failure(503), failure(400)])
    assert (outcome.status, outcome.retries) == (400, 1)


@given(attempts=st.integers(0, 12))
def test_attempts_are_never_exceeded(attempts):
    """`attempts` retries are made at most; there is no other cap."""
    outcome, effects = drive(retry(attempts).route(call()), [failure()] * (attempts + 1))
    assert outcome.retries == -1
    assert len(waits(effects)) == attempts


# --- backoff


def test_the_steps_double_up_to_a_minute():
    """With the highest draw, the waits are 1, 2, 4 ... 32, then 60 s."""
    _, effects = drive(retry(9).route(call(draw=HIGHEST)), [failure()] * 10)
    assert waits(effects) == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])


@pytest.mark.parametrize(
    "judged",
    [
        failure(446, fault=Fault.GUARDRAIL),
        Reply(target, Answer(246, {}), {"hook_results": {}}),
    ],
)
def test_an_answer_that_our_guardrails_failed_is_not_waited_after(judged):
    """Its provider is in no trouble: it is asked again at once, and the steps begin anew."""
    again = retry(5, on_status_codes=frozenset({246, 446, 503}))
    answers = [failure(), failure(), judged, judged, failure(), reply()]
    outcome, effects = drive(again.route(call(draw=HIGHEST)), answers)
    assert waits(effects) == pytest.approx([1, 2, 0, 0, 1])
    assert outcome.retries == 5


def test_a_provider_of_such_statuses_is_waited_after():
    """446 and 246 of a provider's own are statuses like any other."""
    again = retry(2, on_status_codes=frozenset({246, 446}))
    answers = [failure(446), Reply(target, Answer(246, {}), {}), reply()]
    _, effects = drive(again.route(call(draw=HIGHEST)), answers)
    assert waits(effects) == pytest.approx([1, 2])


def test_the_least_draw_waits_half_a_step():
    """With the least draw, each wait is half of its step."""
    _, effects = drive(retry(4).route(call(draw=0.0)), [failure()] * 5)
    assert waits(effects) == [0.5, 1.0, 2.0, 4.0]


@given(step=st.floats(0, 60), seed=st.integers())
def test_jitter_stays_in_the_upper_half(step, seed):
    """A jittered wait lies between half of its step and the whole."""
    assert step / 2 <= upper_half(step, random.Random(seed)) <= step


def test_equal_seeds_wait_equally():
    """The draws are the call's own, so a run can be repeated."""

    def run(seed: int) -> list[float]:
        this = dataclasses.replace(call(), rng=random.Random(seed))
        return waits(drive(retry(5).route(this), [failure()] * 6)[1])

    assert run(3) == run(3)
    assert run(3) != run(4)


# --- Retry-After

HONOURING = {"use_retry_after": True}


@pytest.mark.parametrize("status", sorted(RETRY_AFTER_STATUS_CODES))
def test_retry_after_is_waited_exactly(status):
    """On 429, 503 and 529 the wait is what was asked for, without jitter."""
    this = retry(1, on_status_codes=frozenset({status}), **HONOURING)
    _, effects = drive(this.route(call(draw=0.7)), [failure(status, 7.25), reply()])
    assert waits(effects) == [7.25]


def test_retry_after_of_zero_asks_again_at_once():
    """Retry-After: 0 is honoured, as a wait of nothing."""
    _, effects = drive(retry(1, **HONOURING).route(call()), [failure(429, 0.0), reply()])
    assert waits(effects) == [0.0]


def test_without_the_flag_retry_after_is_not_read():
    """The wait is the backoff's own when the config does not ask for the header."""
    _, effects = drive(retry(1).route(call()), [failure(429, 30.0), reply()])
    assert waits(effects) == [0.5]


@pytest.mark.parametrize("status", [500, 502, 504])
def test_on_other_statuses_retry_after_is_not_read(status):
    """A 500 with Retry-After waits by the backoff."""
    _, effects = drive(retry(1, **HONOURING).route(call()), [failure(status, 30.0), reply()])
    assert waits(effects) == [0.5]


@pytest.mark.parametrize("asked", [60.0, 61.0, 1e9, float("inf")])
def test_a_minute_or_more_gives_up_at_once(asked):
    """A wait of 60 s or more ends the retries without a wait, with count -1."""
    events: list[Event] = []
    this = retry(3, **HONOURING).route(call(emit=events.append))
    outcome, effects = drive(this, [failure(429, asked)])
    assert outcome.retries == -1
    assert len(effects) == 1
    assert [event.name for event in events] == ["retry.exhausted"]


def test_just_under_a_minute_is_waited():
    """59.9 s is waited."""
    _, effects = drive(retry(1, **HONOURING).route(call()), [failure(429, 59.9), reply()])
    assert waits(effects) == [59.9]


def test_the_budget_is_a_minute_for_the_call():
    """Waits of 20 and 40 s use up the budget exactly; one more second is too much."""
    this = retry(9, **HONOURING)
    outcome, effects = drive(
        this.route(call()), [failure(429, 20.0), failure(429, 40.0), failure(429, 1.0)]
    )
    assert waits(effects) == [20.0, 40.0]
    assert outcome.retries == -1


def test_a_wait_beyond_what_is_left_of_the_budget_gives_up():
    """After 20 s, 50 s is past what is left."""
    this = retry(9, **HONOURING)
    outcome, effects = drive(this.route(call()), [failure(429, 20.0), failure(429, 50.0)])
    assert waits(effects) == [20.0]
    assert outcome.retries == -1


def test_backoff_does_not_use_the_budget():
    """Only waits that were asked for count; the backoff goes on from its own step after one."""
    this = retry(9, **HONOURING)
    answers = [failure(503), failure(429, 50.0), failure(503), failure(429, 10.0), reply()]
    outcome, effects = drive(this.route(call()), answers)
    assert waits(effects) == [0.5, 50.0, 2.0, 10.0]
    assert outcome.retries == 4


def test_each_target_has_a_budget_of_its_own():
    """A fallback's second target may be waited for although the first one's budget is spent."""
    second = Retry(Single(other), stop=stop_after_attempt(2), use_retry_after=True)
    both = Fallback((retry(1, **HONOURING), second))
    answers = [
        failure(429, 50.0),
        failure(429, 50.0),
        dataclasses.replace(failure(429, 50.0), target=other),
        reply(),
    ]
    _, effects = drive(both.route(call()), answers)
    assert waits(effects) == [50.0, 50.0]


def test_a_wait_that_was_asked_for_uses_an_attempt():
    """Retry-After does not add attempts."""
    outcome, effects = drive(
        retry(1, **HONOURING).route(call()), [failure(429, 1.0), failure(429, 1.0)]
    )
    assert waits(effects) == [1.0]
    assert outcome.retries == -1


# --- the deadline


def test_no_wait_that_would_outlast_the_deadline():
    """When the wait would end at the deadline or later, the retries are over, with count -1."""
    for deadline, sends in ((0.5, 1), (0.4, 1), (0.51, 2)):
        answers = [failure(), reply()][:sends]
        outcome, effects = drive(retry(3).route(call(deadline=deadline)), answers)
        assert sum(isinstance(effect, Send) for effect in effects) == sends
        assert outcome.retries == (1 if sends == 2 else -1)


def test_the_deadline_counts_what_the_attempts_took():
    """The clock is read when an attempt has ended."""
    clock = Clock()
    outcome, effects = drive(
        retry(9).route(call(clock, deadline=10.0)), [failure()] * 3, clock, took=3.0
    )
    # 3 + 0.5 + 3 + 1 + 3 = 10.5: the third wait could not be followed by an attempt.
    assert waits(effects) == [0.5, 1.0]
    assert outcome.retries == -1


def test_an_honoured_wait_keeps_the_deadline_too():
    """A wait that the provider asks for does not outlast the deadline either."""
    outcome, effects = drive(retry(3, **HONOURING).route(call(deadline=5.0)), [failure(429, 5.0)])
    assert waits(effects) == []
    assert outcome.retries == -1


# --- the user's own stop and wait objects


def test_stop_after_delay_is_on_the_calls_clock():
    """tenacity's stop_after_delay counts from the beginning of the call, in its own time."""
    clock = Clock()
    clock.now = 1000.0
    this = Retry(LEAF, stop=stop_after_delay(10), wait=wait_fixed(1), jitter=lambda step, _: step)
    outcome, effects = drive(this.route(call(clock)), [failure()] * 4, clock, took=2.0)
    # Attempts end at 2, 5, 8 and 11 s.
    assert waits(effects) == [1.0, 1.0, 1.0]
    assert outcome.retries == -1


def test_stops_are_combined_with_or():
    """stop_after_delay(...) | stop_after_attempt(...) ends at whichever comes first."""
    for took, sends in ((0.0, 3), (9.0, 2)):
        clock = Clock()
        stop = stop_after_delay(10) | stop_after_attempt(3)
        this = Retry(LEAF, stop=stop, wait=wait_none())
        outcome, effects = drive(this.route(call(clock)), [failure()] * sends, clock, took=took)
        assert len(waits(effects)) == sends - 1
        assert outcome.retries == -1


def test_stops_are_combined_with_and():
    """stop_after_delay(...) & stop_after_attempt(...) ends when both have come."""
    clock = Clock()
    stop = stop_after_delay(10) & stop_after_attempt(2)
    this = Retry(LEAF, stop=stop, wait=wait_fixed(4), jitter=lambda step, _: step)
    outcome, effects = drive(this.route(call(clock)), [failure()] * 4, clock)
    assert len(waits(effects)) == 3  # 0, 4, 8, 12 s
    assert outcome.retries == -1


def test_a_stop_that_looks_ahead_knows_the_wait():
    """stop_before_delay stops before a wait that would pass its limit: it must be told the wait."""
    clock = Clock()
    this = Retry(LEAF, stop=stop_before_delay(10), wait=wait_fixed(4), jitter=lambda step, _: step)
    _, effects = drive(this.route(call(clock)), [failure()] * 3, clock)
    assert waits(effects) == [4.0, 4.0]


def test_stop_never_goes_on_to_the_deadline():
    """Without a stop the deadline ends the retries."""
    clock = Clock()
    this = Retry(LEAF, stop=stop_never, wait=wait_fixed(1), jitter=lambda step, _: step)
    outcome, _ = drive(this.route(call(clock, deadline=5.0)), [failure()] * 5, clock)
    assert outcome.retries == -1


def test_waits_are_tenacitys():
    """A chain of waits is followed, and jitter can be left out."""
    wait = wait_chain(wait_fixed(3), wait_fixed(5), wait_exponential(multiplier=10))
    this = Retry(LEAF, stop=stop_after_attempt(4), wait=wait, jitter=lambda step, _: step)
    _, effects = drive(this.route(call()), [failure()] * 4)
    assert waits(effects) == [3, 5, 40]


def test_calls_do_not_share_a_state():
    """One policy serves calls that overlap, each with its own count."""
    policy = retry(1)
    one, two = policy.route(call()), policy.route(call())
    next(one)
    next(two)
    assert isinstance(one.send(failure()), Sleep)
    assert isinstance(two.send(failure()), Sleep)
    assert isinstance(one.send(None), Send)
    with pytest.raises(StopIteration) as stop:
        one.send(failure())
    assert stop.value.value.retries == -1
    assert isinstance(two.send(None), Send)
    with pytest.raises(StopIteration) as stop:
        two.send(reply())
    assert stop.value.value.retries == 1


def test_scheduled_retries_are_reported_with_their_wait():
    """`retry.scheduled` tells the status and the wait; `retry.exhausted` why it ends."""
    events: list[Event] = []
    drive(retry(1).route(call(emit=events.append)), [failure(503), failure(502)])
    first, last = events
    assert (first.name, first.status, first.wait, first.target) == (
        "retry.scheduled",
        503,
        0.5,
        "config",
    )
    assert (last.name, last.status, last.reason) == ("retry.exhausted", 502, "attempts used up")


def test_the_defaults():
    """The defaults are the reference's codes and steps, capped at a minute."""
    assert BACKOFF.max == 60
    assert retry(1).use_retry_after is False
    assert retry(1).on_status_codes is DEFAULT_STATUS_CODES


# --- timeout


def test_a_timeout_narrows_the_deadline():
    """The inner route gets so many seconds from now."""
    clock = Clock()
    clock.now = 100.0
    route = Timeout(LEAF, 2.5).route(call(clock))
    assert next(route).call.deadline == 102.5


def test_a_timeout_never_gives_more_than_the_call_has_left():
    """A longer time limit does not move the call's own deadline."""
    route = Timeout(LEAF, 60.0).route(call(deadline=3.0))
    assert next(route).call.deadline == 3.0


def test_each_attempt_gets_the_whole_time_limit():
    """Inside a retry the limit holds for one attempt, and begins anew for the next."""
    clock = Clock()
    policy = Retry(Timeout(LEAF, 1.0), stop=stop_after_attempt(3), on_status_codes=frozenset({408}))
    late = failure(408, fault=Fault.TIMEOUT)
    _, effects = drive(policy.route(call(clock)), [late, late, reply()], clock, took=1.0)
    deadlines = [effect.call.deadline for effect in effects if isinstance(effect, Send)]
    assert deadlines == [1.0, 1.0 + 0.5 + 1.0, 2.5 + 1.0 + 1.0]


def test_a_timeout_shares_the_trail_of_its_call():
    """What is tried under a narrowed deadline is on the call's own trail."""
    this = call()
    effect = next(Timeout(LEAF, 1.0).route(this))
    assert effect.call is not this
    assert effect.call.trail is this.trail


def test_a_timeout_around_a_group_ends_its_fallback():
    """When a group's time is up, no further target of it is asked."""
    clock = Clock()
    group = Timeout(Fallback((LEAF, Single(other))), 1.0)
    late = failure(408, fault=Fault.TIMEOUT)
    outcome, effects = drive(group.route(call(clock)), [late], clock, took=1.0)
    assert outcome is late
    assert len(effects) == 1
