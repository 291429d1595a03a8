"""Stale answers: given while a new one is fetched, and in place of an outage; in virtual time."""

from __future__ import annotations

import threading
from bisect import bisect
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import openai
import pytest
from hypothesis import given, settings, strategies as st
from tests.caches.worlds import HELLO, Counting, config, said, status

from portkey_local import AsyncPortkey, ConfigError, Portkey
from portkey_local.caches.keys import digest
from portkey_local.caches.memory import MemoryCache
from portkey_local.drivers.simulated import Simulation
from portkey_local.engine import caching_of
from portkey_local.flights import BESIDE, FlightsState
from portkey_local.model import Answer, Caching, Failure, Fault, Reply, Request, Target
from portkey_local.policies.cached import Cached
from portkey_local.policies.shelf import Scope, Shelf
from portkey_local.policies.stale import Stale, outage
from portkey_local.providers.openai import OpenAICodec
from portkey_local.strategies.single import Single
from portkey_local.testing import Loopback
from portkey_local.testing.received import Received
from portkey_local.testing.steps import Fault as StepFault, Step, chat, error

BOTH = {"mode": "simple", "max_age": 60, "max_stale": 3600}
FRESH, OLD, GONE = 30.0, 90.0, 3700.0


class World:
    """A provider that can be taken down, and a time of day that the test moves."""

    def __init__(self, server: Loopback) -> None:
        self.server = server
        self.script = Counting()
        self.down: Step | None = None
        self.now = 1_000_000.0
        self.events: list[Any] = []
        self.revalidated = threading.Event()
        server.reset(lambda received: self.down or self.script(received))

    def client(self, kind: type = Portkey, **fields: Any) -> Any:
        """Return a client whose answers are stale after a minute."""
        place = fields.pop("place", {})
        given = config(self.server.target("a"), **{"cache": BOTH, **fields})
        made = kind(config=given, on_event=self.hear, **place)
        made._engine._wall = lambda: self.now
        return made

    def hear(self, event: Any) -> None:
        self.events.append(event)
        if event.name == "cache.revalidated":
            self.revalidated.set()

    @property
    def sent(self) -> int:
        return len(self.server.received)

    def names(self) -> list[str]:
        """Return what has happened to the cache, and forget it."""
        names = [event.name for event in self.events if event.name.startswith("cache.")]
        self.events.clear()
        return names


@pytest.fixture
def world(provider: Loopback) -> World:
    return World(provider)


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    return {} if request.param == "memory" else {"cache_dir": tmp_path / "cache"}


def ask(client: Any, control: str | None = None, **given: Any) -> Any:
    headers = {} if control is None else {"Cache-Control": control}
    body = {"model": "m", "messages": HELLO, **given}
    return client.chat.completions.create(extra_headers=headers, **body)


def words(answer: Any) -> str:
    """Return the text of an answer, plain or a stream."""
    if hasattr(answer, "choices"):
        return said(answer)
    return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)


def refreshed(client: Any) -> None:
    """Wait for what runs beside the calls."""
    client._driver._beside.join()


# --- while a new answer is fetched


@pytest.mark.parametrize("stream", [False, True])
def test_a_stale_answer_is_given_at_once_and_refreshed_beside_the_call(world, place, stream):
    with world.client(place=place) as client:
        first = words(ask(client, stream=stream))
        world.now += OLD
        raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
        assert raw.headers["x-portkey-cache-status"] == "STALE"
        assert raw.headers["age"] == "90"
        assert words(raw.parse()) == first
        refreshed(client)
        assert world.sent == 2
        answer = ask(client, stream=stream)
        assert status(answer) == "HIT"
        assert words(answer) == "answer 2 of a"
    assert "cache.revalidated" in world.names()


def test_a_stream_is_refreshed_as_the_stream_it_is(world):
    with world.client() as client:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        list(ask(client, **options))
        world.now += OLD
        stale = ask(client, **options)
        assert (status(stale), words(stale)) == ("STALE", "answer 1 of a")
        refreshed(client)
        fresh = ask(client, **options)
        chunks = list(fresh)
        assert status(fresh) == "HIT"
        assert len(chunks) > 2
    assert [each.wants_stream for each in world.server.received] == [True, True]


