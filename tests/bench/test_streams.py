"""Streams, limits and callers who leave, in virtual time: as the live client meets them."""

from __future__ import annotations

import gc
import math

import pytest
from tests.bench.worlds import fallback, quick, weather, workload

from portkey_local.bench import CacheUse, Ending, Run, run, running
from portkey_local.bench.events import LAST, MORE, first_event, reader_of
from portkey_local.providers.sse import SseReader

ONE = workload(1)
PRICE = {"input_per_million": 1e6, "output_per_million": 1e6}  # a dollar a token


def only(result: Run) -> dict[str, float]:
    """Return the one call of a run as a row."""
    calls = result.calls
    names = ("ttft_s", "total_s", "status", "ending", "target", "attempts")
    money = ("cost_usd", "wasted_cost_usd")
    return {name: getattr(calls, name)[0].item() for name in (*names, *money)}


def played(*first: dict[str, object], second: list[dict[str, object]] | None = None) -> dict:
    """Return a weather in which OpenAI plays a script, and Groq another one."""
    other = second or [{"after": 0.5, "rest": 1.0}]
    priced = {"price": PRICE}
    return {
        "providers": {
            "openai": {"script": list(first), **priced},
            "groq": {"script": other, **priced},
        }
    }


def test_the_first_token_and_the_last_come_when_the_provider_sends_them():
    """A stream's time to first token is the attempt's, and its end the last token's."""
    row = only(run({"provider": "openai"}, ONE, quick(), seed=1))
    assert (row["ttft_s"], row["total_s"]) == (pytest.approx(1.0), pytest.approx(2.0))
    assert row["ending"] == Ending.SUCCEEDED


def test_a_whole_answer_comes_at_once_at_its_end():
    """Without a stream the first token is the last one."""
    row = only(run({"provider": "openai"}, {**ONE, "stream": False}, quick(), seed=1))
    assert row["ttft_s"] == row["total_s"] == pytest.approx(2.0)


def test_a_stream_that_breaks_is_the_callers_and_nobody_is_asked_again():
    """After the first token there is no fallback: the caller sees half an answer."""
    sky = played({"after": 1.0, "rest": 2.0, "fault": "truncated"})
    row = only(run(fallback("openai", "groq"), ONE, sky))
    assert (row["ending"], row["status"], row["attempts"]) == (Ending.INTERRUPTED, 0, 1)
    assert (row["ttft_s"], row["total_s"]) == (1.0, 3.0)
    assert row["wasted_cost_usd"] == row["cost_usd"] == 111


def test_a_whole_answer_that_breaks_moves_on():
    """Without a stream nobody has seen anything, so the next target is asked."""
    sky = played({"after": 1.0, "rest": 2.0, "fault": "truncated"})
    row = only(run(fallback("openai", "groq"), {**ONE, "stream": False}, sky))
    assert (row["ending"], row["target"], row["attempts"]) == (Ending.SUCCEEDED, 1, 2)
    assert row["total_s"] == 4.5
    assert row["wasted_cost_usd"] == row["cost_usd"] / 2


@pytest.mark.parametrize(
    ("stall", "ending", "total"), [(5, "SUCCEEDED", 7), (30, "INTERRUPTED", 12)]
)
def test_a_stream_that_pauses_for_longer_than_its_limit_is_broken_off(stall, ending, total):
    """`stream_idle_timeout` is kept between tokens, by the live driver's own stream."""
    sky = quick(stalled=1.0, stall_seconds=stall)
    config = {"provider": "openai", "stream_idle_timeout": 11_000}
    row = only(run(config, ONE, sky))
    assert Ending(row["ending"]).name == ending
    assert row["total_s"] == pytest.approx(total)


def test_a_slow_stream_whose_tokens_come_steadily_is_no_stall():
    """A stream may take far longer than the idle limit, as long as its tokens come."""
    config = {"provider": "openai", "stream_idle_timeout": 2000}
    row = only(run(config, workload(1, tokens=1001), quick()))
    assert row["ending"] == Ending.SUCCEEDED
    assert row["total_s"] == pytest.approx(101.0)


def test_a_limit_before_the_first_token_moves_on():
    """`request_timeout` ends an attempt that is silent, and the fallback goes on."""
    sky = played({"fault": "silence"})
    row = only(run(fallback("openai", "groq", request_timeout=3000), ONE, sky))
    assert (row["target"], row["total_s"], row["ttft_s"]) == (1, 4.5, 3.5)


