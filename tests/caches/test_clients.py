"""Caches as a caller meets them: both clients, plain and streamed, alone and in a crowd."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import openai
import pytest
from tests.caches.worlds import HELLO, Counting, config, said, status

from portkey_local import AsyncPortkey, ConfigError, DiskCache, MemoryCache, Portkey
from portkey_local.testing import Loopback
from portkey_local.testing.received import Received
from portkey_local.testing.steps import Step, chat, chat_stream, error

pytestmark = pytest.mark.filterwarnings("ignore::portkey_local.errors.ConfigWarning")


@pytest.fixture
def world() -> Any:
    script = Counting()
    with Loopback(script) as server:
        server.script = script
        yield server


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    return {} if request.param == "memory" else {"cache_dir": tmp_path / "cache"}


def ask(client: Any, **given: Any) -> Any:
    return client.chat.completions.create(**{"model": "m", "messages": HELLO, **given})


def words(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


# --- one caller


def test_a_hit_is_an_object_of_its_own(world, place):
    with Portkey(config=config(world.target("a")), **place) as client:
        first, second, third = (ask(client) for _ in range(3))
        assert [status(each) for each in (first, second, third)] == ["MISS", "HIT", "HIT"]
        assert first == second == third
        second.choices[0].message.content = "changed"
        second.usage.total_tokens = -1
        assert ask(client) == first
        assert third == first
    assert len(world.received) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_cache_within_a_cache(world, stream):
    """The group's answers first, then the target's; what the target's kept does not get younger."""
    now = [1_000.0]
    target = config(world.target("a"), cache={"mode": "simple", "max_age": 300})
    group = {
        "strategy": {"mode": "single"},
        "targets": [target],
        "cache": {"mode": "simple", "max_age": 10},
    }
    with Portkey(config=group) as client:
        client._engine._wall = lambda: now[0]
        seen = []
        for pause in (0, 5, 20, 100, 300):
            now[0] += pause
            answer = ask(client, stream=stream)
            told = words(answer) if stream else said(answer)
            seen.append((status(answer), told))
    one, two = "answer 1 of a", "answer 2 of a"
    assert seen == [("MISS", one), ("HIT", one), ("HIT", one), ("HIT", one), ("MISS", two)]


def test_a_hit_names_the_target_that_once_answered(world):
    world.reset(lambda received: error(500) if received.target == "a" else chat("b's"))
    targets = [config(world.target(name), cache=None) for name in "ab"]
    for target in targets:
        del target["cache"]
    group = {"strategy": {"mode": "fallback"}, "targets": targets, "cache": "simple"}
    with Portkey(config=group) as client:
        for expected in ("MISS", "HIT"):
            answer = ask(client)
            told = answer.get_headers()
            assert told["cache-status"] == expected
            assert told["last-used-option-index"] == "config.targets[1]"
            assert told["retry-attempt-count"] == "0"
        raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
        assert raw.headers["x-portkey-cache-status"] == "HIT"
        assert raw.headers["age"] == "0"
        assert raw.parse() == answer
    assert [each.target for each in world.received] == ["a", "b"]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("then", [False, True])
def test_plain_answers_and_streams_serve_each_other(world, place, first, then):
    with Portkey(config=config(world.target("a")), **place) as client:
        told = []
        for stream in (first, then, then):
            answer = ask(client, stream=stream)
            told.append(words(answer) if stream else said(answer))
            assert status(answer) == ("MISS" if len(told) == 1 else "HIT")
        assert set(told) == {"answer 1 of a"}


def test_a_stream_is_replayed_chunk_by_chunk(world, place):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with Portkey(config=config(world.target("a")), **place) as client:
        live, kept = (list(ask(client, **options)) for _ in range(2))
        assert live == kept
        assert len(live) > 2
        via_sdk = list(
            client.chat.completions.with_raw_response.create(
                model="m", messages=HELLO, **options
            ).parse()
        )
        assert via_sdk == live
    assert len(world.received) == 1