def test_a_crowd_with_a_stale_answer_costs_one_refresh(world):
    """However many callers there are, the key is refreshed by one of them."""
    gate, held = threading.Event(), threading.Event()
    with world.client() as client:
        ask(client)
        world.now += OLD

        def slow(received: Received) -> Step:
            held.set()
            gate.wait(10)
            return chat("new")

        world.server.reset(slow)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: ask(client), range(100)))
        assert held.wait(10)
        assert Counter(map(status, answers)) == {"STALE": 100}
        gate.set()
        refreshed(client)
        assert world.sent == 1
        assert words(ask(client)) == "new"


@pytest.mark.anyio
async def test_neither_the_deadline_nor_the_cancellation_of_a_call_ends_its_refresh(world, place):
    """On asyncio and trio alike: the caller is gone long before the new answer comes."""
    gate = threading.Event()
    async with world.client(AsyncPortkey, place=place) as client:
        await ask(client)
        world.now += OLD

        def slow(received: Received) -> Step:
            gate.wait(10)
            return chat("new")

        world.server.reset(slow)
        with anyio.CancelScope() as scope:
            answer = await ask(client.with_options(timeout=0.05))
            assert status(answer) == "STALE"
            scope.cancel()
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(0.06)
        gate.set()
        assert await anyio.to_thread.run_sync(world.revalidated.wait, 10)
        answer = await ask(client)
        assert (status(answer), words(answer), world.sent) == ("HIT", "new", 1)


@pytest.mark.parametrize("kind", [Portkey, AsyncPortkey])
def test_a_closing_client_waits_for_its_refreshes(world, tmp_path, kind):
    """What they bring is kept, also where a program ends right after the call."""
    place = {"cache_dir": tmp_path / "cache"}
    with world.client(place=place) as client:
        ask(client)
    world.now += OLD
    world.server.reset(lambda _received: chat("new", delay=0.05))

    async def asynchronous() -> None:
        async with world.client(AsyncPortkey, place=place) as client:
            assert status(await ask(client)) == "STALE"

    if kind is AsyncPortkey:
        anyio.run(asynchronous)
    else:
        with world.client(place=place) as client:
            assert status(ask(client)) == "STALE"
    with world.client(place=place) as client:
        assert words(ask(client)) == "new"


def test_a_refresh_that_meets_an_outage_leaves_the_stale_answer(world):
    with world.client() as client:
        ask(client)
        world.now += OLD
        world.down = error(503)
        for _ in range(2):
            assert status(ask(client)) == "STALE"
            refreshed(client)
        assert world.sent == 3
    assert world.names().count("cache.revalidation_failed") == 2


@pytest.mark.parametrize("refusal", [400, 401, 404])
def test_a_refresh_that_is_refused_takes_the_stale_answer_away(world, place, refusal):
    """A key that was revoked must be heard of, not hidden for as long as the answer lasts."""
    with world.client(place=place) as client:
        ask(client)
        world.now += OLD
        world.down = error(refusal)
        assert status(ask(client)) == "STALE"
        refreshed(client)
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client)
        assert caught.value.status_code == refusal


def test_without_a_thread_for_its_refresh_the_answer_comes_all_the_same(world, monkeypatch):
    with world.client() as client:
        ask(client)
        world.now += OLD
        with monkeypatch.context() as patch:
            patch.setattr(
                threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError)
            )
            assert status(ask(client)) == "STALE"
        assert status(ask(client)) == "STALE"
        refreshed(client)
        assert status(ask(client)) == "HIT"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("inner", [60, 1000])