def test_a_call_that_nobody_answers_ends_at_the_clients_timeout():
    """Without limits of its own a config waits as long as the client does."""
    sky = played({"fault": "silence"}, second=[{"after": 1}])
    row = only(run(fallback("openai", "groq"), {**ONE, "timeout": 20}, sky))
    assert (Ending(row["ending"]), row["status"], row["total_s"]) == (Ending.TIMEOUT, 408, 20)
    assert math.isnan(row["ttft_s"])


@pytest.mark.parametrize(("patience", "ttft", "cost"), [(0.5, math.nan, 100), (1.5, 1.0, 105.5)])
def test_a_caller_who_leaves_pays_for_what_came(patience, ttft, cost):
    """Before the first token, or amid the stream: the call ends, and what it cost bought nothing."""
    calls = {**ONE, "patience": {"constant": patience}}
    sky = quick()
    sky["providers"]["*"]["price"] = PRICE
    result = run({"provider": "openai"}, calls, sky)
    row = only(result)
    assert row["ending"] == Ending.ABANDONED
    assert result.calls.abandoned.all()
    assert row["total_s"] == pytest.approx(patience)
    assert row["ttft_s"] == pytest.approx(ttft, nan_ok=True)
    assert row["cost_usd"] == row["wasted_cost_usd"] == pytest.approx(cost)


def test_a_caller_who_leaves_during_a_wait_is_not_asked_for_again():
    """Leaving between two attempts closes the route: the retry never happens."""
    config = {"provider": "openai", "retry": {"attempts": 3}}
    calls = {**ONE, "patience": {"constant": 0.2}}
    sky = played({"status": 503, "after": 0.1}, {"after": 0.1})
    result = run(config, calls, sky)
    assert only(result)["ending"] == Ending.ABANDONED
    assert len(result.attempts) == 1


def test_retry_after_is_waited_for():
    """A retry that honours `Retry-After` comes when the provider said."""
    config = {
        "provider": "openai",
        "retry": {"attempts": 1, "on_status_codes": [429], "use_retry_after_header": True},
    }
    sky = played({"status": 429, "after": 0.5, "retry_after": 7}, {"after": 1.0})
    row = only(run(config, {**ONE, "stream": False}, sky))
    assert (row["total_s"], row["attempts"], row["ending"]) == (8.5, 2, Ending.SUCCEEDED)


@pytest.mark.parametrize("stream", [True, False])
def test_what_was_asked_before_comes_from_the_cache_at_once(stream):
    """A stream is kept at its end, and served again without time and without cost."""
    calls = {**workload(50, rate=0.1), "stream": stream, "questions": {"repeat_rate": 0.7}}
    config = {"provider": "openai", "cache": {"mode": "simple"}}
    taken = run(config, calls, quick(), seed=1).calls
    hits = taken.cache == CacheUse.HIT
    assert 20 < hits.sum() < 45
    assert (taken.total_s[hits] == 0).all()
    assert (taken.cost_usd[hits] == 0).all()
    assert (taken.target[hits] == -1).all()
    assert (taken.attempts == ~hits).all()
    assert not taken.wrong_hit.any()


def test_identical_calls_in_flight_share_one_answer():
    """A second caller of the same question waits for the first one's answer."""
    calls = {**workload(300, rate=50), "questions": {"repeat_rate": 0.9}}
    config = {"provider": "openai", "cache": {"mode": "simple"}}
    taken = run(config, calls, quick(), seed=1).calls
    hits = taken.cache == CacheUse.HIT
    shared = hits & (taken.total_s > 0)
    assert shared.sum() > 30
    assert taken.total_s[shared].max() <= 2.0 + 1e-9


def test_a_cache_that_takes_two_questions_for_one_is_found_out(monkeypatch):
    """An answer tells which question it is of, so a hit on another one's counts as wrong."""
    monkeypatch.setattr(running, "wording", lambda family, form: "all the same")
    config = {"provider": "openai", "cache": {"mode": "simple"}}
    taken = run(config, workload(20, rate=0.1), quick(), seed=1).calls
    assert taken.cache.tolist() == [CacheUse.MISS] + [CacheUse.HIT] * 19
    assert taken.wrong_hit.tolist() == [False] + [True] * 19