def test_a_stream_that_is_left_or_cut_is_not_kept(world):
    cut = Step(events=('{"choices": [{"index": 0, "delta": {"content": "half"}}]}',))
    world.reset(lambda received: cut if received.target == "cut" else chat_stream("one two three"))
    with Portkey(config=config(world.target("a"))) as client:
        with ask(client, stream=True) as stream:
            next(stream)
        assert status(ask(client, stream=True)) == "MISS"
    with Portkey(config=config(world.target("cut"))) as client:
        for _ in range(2):
            stream = ask(client, stream=True)
            with pytest.raises(openai.APIError):
                list(stream)
            assert status(stream) == "MISS"


BAD = {
    "an error": error(500),
    "an error in a 200": Step(json={"error": {"message": "no"}}),
    "a refusal": Step(
        json={"choices": [{"index": 0, "finish_reason": "stop", "message": {"refusal": "no"}}]}
    ),
    "a filter": Step(
        json={"choices": [{"index": 0, "finish_reason": "content_filter", "message": {}}]}
    ),
    "half of it": Step(
        json={
            "choices": [{"index": 0, "finish_reason": "length", "message": {"content": "a"}}],
        }
    ),
    "a part": Step(status=206, json={"choices": [{"index": 0, "message": {"content": "a"}}]}),
}


def status_or_error(client: Any) -> str:
    """Return the cache's status of a call that may fail."""
    try:
        return status(ask(client)) or ""
    except openai.APIStatusError as raised:
        return raised.response.headers["x-portkey-cache-status"]


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_good_and_whole_is_not_kept(world, place, name):
    world.reset(lambda _: BAD[name])
    with Portkey(config=config(world.target("a")), **place) as client:
        assert [status_or_error(client) for _ in range(2)] == ["MISS", "MISS"]
    assert len(world.received) == 2


def test_an_answer_is_kept_for_max_age_seconds(world):
    now = [1_000.0]
    with Portkey(config=config(world.target("a"))) as client:
        client._engine._wall = lambda: now[0]
        assert status(ask(client)) == "MISS"
        now[0] += 299
        headers = {"cache-control": "max-age=100"}
        assert status(ask(client)) == "HIT"
        assert status(ask(client, extra_headers=headers)) == "MISS"
        assert status(ask(client)) == "HIT"  # the newer one
        now[0] += 300
        assert status(ask(client)) == "MISS"