def test_a_refresh_through_a_cache_further_in(world, stream, inner):
    """What that one has kept does not get younger; what it asks anew is kept by both."""
    target = config(world.server.target("a"), cache={"mode": "simple", "max_age": inner})
    group = {"strategy": {"mode": "single"}, "targets": [target], "cache": BOTH}
    with Portkey(config=group, on_event=world.hear) as client:
        client._engine._wall = lambda: world.now
        words(ask(client, stream=stream))
        world.now += OLD
        stale = ask(client, stream=stream)
        assert (status(stale), words(stale)) == ("STALE", "answer 1 of a")
        refreshed(client)
        again = ask(client, stream=stream)
        fresh = inner < OLD
        assert status(again) == ("HIT" if fresh else "STALE")
        assert words(again) == f"answer {2 if fresh else 1} of a"
        refreshed(client)
    assert ("cache.revalidated" in world.names()) is fresh


# --- in an outage

OUTAGES = {
    "5xx": error(503),
    "429": error(429),
    "not an answer": Step(body=b"<html>", content_type="text/html"),
    "no connection": Step(fault=StepFault.RESET),
}


@pytest.fixture(params=OUTAGES)
def outage_step(request: pytest.FixtureRequest) -> Step:
    return OUTAGES[request.param]


def on_error(**fields: Any) -> dict[str, Any]:
    return {"cache": {"mode": "simple", "max_age": 60, "stale_if_error": 3600}, **fields}


@pytest.mark.parametrize("stream", [False, True])
def test_the_cache_is_the_last_fallback(world, place, outage_step, stream):
    with world.client(place=place, **on_error()) as client:
        ask(client, stream=False)
        world.now += OLD
        world.down = outage_step
        answer = ask(client, stream=stream)
        assert (status(answer), words(answer)) == ("STALE", "answer 1 of a")
        assert answer.get_headers()["provider"] == "openai"
        world.down = None
        assert (status(ask(client)), world.sent) == ("MISS", 3)
    (stale,) = [event for event in world.events if event.name == "cache.stale_served"]
    assert stale.reason == "90 s old; no new answer could be had"
    assert stale.status >= 429


def test_the_targets_and_their_retries_come_first(world):
    targets = [config(world.server.target(name)) for name in "ab"]
    for target in targets:
        del target["cache"]
    group = {
        "strategy": {"mode": "fallback"},
        "targets": targets,
        **on_error(),
    }
    with Portkey(config=group) as client:
        client._engine._wall = lambda: world.now
        ask(client)
        world.now += OLD
        world.down = error(500)
        before = world.sent
        assert status(ask(client)) == "STALE"
        assert [each.target for each in world.server.received[before:]] == ["a", "b"]


@pytest.mark.parametrize("refusal", [400, 401, 403, 404, 413, 422])
def test_what_is_the_caller_s_fault_is_told(world, refusal):
    with world.client(**on_error()) as client:
        ask(client)
        world.now += OLD
        world.down = error(refusal)
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client)
        assert caught.value.status_code == refusal


def test_a_denial_of_a_guardrail_is_told(world):
    hook = {"default.contains": {"words": ["answer 1"], "operator": "any"}, "deny": True}
    with world.client(**on_error(output_guardrails=[hook])) as client:
        ask(client)
        world.now += OLD
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client)
        assert caught.value.status_code == 446


def test_an_open_circuit_and_a_time_limit_are_outages(world):
    group = {
        "strategy": {"mode": "fallback"},
        "targets": [
            {
                **config(world.server.target("a"), cb_config={"failure_threshold": 1}),
                "request_timeout": 150,
            }
        ],
        **on_error(),
    }
    group["targets"][0].pop("cache")
    with Portkey(config=group) as client:
        client._engine._wall = lambda: world.now
        ask(client)
        world.now += OLD
        gate = threading.Event()
        world.server.reset(lambda _received: gate.wait(5) and chat("late"))
        assert status(ask(client)) == "STALE"  # after its time limit
        assert status(ask(client)) == "STALE"
        gate.set()


def test_a_stale_answer_has_its_own_end(world, place):
    with world.client(place=place) as client:
        ask(client)
        world.now += GONE
        world.down = error(500)
        with pytest.raises(openai.InternalServerError):
            ask(client)


