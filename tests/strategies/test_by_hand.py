"""Strategies, driven by hand: no loop, no wire, no clock that moves by itself."""

from __future__ import annotations

import random
from typing import Any

import pytest

from portkey_local.effects import Discard, Send
from portkey_local.model import Answer, Call, Event, Failure, Fault, Reply, Request, Target
from portkey_local.providers.openai import OpenAICodec
from portkey_local.strategies.fallback import Fallback
from portkey_local.strategies.loadbalance import LoadBalance
from portkey_local.strategies.single import Single

CODEC = OpenAICodec()


def target(name: str) -> Target:
    return Target(name, "openai", f"http://{name}", CODEC)


a, b, c = target("a"), target("b"), target("c")
A, B, C = Single(a), Single(b), Single(c)


class Fixed:
    """Random numbers that are known beforehand."""

    def __init__(self, *draws: float) -> None:
        self._draws = list(draws)

    def random(self) -> float:
        return self._draws.pop(0)


def call(*, now: float = 0.0, deadline: float = 100.0, rng: Any = None, emit: Any = None) -> Call:
    request = Request("POST", "/chat/completions", {"model": "m"})
    return Call(request, deadline, lambda: now, rng or random.Random(0), emit=emit)


def reply(at: Target, status: int = 200, stream: Any = None) -> Reply:
    return Reply(at, Answer(status, {}), stream=stream)


def failure(at: Target | None, status: int, fault: Fault = Fault.STATUS) -> Failure:
    return Failure(at, fault, status, f"HTTP {status}")


def returned(route: Any, answer: Any) -> Any:
    """Send the last answer into a route; return what the route returns."""
    with pytest.raises(StopIteration) as stop:
        route.send(answer)
    return stop.value.value


# --- single


def test_single_asks_once_and_returns_what_came():
    """A single target's outcome is the call's, whatever it is."""
    this = call()
    route = Single(a).route(this)
    effect = next(route)
    assert effect == Send(this, a)
    assert returned(route, failure(a, 500)) == failure(a, 500)


# --- fallback


def test_fallback_moves_on_after_a_429():
    """A 429 from the first target sends the call to the second."""
    route = Fallback((A, B)).route(call())
    assert next(route).target is a
    assert route.send(failure(a, 429)).target is b
    assert returned(route, reply(b)) == reply(b)


def test_fallback_stops_at_the_first_reply():
    """The first reply is the outcome, and nobody else is asked."""
    route = Fallback((A, B, C)).route(call())
    next(route)
    assert returned(route, reply(a)) == reply(a)


@pytest.mark.parametrize("status", [200, 201, 204, 206, 226, 246])
def test_without_codes_any_2xx_is_accepted(status):
    """Without `on_status_codes` every 2xx ends the search, 246 too."""
    route = Fallback((A, B)).route(call())
    next(route)
    assert returned(route, reply(a, status)).status == status


@pytest.mark.parametrize("status", [302, 304, 400, 401, 404, 408, 422, 429, 446, 500, 529])
def test_without_codes_every_failure_moves_on(status):
    """Without `on_status_codes` every failure falls over."""
    route = Fallback((A, B)).route(call())
    next(route)
    assert route.send(failure(a, status)).target is b


@pytest.mark.parametrize("fault", list(Fault))
def test_without_codes_the_kind_of_a_failure_does_not_matter(fault):
    """A time limit, the network, a malformed answer, an error event and routing all fall over."""
    route = Fallback((A, B)).route(call())
    next(route)
    assert route.send(failure(a, 500, fault)).target is b


def test_with_codes_an_unlisted_error_is_the_outcome():
    """With `on_status_codes`, an error that is not listed is returned at once."""
    route = Fallback((A, B), frozenset({429})).route(call())
    next(route)
    assert returned(route, failure(a, 500)).status == 500


def test_with_codes_a_time_limit_needs_408():
    """A time limit counts as 408, a network failure as 500; each must be listed to fall over."""
    for code, fault in ((408, Fault.TIMEOUT), (500, Fault.NETWORK)):
        route = Fallback((A, B), frozenset({code})).route(call())
        next(route)
        assert route.send(failure(a, code, fault)).target is b
        route = Fallback((A, B), frozenset({429})).route(call())
        next(route)
        assert returned(route, failure(a, code, fault)).fault is fault


def test_no_codes_at_all_never_move_on():
    """An empty `on_status_codes` never falls over."""
    route = Fallback((A, B), frozenset()).route(call())
    next(route)
    assert returned(route, failure(a, 503)).status == 503


def test_a_listed_200_moves_on_and_is_discarded():
    """A listed 200 is closed before the next target is asked."""
    route = Fallback((A, B), frozenset({200})).route(call())
    next(route)
    first = reply(a, stream="open")
    effect = route.send(first)
    assert isinstance(effect, Discard)
    assert effect.reply is first
    assert route.send(None).target is b
    # The last target's outcome is the call's, although it is listed too.
    assert returned(route, reply(b)) == reply(b)