def test_a_guardrail_that_holds_a_stream_back_reads_it_in_virtual_time():
    """A buffered stream's first token reaches the caller when its last one has come."""
    check = {"id": "default.contains", "parameters": {"words": ["answer"], "operator": "any"}}
    guard = {"type": "guardrail", "id": "g", "checks": [check], "on_stream": "buffer"}
    config = {"provider": "openai", "after_request_hooks": [guard]}
    row = only(run(config, ONE, quick()))
    assert row["ending"] == Ending.SUCCEEDED
    assert row["ttft_s"] == row["total_s"] == pytest.approx(2.0)


def test_circuits_are_written_down():
    """A provider that fails opens its circuit; the timeline has every change, in order."""
    sky = {
        "providers": {
            "openai": {
                "latency": {"ttft": {"constant": 0.5}, "failing": {"constant": 0.1}},
                "regimes": {"up": {}, "down": {"errors": {"503": 1.0}}},
                "schedule": [[0, "up"], [20, "down"], [50, "up"]],
            },
            "*": {},
        }
    }
    breaker = {"failure_threshold": 3, "cooldown_interval": 10_000}
    config = fallback("openai", "groq")
    config["strategy"]["cb_config"] = breaker
    result = run(config, workload(800), sky, seed=1)
    found = result.breakers
    phases = [found.names[code] for code in found.phase]
    assert phases[0] == "open"
    assert phases[-2:] == ["half-open", "closed"]
    assert 20 < found.time_s[0] < 21
    assert 50 < found.time_s[-1] < 62
    assert set(found.target.tolist()) == {0}
    assert result.calls.succeeded.mean() > 0.99
    during = (result.calls.arrival_s > 22) & (result.calls.arrival_s < 50)
    assert (result.calls.target[during & result.calls.succeeded] == 1).all()


def test_rows_of_attempts_fit_the_calls():
    """Every attempt belongs to a call, and the calls' costs and counts are theirs."""
    result = run(fallback("openai", "anthropic"), workload(500), "stormy", seed=2)
    calls, attempts = result.calls, result.attempts
    count = [0] * len(calls)
    cost = [0.0] * len(calls)
    for call, spent in zip(attempts.call.tolist(), attempts.cost_usd.tolist(), strict=True):
        count[call] += 1
        cost[call] += spent
    assert count == calls.attempts.tolist()
    assert calls.cost_usd.tolist() == pytest.approx(cost)
    assert (calls.wasted_cost_usd <= calls.cost_usd + 1e-12).all()
    assert (attempts.ended_s >= attempts.started_s).all()
    assert (attempts.started_s >= calls.arrival_s[attempts.call]).all()


def test_the_script_of_a_weather_needs_nothing_else():
    """The last step of a script repeats."""
    sky = weather([{"status": 500}, {"after": 1.0}])
    taken = run({"provider": "openai"}, {**workload(5), "stream": False}, sky).calls
    assert taken.status.tolist() == [500, 200, 200, 200, 200]


def test_a_run_in_which_nobody_is_asked_has_an_empty_table_of_attempts():
    """A guardrail that denies every request leaves calls, and no attempt of any kind."""
    check = {"id": "default.contains", "parameters": {"words": ["never"], "operator": "any"}}
    guard = {"type": "guardrail", "id": "g", "checks": [check], "deny": True}
    result = run({"provider": "openai", "before_request_hooks": [guard]}, workload(5), quick())
    assert result.calls.status.tolist() == [446] * 5
    assert (result.calls.ending == Ending.DENIED).all()
    assert len(result.attempts) == 0
    assert result.attempts.call.dtype == "int32"


@pytest.mark.parametrize("streamed", [True, False])
def test_a_call_that_is_over_leaves_no_circle(streamed):
    """What a call was made of is freed when it is over: a collector of millions would be slow."""
    gc.collect()
    gc.disable()
    try:
        run(
            fallback("openai", "groq"),
            {"poisson": {}, "calls": 300, "stream": streamed},
            "stormy",
            seed=7,
        )
        assert gc.collect() < 300
    finally:
        gc.enable()


def test_a_stream_that_says_nothing_has_the_events_of_a_live_one():
    """Its events are known by heart: they are those that the live reader finds in its bytes."""
    chunks = [first_event(""), MORE, LAST, MORE]
    known, live = reader_of(""), SseReader()
    for chunk in chunks:
        assert known.feed(chunk) == live.feed(chunk)
        assert (known.complete, known.ended) == (live.complete, live.ended)
    assert known.finish() == live.finish()
    told = ("seen", "malformed", "failed", "blocked", "usage")
    assert [getattr(known, name) for name in told] == [getattr(live, name) for name in told]