def test_nothing_stale_is_given_unless_it_is_asked_for(world):
    with world.client(cache={"mode": "simple", "max_age": 60}) as client:
        ask(client)
        world.down = error(500)
        for pause, control in ((FRESH, "max-age=10"), (OLD, None)):
            world.now += pause
            with pytest.raises(openai.InternalServerError):
                ask(client, control)


def test_a_crowd_in_an_outage_asks_once_and_shares_what_is_kept(world):
    arrived = threading.Semaphore(0)
    gate = threading.Event()
    with world.client(**on_error()) as client:
        ask(client)
        world.now += OLD

        def down(received: Received) -> Step:
            arrived.release()
            gate.wait(10)
            return error(503)

        world.server.reset(down)
        with ThreadPoolExecutor(10) as pool:
            calls = [pool.submit(ask, client) for _ in range(10)]
            arrived.acquire(timeout=10)
            flights = client._engine._shelf.flights
            (flight,) = flights._flights.values()
            while len(flight._wakes) < 9:
                threading.Event().wait(0.002)
            gate.set()
            answers = [call.result() for call in calls]
    assert Counter(map(status, answers)) == {"STALE": 10}
    assert world.sent == 1


# --- what a call says itself


@pytest.mark.parametrize(
    ("control", "age", "expected"),
    [
        ("max-stale=10", OLD, "MISS"),
        ("max-stale=40", OLD, "STALE"),
        ("max-stale", OLD, "STALE"),
        ("max-stale=0", OLD, "MISS"),
        ("max-age=10", FRESH, "MISS"),  # whoever bounds the age gets nothing older
        ("max-age=10, max-stale=30", FRESH, "STALE"),
        ("max-age=10, max-stale=20", FRESH, "MISS"),
        ("no-cache", OLD, "REFRESH"),
        ("no-store", OLD, "MISS"),  # there would be no refresh
        ("max-stale=soon", OLD, "STALE"),  # says nothing: as the config has it
    ],
)
def test_a_call_bounds_what_is_given_at_once(world, control, age, expected):
    with world.client() as client:
        ask(client)
        world.now += age
        assert status(ask(client, control)) == expected


@pytest.mark.parametrize(
    ("control", "served"),
    [
        (None, True),
        ("stale-if-error=0", False),
        ("stale-if-error=20", False),
        ("stale-if-error=40", True),
        ("max-stale=0", False),
        ("max-stale=0, stale-if-error=40", True),
        ("no-cache", False),
        ("no-cache, stale-if-error=4000", False),
        ("no-store", True),
        ("max-age=10", True),
    ],
)
def test_a_call_bounds_what_is_given_in_an_outage(world, control, served):
    with world.client(**on_error()) as client:
        ask(client)
        world.now += OLD
        world.down = error(500)
        if served:
            assert status(ask(client, control)) == "STALE"
        else:
            with pytest.raises(openai.InternalServerError):
                ask(client, control)


# --- embeddings


def embed(client: Any, *inputs: str) -> Any:
    return client.embeddings.create(model="e", input=list(inputs))


def test_of_a_list_of_inputs_the_stale_ones_are_refreshed(world, place):
    with world.client(place=place) as client:
        embed(client, "a", "bb")
        world.now += OLD
        embed(client, "ccc")
        answer = embed(client, "bb", "ccc", "a")
        assert status(answer) == "STALE"
        assert [each.embedding[0] for each in answer.data] == [2.0, 3.0, 1.0]
        refreshed(client)
        sent = [each.json["input"] for each in world.server.received]
        assert sent == [["a", "bb"], ["ccc"], ["bb", "a"]]
        assert status(embed(client, "a", "bb", "ccc")) == "HIT"


def test_a_list_with_something_new_is_asked_for_with_what_is_stale(world):
    with world.client() as client:
        embed(client, "a")
        world.now += OLD
        assert status(embed(client, "a", "bb")) == "MISS"
        assert world.server.received[-1].json["input"] == ["a", "bb"]