def test_what_a_call_and_a_client_wish(world):
    with Portkey(config=config(world.target("a"))) as client:
        assert status(ask(client)) == "MISS"
        told = [
            ({"x-portkey-cache-force-refresh": "true"}, "REFRESH"),
            ({"x-portkey-cache-force-refresh": "false"}, "HIT"),
            ({"cache-control": "no-cache"}, "REFRESH"),
            ({"cache-control": "no-store"}, "HIT"),
            ({"cache-control": "no-store, no-cache"}, "DISABLED"),
            ({"x-portkey-cache-namespace": "b", "cache-control": "no-store"}, "MISS"),
            ({"x-portkey-cache-namespace": "b"}, "MISS"),
            ({"x-portkey-cache-namespace": "b"}, "HIT"),
        ]
        for headers, expected in told:
            assert status(ask(client, extra_headers=headers)) == expected, headers
        refreshing = client.with_options(cache_force_refresh=True)
        assert status(ask(refreshing)) == "REFRESH"
        assert said(ask(client)) == f"answer {world.script.asked} of a"
        assert status(ask(client.with_options(cache_namespace="b"))) == "HIT"
        assert status(ask(client.with_options(cache_namespace="c"))) == "MISS"
        assert status(ask(refreshing.with_options(cache_force_refresh=False))) == "HIT"
    with Portkey(config=config(world.target("a")), cache_namespace="n") as other:
        assert status(ask(other)) == "MISS"


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": "sk-of-another"},
        {"override_params": {"temperature": 0.1}},
        {"openai_organization": "org-2"},
        {"strict_open_ai_compliance": False},
        {"output_guardrails": [{"default.contains": {"words": ["a"]}}]},
        {"provider": "groq"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_would_be_another_answer_is_never_shared(world, change):
    cache = MemoryCache()
    both = []
    for fields in ({}, change):
        with Portkey(config=config(world.target("a"), **fields), cache=cache) as client:
            both.append((status(ask(client)), status(ask(client))))
    assert both == [("MISS", "HIT"), ("MISS", "HIT")]
    with Portkey(config=config(world.target("a"), retry={"attempts": 2}), cache=cache) as client:
        assert status(ask(client)) == "HIT"  # how often it is asked changes no answer


def test_a_virtual_key_of_another_account_shares_nothing(world):
    keys = {
        name: {
            "provider": "openai",
            "api_key": f"sk-secret-{name}",
            "custom_host": world.target("a"),
        }
        for name in ("one", "two")
    }
    cache = MemoryCache()
    for name in keys:
        routed = {"virtual_key": name, "cache": "simple"}
        with Portkey(config=routed, virtual_keys=keys, cache=cache) as client:
            assert [status(ask(client)) for _ in range(2)] == ["MISS", "HIT"]


def test_metadata_that_conditions_look_at_keep_answers_apart(world):
    targets = [{**config(world.target(name)), "name": name} for name in ("pro", "free")]
    for target in targets:
        del target["cache"]
    condition = {"query": {"$or": [{"metadata.plan": "pro"}]}, "then": "pro"}
    routed = {
        "strategy": {"mode": "conditional", "conditions": [condition], "default": "free"},
        "targets": targets,
        "cache": "simple",
    }
    with Portkey(config=routed) as client:
        seen = []
        for metadata in ({"plan": "pro"}, {"plan": "free"}, {"plan": "pro", "request": "2"}):
            answer = ask(client.with_options(metadata=metadata))
            seen.append((status(answer), said(answer)))
    assert seen == [
        ("MISS", "answer 1 of pro"),
        ("MISS", "answer 2 of free"),
        ("HIT", "answer 1 of pro"),
    ]


# --- guardrails


@pytest.mark.parametrize("group", [False, True])
def test_an_input_guardrail_runs_before_the_lookup(world, group):
    allowed, looks = [True], []

    def gate(context: Any) -> bool:
        looks.append(context.text)
        return allowed[0]

    target = config(world.target("a"), input_guardrails=[{"gate": {}, "deny": True}])
    if group:
        outer = {name: target.pop(name) for name in ("cache", "input_guardrails")}
        target = {"strategy": {"mode": "fallback"}, "targets": [target, dict(target)], **outer}
    with Portkey(config=target, checks={"gate": gate}) as client:
        assert [status(ask(client)) for _ in range(2)] == ["MISS", "HIT"]
        assert len(looks) == 2  # once for each call, also where a group has two targets
        allowed[0] = False
        with pytest.raises(openai.APIStatusError) as denied:
            ask(client)
        assert denied.value.status_code == 446
        assert "x-portkey-cache-status" not in denied.value.response.headers
    assert len(world.received) == 1


def test_default_guardrails_of_a_client_run_before_a_group_s_cache(world):
    looks = []
    target = config(world.target("a"))
    group = {"strategy": {"mode": "single"}, "targets": [target], "cache": target.pop("cache")}
    checks = {"gate": lambda context: looks.append(context.text) or True}
    given = {"default_input_guardrails": [{"gate": {}}], "checks": checks}
    with Portkey(config=group, **given) as client:
        assert [status(ask(client)) for _ in range(3)] == ["MISS", "HIT", "HIT"]
    assert len(looks) == 3


def test_an_answer_that_an_output_guardrail_does_not_like_is_not_kept(world):
    for deny in (True, False):
        world.reset(Counting())
        hook = {"default.contains": {"words": ["nowhere"], "operator": "any"}, "deny": deny}
        with Portkey(config=config(world.target("a"), output_guardrails=[hook])) as client:
            assert [status_or_error(client) for _ in range(2)] == ["MISS", "MISS"]
        assert len(world.received) == 2


def test_an_input_hook_that_failed_softly_is_told_on_a_hit_too(world):
    hook = {"default.contains": {"words": ["nowhere"], "operator": "any"}}
    with Portkey(config=config(world.target("a"), input_guardrails=[hook])) as client:
        for expected in ("MISS", "HIT"):
            raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
            assert (raw.status_code, raw.headers["x-portkey-cache-status"]) == (246, expected)


def guarded(world: Any, **fields: Any) -> dict[str, Any]:
    """Return a group with a cache, around a target with guardrails of its own."""
    target = config(world.target("a"), **fields)
    return {"strategy": {"mode": "single"}, "targets": [target], "cache": target.pop("cache")}


BY_PLAN = {"default.requiredMetadataKeys": {"metadataKeys": ["plan"]}, "deny": True}
BY_OWN = {"plan": {}, "deny": True}
GUARDED = {
    "the answer": lambda world: config(world.target("a"), output_guardrails=[BY_PLAN]),
    "the answer, own": lambda world: config(world.target("a"), output_guardrails=[BY_OWN]),
    "the answer, in a group": lambda world: guarded(world, output_guardrails=[BY_PLAN]),
    "the request, in a group": lambda world: guarded(world, input_guardrails=[BY_PLAN]),
}


@pytest.mark.parametrize("made", GUARDED.values(), ids=GUARDED)
def test_a_hit_is_for_those_whom_the_guardrails_inside_would_have_let_through(world, made):
    checks = {"plan": lambda context: "plan" in context.metadata}
    with Portkey(config=made(world), checks=checks) as client:
        pro = client.with_options(metadata={"plan": "pro"})
        assert [status(ask(pro)) for _ in range(2)] == ["MISS", "HIT"]
        with pytest.raises(openai.APIStatusError, match="446"):
            ask(client)


@pytest.mark.parametrize(
    "hook",
    [
        {"default.contains": {"words": ["answer"], "operator": "none"}, "deny": True},
        {"default.regexReplace": {"rule": "answer"}, "on_stream": "buffer"},
    ],
)
def test_a_stream_that_passed_a_guardrail_by_serves_no_whole_answer(world, hook):
    with Portkey(config=config(world.target("a"), output_guardrails=[hook])) as client:
        streams = [ask(client, stream=True) for _ in range(2)]
        assert ["answer" in words(each) for each in streams] == [True, True]
        assert status_or_error(client) == "MISS"
        assert status(ask(client, stream=True)) == "HIT"


def test_a_stream_that_was_held_and_checked_serves_a_whole_answer(world):
    hook = {"default.contains": {"words": ["answer"]}, "deny": True, "on_stream": "buffer"}
    with Portkey(config=config(world.target("a"), output_guardrails=[hook])) as client:
        words(ask(client, stream=True))
        assert status(ask(client)) == "HIT"


# --- other endpoints


def test_embeddings_are_kept_input_by_input(world, place):
    with Portkey(config=config(world.target("a")), **place) as client:
        asked = []
        for inputs in ("a", ["a", "bb"], ["bb", "a"], ["ccc", "bb"], "ccc"):
            before = len(world.received)
            answer = client.embeddings.create(model="e", input=inputs)
            sent = [each.json["input"] for each in world.received[before:]]
            asked.append((status(answer), sent))
            texts = [inputs] if isinstance(inputs, str) else inputs
            assert [item.index for item in answer.data] == list(range(len(texts)))
            assert [item.embedding[0] for item in answer.data] == [float(len(t)) for t in texts]
    assert asked == [
        ("MISS", ["a"]),
        ("MISS", [["bb"]]),
        ("HIT", []),
        ("MISS", [["ccc"]]),
        ("HIT", []),
    ]


def test_what_the_provider_is_to_keep_is_not_cached(world):
    with Portkey(config=config(world.target("a"))) as client:
        assert [status(ask(client, store=True)) for _ in range(2)] == ["DISABLED"] * 2
    assert len(world.received) == 2


# --- a cache that fails


class Failing:
    """A cache with a fault at every method."""

    def ready(self, key: bytes) -> bool:
        raise OSError("no such disk")

    def get(self, key: bytes, now: float) -> bytes | None:
        raise OSError("no such disk")

    def put(self, *given: Any) -> None:
        raise OSError("disk full")

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def test_a_cache_that_fails_is_an_event_and_a_miss(world):
    heard: list[Any] = []
    given = {"cache": Failing(), "on_event": heard.append}
    with Portkey(config=config(world.target("a")), **given) as client:
        assert [status(ask(client)) for _ in range(2)] == ["MISS", "MISS"]
        assert words(ask(client, stream=True))
        assert len(client.embeddings.create(model="e", input=["a", "b"]).data) == 2

    async def asynchronous() -> str | None:
        async with AsyncPortkey(config=config(world.target("a")), **given) as client:
            return status(await ask(client))

    assert asyncio.run(asynchronous()) == "MISS"
    reasons = {event.reason for event in heard if event.name == "cache.failed"}
    assert reasons == {"OSError"}


def test_what_is_no_entry_is_a_miss_and_an_event(world):
    cache, heard = MemoryCache(), []
    given = {"cache": cache, "on_event": heard.append}
    with Portkey(config=config(world.target("a")), **given) as client:
        ask(client)
        (key,) = cache._kept
        for value in (b"", b"{}", b"[1,2,3,4,5,6,7]", b'[0,9,200,{},{"a":1},null,false]'):
            cache.put(key, value, time.time(), 60.0, print)
            assert status(ask(client)) == "MISS"
            told = {event.reason for event in heard if event.name == "cache.failed"}
            assert told == (
                {"Unreadable: an entry of the cache cannot be read"} if value else set()
            )
            assert status(ask(client)) == "HIT"


def test_events_tell_what_the_cache_did(world):
    heard: list[Any] = []
    with Portkey(config=config(world.target("a")), on_event=heard.append) as client:
        for headers in ({}, {}, {"cache-control": "no-cache"}):
            ask(client, extra_headers=headers)
    names = [event.name for event in heard if event.name.startswith("cache.")]
    assert names == ["cache.miss", "cache.stored", "cache.hit", "cache.stored", "cache.refreshed"]
    assert {event.target for event in heard} == {"config"}


def test_arguments_that_cannot_be(world):
    base = config(world.target("a"))
    for given, name in (
        ({"cache": object()}, "cache"),
        ({"cache_dir": 3}, "cache_dir"),
        ({"cache": MemoryCache(), "cache_dir": "x"}, "cache_dir"),
        ({"cache_namespace": 3}, "cache_namespace"),
        ({"cache_force_refresh": "yes"}, "cache_force_refresh"),
    ):
        with pytest.raises(ConfigError, match=name):
            Portkey(config=base, **given)
    with Portkey(config=base) as client, pytest.raises(TypeError, match="whole client"):
        client.with_options(cache_dir="x")


def test_a_directory_is_shared_and_outlives_a_client(world, tmp_path):
    folder = tmp_path / "kept"
    with Portkey(config=config(world.target("a")), cache_dir=folder) as client:
        first = ask(client)
    shared = DiskCache(folder)
    with Portkey(config=config(world.target("a")), cache=shared) as client:
        assert ask(client) == first
    with Portkey(config=config(world.target("a")), cache=shared) as client:
        assert status(ask(client)) == "HIT"
    shared.close()


def test_explain_says_what_the_cache_would_do(world):
    with Portkey(config=config(world.target("a"))) as client:
        assert "cache: an answer up to 300 s old will do" in str(client.router.explain(model="m"))
        assert "nothing is kept" in str(client.router.explain(model="m", store=True))
        refreshing = client.with_options(cache_force_refresh=True)
        assert "cache: not looked at, but filled" in str(refreshing.router.explain(model="m"))


# --- a crowd


def slow(seconds: float) -> Any:
    counting = Counting()

    def script(received: Received) -> Step:
        time.sleep(seconds)
        return counting(received)

    script.counting = counting  # type: ignore[attr-defined]
    return script


def test_a_thousand_concurrent_identical_calls_are_one(world, anyio_backend, place):
    world.reset(slow(0.2))

    async def main() -> Counter[Any]:
        seen: Counter[Any] = Counter()
        async with AsyncPortkey(config=config(world.target("a")), **place) as client:

            async def one() -> None:
                answer = await ask(client)
                seen[status(answer), said(answer)] += 1

            async with anyio.create_task_group() as group:
                for _ in range(1000):
                    group.start_soon(one)
        return seen

    seen = anyio.run(main, backend=anyio_backend)
    assert len(world.received) == 1
    assert seen == {("MISS", "answer 1 of a"): 1, ("HIT", "answer 1 of a"): 999}


def test_an_answer_that_its_limit_cut_short_is_shared_and_not_kept(world):
    def script(_: Received) -> Step:
        time.sleep(0.5)
        return BAD["half of it"]

    world.reset(script)
    with Portkey(config=config(world.target("a"))) as client, ThreadPoolExecutor(5) as pool:
        seen = Counter(status(each) for each in pool.map(lambda _: ask(client), range(5)))
        assert seen == {"MISS": 1, "HIT": 4}
        assert status(ask(client)) == "MISS"


def test_threads_share_a_call(world, place):
    world.reset(slow(0.2))
    with (
        Portkey(config=config(world.target("a")), **place) as client,
        ThreadPoolExecutor(50) as pool,
    ):
        seen = Counter(said(answer) for answer in pool.map(lambda _: ask(client), range(50)))
    assert seen == {"answer 1 of a": 50}
    assert len(world.received) == 1


@pytest.mark.filterwarnings(  # the connections of a loop that is over are closed by nobody
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_event_loops_of_one_client_share_a_call(world):
    world.reset(slow(0.3))
    client = AsyncPortkey(config=config(world.target("a")))
    seen: list[Any] = []

    async def main() -> None:
        answers = await asyncio.gather(*(ask(client) for _ in range(20)))
        seen.extend(map(said, answers))

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(seen) == {"answer 1 of a": 60}
    assert len(world.received) == 1
    asyncio.run(client.close())
    gc.collect()


@pytest.mark.parametrize("leader", [False, True], ids=["plain leads", "a stream leads"])
def test_streams_and_plain_calls_share_a_call(world, anyio_backend, leader):
    world.reset(slow(0.2))

    async def main() -> list[str]:
        told: list[str] = []
        async with AsyncPortkey(config=config(world.target("a"))) as client:

            async def one(stream: bool) -> None:
                answer = await ask(client, stream=stream)
                if not stream:
                    told.append(said(answer))
                    return
                parts = [c.choices[0].delta.content or "" async for c in answer if c.choices]
                told.append("".join(parts))

            async with anyio.create_task_group() as group:
                group.start_soon(one, leader)
                await anyio.sleep(0.05)
                for number in range(10):
                    group.start_soon(one, number % 2 == 0)
        return told

    assert anyio.run(main, backend=anyio_backend) == ["answer 1 of a"] * 11
    assert len(world.received) == 1


def test_embeddings_in_flight_are_shared(world, anyio_backend):
    world.reset(slow(0.2))

    async def main() -> None:
        async with AsyncPortkey(config=config(world.target("a"))) as client:

            async def one() -> None:
                assert len((await client.embeddings.create(model="e", input=["a", "b"])).data) == 2

            async with anyio.create_task_group() as group:
                for _ in range(30):
                    group.start_soon(one)

    anyio.run(main, backend=anyio_backend)
    assert len(world.received) == 1


def test_a_leader_that_is_cancelled_takes_nobody_down(world, anyio_backend):
    counting, asked, released = Counting(), threading.Event(), threading.Event()

    def script(received: Received) -> Step:
        step = counting(received)
        if not asked.is_set():
            asked.set()
            released.wait(30)
        return step

    world.reset(script)

    async def main() -> list[str]:
        told: list[str] = []
        async with AsyncPortkey(config=config(world.target("a"))) as client:

            async def leader(scope: anyio.CancelScope) -> None:
                with scope:
                    await ask(client)
                    raise AssertionError("was to be cancelled")

            async def follower() -> None:
                told.append(said(await ask(client)))

            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()
                group.start_soon(leader, scope)
                await anyio.to_thread.run_sync(asked.wait, 30)
                for _ in range(10):
                    group.start_soon(follower)
                await anyio.sleep(0.05)
                scope.cancel()
        released.set()
        return told

    assert anyio.run(main, backend=anyio_backend) == ["answer 2 of a"] * 10
    assert len(world.received) == 2


def test_a_leader_that_fails_is_followed_by_the_next_one(world):
    steps = iter([error(500), chat("good")])

    def script(_: Received) -> Step:
        time.sleep(0.2)
        return next(steps)

    world.reset(script)
    with Portkey(config=config(world.target("a"))) as client, ThreadPoolExecutor(10) as pool:

        def one(_: int) -> str:
            try:
                return said(ask(client))
            except openai.InternalServerError:
                return "failed"

        seen = Counter(pool.map(one, range(10)))
    assert seen == {"failed": 1, "good": 9}
    assert len(world.received) == 2


def test_a_follower_keeps_its_own_time_limit(world):
    counting, asked, released = Counting(), threading.Event(), threading.Event()

    def script(received: Received) -> Step:
        asked.set()
        released.wait(30)
        return counting(received)

    world.reset(script)
    with Portkey(config=config(world.target("a"))) as client, ThreadPoolExecutor(2) as pool:
        leader = pool.submit(ask, client)
        assert asked.wait(30)
        with pytest.raises(openai.APITimeoutError):
            ask(client, timeout=0.2)
        assert not leader.done()
        released.set()
        assert said(leader.result()) == "answer 1 of a"
    assert len(world.received) == 1


@pytest.mark.parametrize("how", ["left", "dropped", "paused"])
def test_a_reader_who_does_not_read_takes_nobody_down(world, how):
    with Portkey(config=config(world.target("a"))) as client, ThreadPoolExecutor(5) as pool:
        stream = ask(client, stream=True)
        followers = [pool.submit(ask, client) for _ in range(5)]
        time.sleep(0.1)
        if how == "left":
            stream.close()
        elif how == "dropped":
            del stream
            gc.collect()
        told = {said(follower.result(timeout=5)) for follower in followers}
        assert told == {"answer 2 of a"}  # one of them led the others
        if how == "paused":
            assert words(stream) == "answer 1 of a"


def test_refreshes_follow_nobody(world):
    world.reset(slow(0.1))
    refreshing = Portkey(config=config(world.target("a")), cache_force_refresh=True)
    with refreshing as client, ThreadPoolExecutor(4) as pool:
        seen = {said(answer) for answer in pool.map(lambda _: ask(client), range(4))}
    assert len(seen) == len(world.received) == 4


def test_a_stream_that_the_vendor_withheld_takes_nobody_down(world):
    """It is handed over, and not kept; nobody waits for its end."""
    withheld = Step(
        events=(
            '{"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}',
            "[DONE]",
        )
    )
    world.reset(lambda _: withheld)
    with Portkey(config=config(world.target("a"))) as client:
        for _ in range(2):
            stream = ask(client, stream=True)
            assert status(stream) == "MISS"
            list(stream)
        assert len(client._engine._shelf.flights) == 0


def test_nothing_stays_in_flight(world):
    with Portkey(config=config(world.target("a"))) as client:
        ask(client)
        words(ask(client, stream=True))
        with ask(client, messages=[{"role": "user", "content": "x"}], stream=True) as stream:
            next(stream)
        world.reset(lambda _: error(500))
        with pytest.raises(openai.InternalServerError):
            ask(client, model="other")
        assert len(client._engine._shelf.flights) == 0


class Slow(MemoryCache):
    """A cache that takes the time it is given, and says so."""

    def __init__(self) -> None:
        """Start with no time."""
        super().__init__()
        self.released = threading.Event()
        self.released.set()
        self.in_time: list[bool] = []

    def ready(self, key: bytes, /) -> bool:
        """Say that it will wait."""
        return False

    def get(self, key: bytes, now: float, /) -> bytes | None:
        """Wait before answering."""
        self.in_time.append(self.released.wait(10))
        return super().get(key, now)


def test_a_cache_that_waits_does_not_hold_up_the_event_loop(world, anyio_backend):
    slow = Slow()

    async def main() -> None:
        async with AsyncPortkey(config=config(world.target("a")), cache=slow) as client:
            await ask(client)
            slow.released.clear()
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(lambda: ask(client))
                await anyio.sleep(0.05)
                slow.released.set()  # which a loop that waits for the cache would not come to

    anyio.run(main, backend=anyio_backend)
    assert len(slow.in_time) > 1
    assert all(slow.in_time)
    assert len(world.received) == 1
