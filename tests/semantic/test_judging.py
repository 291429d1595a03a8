"""Who has a word in it: the caller's verifier, shadow, samples, and the proof of an error rate."""

from __future__ import annotations

import random
import threading
import time
from fractions import Fraction
from math import comb
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from tests.caches.worlds import Counting, said, status
from tests.semantic.worlds import AGAIN, RESET, Everything, ask, client, names, semantic

from portkey_local import AsyncPortkey, Portkey
from portkey_local.policies import looking
from portkey_local.semantic.evidence import EvidenceState, at_most
from portkey_local.testing import Loopback
from portkey_local.testing.steps import chat, chat_stream

MISSED, SERVED = "SEMANTIC MISS", "SEMANTIC HIT"


@pytest.fixture
def world() -> Any:
    with Loopback(Counting()) as server:
        yield server


@pytest.fixture
def same() -> Any:
    """A provider whose every answer says the same."""
    text = "Open the settings."
    with Loopback(lambda got: chat_stream(text) if got.wants_stream else chat(text)) as server:
        yield server


# --- the verifier


@pytest.mark.parametrize("verdict", [True, False, None, 1, "yes"])
def test_only_a_verifier_that_says_true_lets_a_hit_through(world, verdict):
    calls: list[Any] = []

    def verifier(question: str, earlier: str, answer: str) -> Any:
        calls.append((question, earlier, answer))
        return verdict

    with client(world.target("a"), cache_verifier=verifier) as portkey:
        first, second = ask(portkey, RESET), ask(portkey, AGAIN)
        assert status(second) == (SERVED if verdict is True else MISSED)
        assert calls == [(AGAIN, RESET, said(first))]
        if verdict is not True:
            assert second.get_cache_decision().reason == "verifier"


def test_a_verifier_that_fails_is_a_miss_and_an_event(world):
    events: list[Any] = []

    def verifier(*_: str) -> bool:
        raise RuntimeError("a secret of the verifier")

    with client(world.target("a"), cache_verifier=verifier, on_event=events.append) as portkey:
        ask(portkey, RESET)
        assert status(ask(portkey, AGAIN)) == MISSED
    failed = [event for event in events if event.name == "cache.failed"]
    assert [event.reason for event in failed] == ["RuntimeError"]


def test_a_verifier_that_is_too_slow_is_a_miss(world, monkeypatch):
    monkeypatch.setattr(looking, "VERIFYING", 0.05)
    go = threading.Event()

    def verifier(*_: str) -> bool:
        return go.wait(10)

    with client(world.target("a"), cache_verifier=verifier) as portkey:
        ask(portkey, RESET)
        began = time.monotonic()
        assert status(ask(portkey, AGAIN)) == MISSED
        assert time.monotonic() - began < 5
        go.set()


@pytest.mark.anyio
async def test_a_verifier_may_be_asynchronous(world):
    async def verifier(question: str, earlier: str, answer: str) -> bool:
        return question != earlier

    async with client(world.target("a"), AsyncPortkey, cache_verifier=verifier) as portkey:
        await ask(portkey, RESET)
        assert status(await ask(portkey, AGAIN)) == SERVED


def test_so_it_may_under_a_synchronous_client(world):
    async def verifier(question: str, earlier: str, answer: str) -> bool:
        return question != earlier

    with client(world.target("a"), cache_verifier=verifier) as portkey:
        ask(portkey, RESET)
        assert status(ask(portkey, AGAIN)) == SERVED


# --- shadow and samples


def test_shadow_serves_nothing_and_compares(world):
    events: list[Any] = []
    fields = {"shadow": True}
    with client(world.target("a"), cache_fields=fields, on_event=events.append) as portkey:
        answers = [ask(portkey, text) for text in (RESET, AGAIN, AGAIN)]
        assert [status(each) for each in answers] == [MISSED, MISSED, "HIT"]
        decision = answers[1].get_cache_decision()
        assert (decision.tier, decision.reason) == (None, "shadow")
        assert decision.similarity > 0.5
    assert names(events).count("cache.shadowed") == 1
    compared = [event.reason for event in events if event.name == "cache.compared"]
    assert compared == ["another answer"]
    assert len(world.received) == 2


def test_a_stream_is_compared_at_its_end(same):
    events: list[Any] = []
    fields = {"shadow": True}
    with client(same.target("a"), cache_fields=fields, on_event=events.append) as portkey:
        ask(portkey, RESET)
        list(ask(portkey, AGAIN, stream=True))
        compared = [event.reason for event in events if event.name == "cache.compared"]
        assert compared == ["the same answer"]