def test_inputs_that_are_all_kept_are_given_in_an_outage(world):
    with world.client(**on_error()) as client:
        embed(client, "a", "bb")
        world.now += OLD
        world.down = error(503)
        assert status(embed(client, "bb", "a")) == "STALE"
        with pytest.raises(openai.InternalServerError):
            embed(client, "bb", "new")
        world.down = error(400)
        with pytest.raises(openai.BadRequestError):
            embed(client, "bb", "a")


# --- pure, and in a simulated run

SECONDS = st.floats(0, 1000)


@given(SECONDS, SECONDS, SECONDS, st.none() | SECONDS, st.none() | SECONDS)
def test_windows(beside, on_error, max_age, max_stale, if_error):
    """A call that says nothing gets the config's windows; what it says takes their place."""
    stale = Stale(beside, on_error)
    assert stale.at_once(Caching(), max_age) == max_age + beside
    assert stale.on_error(Caching(), max_age) == (max_age + on_error if on_error else 0.0)
    wish = Caching(max_stale=max_stale, stale_if_error=if_error)
    told = max_stale if if_error is None else if_error
    window = on_error if told is None else told
    assert stale.on_error(wish, max_age) == (max_age + window if window else 0.0)
    assert stale.at_once(wish, max_age) == max_age + (beside if max_stale is None else max_stale)
    assert Stale().at_once(Caching(), max_age) == max_age


def test_what_an_outage_is():
    target = Target("config", "openai", "http://t", OpenAICodec())
    outages = {Fault.NETWORK, Fault.TIMEOUT, Fault.MALFORMED, Fault.OPEN}
    for fault in Fault:
        told = {s: outage(Failure(target, fault, s, "")) for s in (400, 408, 429, 446, 500, 529)}
        if fault in (Fault.STATUS, Fault.ERROR_EVENT):
            assert [s for s, yes in told.items() if yes] == [408, 429, 500, 529]
        else:
            assert set(told.values()) == {fault in outages}
    assert not outage(Reply(target, Answer(500, {})))


def completed(name: str) -> dict[str, Any]:
    """Return a completion of that id."""
    return {"id": name, "choices": [{"index": 0, "message": {"content": "well"}}]}


def test_in_a_simulated_run():
    """The same policy in virtual time: the refresh takes its ten seconds, and nobody waits."""
    target = Target("config", "openai", "http://t", OpenAICodec())
    sent: list[float] = []

    class Slow:
        def answer(self, target: Any, call: Any, now: float, rng: Any) -> Any:
            sent.append(now)
            if now > 500:
                return 1.0, Failure(target, Fault.STATUS, 503, "down")
            return 10.0, Reply(
                target, Answer(200, {}), {"id": f"made at {now:g}", "choices": [{"index": 0}]}
            )

    shelf, stale = Shelf(MemoryCache()), Stale(100.0, 1000.0)
    cached = Cached(Single(target), (target,), shelf, Scope(digest("s")), 60.0, stale)
    simulation = Simulation(Slow())
    ended: list[Any] = []
    request = Request("POST", "/chat/completions", {"model": "m", "messages": []})
    for at in (0.0, 20.0, 100.0, 105.0, 111.0, 400.0, 600.0, 2000.0):
        simulation.start(
            cached,
            request,
            lambda outcome: ended.append((simulation.now, outcome.cache, outcome.status)),
            at=at,
        )
    simulation.run()
    assert ended == [
        (10.0, "MISS", 200),
        (20.0, "HIT", 200),
        (100.0, "STALE", 200),
        (105.0, "STALE", 200),
        (111.0, "HIT", 200),
        (410.0, "MISS", 200),
        (601.0, "STALE", 200),
        (2001.0, "MISS", 503),
    ]
    assert sent == [0.0, 100.0, 400.0, 600.0, 2000.0]