def test_a_failure_is_not_discarded():
    """A failure holds nothing that could be closed."""
    route = Fallback((A, B)).route(call())
    next(route)
    assert isinstance(route.send(failure(a, 500)), Send)


def test_when_all_fail_the_last_outcome_is_the_calls():
    """The last target's own failure is returned, unchanged."""
    route = Fallback((A, B, C)).route(call())
    next(route)
    route.send(failure(a, 500))
    route.send(failure(b, 429))
    last = failure(c, 401)
    assert returned(route, last) is last


def test_a_group_is_judged_by_its_outcome():
    """An inner fallback that stops at an unlisted error is a failure to the outer one."""
    inner = Fallback((A, B), frozenset({429}), "config.targets[0]")
    route = Fallback((inner, C)).route(call())
    assert next(route).target is a
    assert route.send(failure(a, 500)).target is c


def test_past_the_deadline_nobody_else_is_asked():
    """When the call's time is up, its last outcome stands."""
    events: list[Event] = []
    route = Fallback((A, B)).route(call(now=5.0, deadline=5.0, emit=events.append))
    next(route)
    timed_out = failure(a, 408, Fault.TIMEOUT)
    assert returned(route, timed_out) is timed_out
    assert [event.name for event in events] == ["fallback.stopped"]


def test_moving_on_is_reported_with_where_to():
    """`fallback.moved` names the status that was left and the target that comes next."""
    events: list[Event] = []
    route = Fallback((A, B), None, "config.targets[3]").route(call(emit=events.append))
    next(route)
    route.send(failure(a, 529))
    (event,) = events
    assert (event.name, event.status, event.target) == ("fallback.moved", 529, "a")
    assert event.reason == "to config.targets[3].targets[1]"


def test_a_fallback_without_targets_is_a_mistake_of_ours():
    """The config refuses empty targets; a hand-made empty fallback says what is wrong."""
    with pytest.raises(ValueError, match="at least one target"):
        next(Fallback(()).route(call()))


def test_a_route_can_be_left_at_any_effect():
    """Closing a route ends it without another effect."""
    route = Fallback((A, B)).route(call())
    next(route)
    route.close()
    with pytest.raises(StopIteration):
        next(route)


def test_a_strategy_is_shared_by_calls_that_overlap():
    """Two routes of one fallback do not know each other."""
    fallback = Fallback((A, B))
    one, two = fallback.route(call()), fallback.route(call())
    assert next(one).target is a
    assert next(two).target is a
    assert one.send(failure(a, 500)).target is b
    assert returned(two, reply(a)) == reply(a)
    assert returned(one, reply(b)) == reply(b)


# --- loadbalance


@pytest.mark.parametrize(
    ("draw", "index"),
    [(0.0, 0), (0.0999, 0), (0.1, 1), (0.5999, 1), (0.6, 3), (0.999999, 3)],
)
def test_the_pick_is_the_first_whose_running_sum_exceeds_the_draw(draw, index):
    """Weights 1, 5, 0, 4: the intervals are half open, and weight 0 has none."""
    assert LoadBalance((), (1.0, 5.0, 0.0, 4.0)).pick(draw) == index


def test_weights_need_not_add_up_to_one():
    """30 and 10 share as 3 to 1."""
    balance = LoadBalance((), (30.0, 10.0))
    assert balance.pick(0.7499) == 0
    assert balance.pick(0.75) == 1


@pytest.mark.parametrize("weights", [(0.0, 1.0), (1.0, 0.0), (0.0, 1.0, 0.0), (0.1, 0.2, 0.7, 0.0)])
def test_the_ends_of_the_range_pick_a_weighted_target(weights):
    """Neither the least nor the greatest draw, nor rounding, ever picks a weight of 0."""
    balance = LoadBalance((), weights)
    for draw in (0.0, 1.0 - 2**-53, 0.5):
        assert weights[balance.pick(draw)] > 0


def test_loadbalance_draws_once_and_does_not_fail_over():
    """The picked target's failure is the call's; one draw is taken for each call."""
    balance = LoadBalance((A, B), (1.0, 1.0))
    route = balance.route(call(rng=Fixed(0.9)))  # a second draw would raise
    assert next(route).target is b
    assert returned(route, failure(b, 500)).status == 500


def test_loadbalance_inside_fallback_is_one_target():
    """A balanced group that fails is left as a whole."""
    route = Fallback((LoadBalance((A, B), (1.0, 1.0)), C)).route(call(rng=Fixed(0.0)))
    assert next(route).target is a
    assert route.send(failure(a, 500)).target is c