def test_a_sample_of_hits_is_asked_after_all_and_which_is_the_client_s_dice(same):
    """Each question is its own scope, so that every second call is a would-be hit."""

    def run(seed: int) -> list[str]:
        given = {"cache_fields": {"sample": 0.5}, "rng": random.Random(seed)}
        with client(same.target("a"), cache_embedder=Everything(), **given) as portkey:
            for number in range(20):
                ask(portkey, RESET, seed=number)
            return [status(ask(portkey, AGAIN, seed=number)) for number in range(20)]

    found = run(7)
    assert {MISSED, SERVED} == set(found)
    assert run(7) == found != run(8)


def test_nothing_is_served_until_the_error_rate_is_proven(same):
    """59 answers that were the same prove 5 %; they are counted over all scopes of a namespace."""
    given = {"cache_fields": {"max_error": 0.05, "sample": 0}, "cache_embedder": Everything()}
    with client(same.target("a"), **given) as portkey:
        found = []
        for number in range(61):
            ask(portkey, RESET, seed=number)
            found.append(ask(portkey, AGAIN, seed=number))
        assert [status(each) for each in found] == [MISSED] * 59 + [SERVED] * 2
        assert found[58].get_cache_decision().reason == "unproven"


@pytest.mark.parametrize("other", [{"min_similarity": 0.2}, {"profile": "loose"}])
def test_what_one_way_of_deciding_has_proven_another_has_not(same, other):
    careful = {"max_error": 0.5, "sample": 0}
    one, two = semantic(same.target("a"), **careful), semantic(same.target("b"), **careful, **other)
    decided = {"query": {"metadata.side": "one"}, "then": "one"}
    routed = {
        "strategy": {"mode": "conditional", "conditions": [decided], "default": "two"},
        "targets": [{**one, "name": "one"}, {**two, "name": "two"}],
    }
    with Portkey(config=routed, cache_embedder=Everything(), metadata={"side": "one"}) as portkey:
        for number in range(6):
            ask(portkey, RESET, seed=number)
            last = ask(portkey, AGAIN, seed=number)
        assert status(last) == SERVED
        elsewhere = portkey.with_options(metadata={"side": "two"})
        ask(elsewhere, RESET)
        assert ask(elsewhere, AGAIN).get_cache_decision().reason == "unproven"


def test_a_comparer_says_whether_two_answers_are_the_same(world):
    compared: list[Any] = []

    async def comparer(kept: str, fresh: str) -> bool:
        compared.append((kept, fresh))
        return kept.split(maxsplit=1)[0] == fresh.split(maxsplit=1)[0]

    events: list[Any] = []
    given = {"cache_fields": {"shadow": True}, "cache_comparer": comparer}
    with client(world.target("a"), on_event=events.append, **given) as portkey:
        first, second = ask(portkey, RESET), ask(portkey, AGAIN)
        portkey._driver._beside.join()  # nobody waits for it
        assert compared == [(said(first), said(second))]
        told = [event.reason for event in events if event.name == "cache.compared"]
        assert told == ["the same answer"]


# --- the proof


@given(st.integers(0, 300), st.integers(0, 40), st.integers(1, 99))
@settings(max_examples=100)
def test_the_bound_is_the_binomial_s(n, wrong, percent):
    wrong, rate = min(wrong, n), Fraction(percent, 100)
    terms = (comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(wrong + 1))
    assert at_most(wrong, n, float(rate)) == pytest.approx(float(sum(terms)), abs=1e-9)


@pytest.mark.parametrize(("limit", "needed"), [(0.05, 59), (0.02, 149), (0.01, 299)])
def test_how_many_right_answers_prove_a_rate(limit, needed):
    evidence = EvidenceState()
    for _ in range(needed - 1):
        evidence.note([("all",)], same=True)
    assert not evidence.proven([("all",)], limit)
    evidence.note([("all",)], same=True)
    assert evidence.proven([("all",)], limit)


def test_a_narrow_level_that_errs_says_no_though_the_wide_one_says_yes():
    evidence = EvidenceState()
    bad, good, wide = ("bad",), ("good",), ("all",)
    for _ in range(500):
        evidence.note([good, wide], same=True)
    evidence.note([bad, wide], same=False)
    assert evidence.proven([("new",), wide], 0.05)
    evidence.note([bad, wide], same=False)
    assert not evidence.proven([bad, wide], 0.05)
    assert evidence.proven([good, wide], 0.05)


def test_a_level_that_has_enough_speaks_for_itself():
    evidence = EvidenceState()
    for _ in range(60):
        evidence.note([("wide",)], same=False)
        evidence.note([("narrow",)], same=True)
    assert evidence.proven([("narrow",), ("wide",)], 0.05)
    assert not evidence.proven([("wide",)], 0.05)