class Weather:
    """A provider in virtual time that is up and down by turns, and says when it has answered."""

    def __init__(self, turns: list[float], seconds: float) -> None:
        self.turns = list(accumulate(turns))
        self.seconds = seconds
        self.spans: list[tuple[float, float, bool]] = []

    def answer(self, target: Any, call: Any, now: float, rng: Any) -> Any:
        ended = now + self.seconds
        up = bisect(self.turns, now) % 2 == 0
        self.spans.append((now, ended, up))
        if not up:
            return self.seconds, Failure(target, Fault.STATUS, 503, "down")
        return self.seconds, Reply(
            target, Answer(200, {}), {"id": str(ended), "choices": [{"index": 0}]}
        )


WINDOWS = st.sampled_from([0.0, 30.0, 100.0])


@settings(max_examples=150)
@given(
    st.lists(st.floats(1, 45), min_size=5, max_size=30),
    st.lists(st.floats(20, 150), max_size=6),
    st.sampled_from([0.5, 8.0]),
    WINDOWS,
    WINDOWS,
)
def test_whatever_the_weather(gaps, turns, seconds, beside, on_error):
    """Nothing is given beyond its window, and no call fails for which an answer was kept."""
    target = Target("config", "openai", "http://t", OpenAICodec())
    shelf, stale = Shelf(MemoryCache()), Stale(beside, on_error)
    cached = Cached(Single(target), (target,), shelf, Scope(digest("s")), 20.0, stale)
    world = Weather(turns, seconds)
    simulation = Simulation(world)
    ended: list[tuple[float, Any]] = []
    request = Request("POST", "/chat/completions", {"model": "m", "messages": []})
    for at in accumulate(gaps):
        simulation.start(cached, request, lambda o: ended.append((simulation.now, o)), at=at)
    simulation.run()
    made = sorted(end for _, end, up in world.spans if up)
    failed = {end for _, end, up in world.spans if not up}
    for now, outcome in ended:
        if isinstance(outcome, Failure):
            before = [end for end in made if end < now]
            assert not before or now - before[-1] >= 20.0 + on_error or not on_error
            continue
        age = now - float(outcome.data["id"])
        bounds = {"MISS": 0.0, "HIT": 20.0, "STALE": 20.0 + beside}
        in_time = age < bounds[outcome.cache] or age == bounds[outcome.cache] == 0.0
        instead = outcome.cache == "STALE" and now in failed and age < 20.0 + on_error
        assert in_time or instead
    if not failed:  # nobody asks while somebody else does
        assert all(one[1] <= other[0] for one, other in pairwise(sorted(world.spans)))


@given(
    st.text(max_size=40)
    | st.from_regex(r"(max-age|max-stale|stale-if-error)=?\d*,?", fullmatch=True)
)
def test_whatever_a_call_says_of_caches_is_read(control):
    wish = caching_of(Request("POST", "/x", {}, headers={"cache-control": control}), Caching())
    assert wish.max_age >= 0
    assert wish.max_stale is None or wish.max_stale >= 0


def test_refreshes_have_an_end():
    """No more of them at a time than there is room for; and never one where a call is made."""
    flights = FlightsState()
    begun = [flights.board_beside(bytes([n])) for n in range(BESIDE)]
    assert all(begun)
    assert flights.board_beside(b"one more") is None
    begun[0].land(None)
    assert not flights.room_beside(b"\x01")
    assert flights.board(b"a call")[1]
    assert flights.board_beside(b"a call") is None
    assert flights.board_beside(b"one more") is not None


def test_the_router_says_what_will_do():
    windows = {"stale_while_revalidate": 30, "stale_if_error": 600}
    cache = {"mode": "simple", "max_age": 60, **windows}
    with Portkey(config={"provider": "openai", "api_key": "k", "cache": cache}) as client:
        told = str(client.router.explain(model="m"))
    assert (
        "up to 60 s old will do, up to 90 s while it is refreshed, up to 660 s in an outage" in told
    )


@pytest.mark.parametrize("field", ["max_stale", "stale_if_error", "stale_while_revalidate"])
def test_a_window_is_a_number_of_seconds(field):
    for value in (-1, "60", True):
        with pytest.raises(ConfigError) as caught:
            Portkey(config={"provider": "openai", "cache": {"mode": "simple", field: value}})
        assert caught.value.problems[0][0] == f"config.cache.{field}"
