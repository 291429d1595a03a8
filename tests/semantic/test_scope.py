"""Only requests that are the same in everything but their last words may share an answer.

The model here takes all texts for the same, and the last words of the two calls are equal: whatever is
not served is told apart by the scope alone.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from tests.caches.worlds import Counting, status
from tests.semantic.worlds import AGAIN, OTHER, RESET, Everything, ask, semantic, user

from portkey_local import MemoryCache, Portkey
from portkey_local.compile import compile_config
from portkey_local.drivers.simulated import Simulation
from portkey_local.model import Answer, Reply, Request
from portkey_local.policies.shelf import Shelf
from portkey_local.semantic.remembering import RecallsState
from portkey_local.semantic.requests import Worded, worded
from portkey_local.testing import HashingEmbedder, Loopback

SERVED = "SEMANTIC HIT"
SYSTEM = {"role": "system", "content": "You help customers of a bank."}
TURNS = [
    {"role": "user", "content": "Tell me about cats."},
    {"role": "assistant", "content": "Cats are small."},
]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
BASE: dict[str, Any] = {
    "model": "m",
    "messages": [SYSTEM, *TURNS, *user(RESET)],
    "temperature": 0.5,
    "max_tokens": 100,
    "seed": 1,
    "stop": ["END"],
    "response_format": {"type": "text"},
}


def messages(*before: Any, **last: Any) -> dict[str, Any]:
    return {"messages": [*before, {**user(RESET)[0], **last}]}


OTHER_TURNS = [{"role": "user", "content": "Tell me about dogs."}, TURNS[1]]
OTHER_ANSWER = [TURNS[0], {"role": "assistant", "content": "Cats are large."}]
FIELDS = {
    "model": {"model": "n"},
    "system prompt": messages({**SYSTEM, "content": "You help customers of a shop."}, *TURNS),
    "no system prompt": messages(*TURNS),
    "developer in place of system": messages({**SYSTEM, "role": "developer"}, *TURNS),
    "earlier question": messages(SYSTEM, *OTHER_TURNS),
    "earlier answer": messages(SYSTEM, *OTHER_ANSWER),
    "one turn less": messages(SYSTEM),
    "name of the user": messages(SYSTEM, *TURNS, name="alice"),
    "temperature": {"temperature": 0.6},
    "top_p": {"top_p": 0.5},
    "max_tokens": {"max_tokens": 10},
    "max_completion_tokens": {"max_completion_tokens": 10},
    "seed": {"seed": 2},
    "stop": {"stop": ["STOP"]},
    "response_format": {"response_format": SCHEMA},
    "reasoning_effort": {"reasoning_effort": "low"},
    "verbosity": {"verbosity": "low"},
    "frequency_penalty": {"frequency_penalty": 1},
    "logit_bias": {"logit_bias": {"50256": -100}},
    "user": {"user": "somebody else"},
    "metadata of the request": {"metadata": {"a": "b"}},
    "prediction": {"prediction": {"type": "content", "content": "x"}},
    "a header of the caller's": {"extra_headers": {"x-tenant": "b"}},
    "a field of a vendor's": {"extra_body": {"safe_prompt": True}},
    "tools": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "parallel tool calls": {"parallel_tool_calls": False},
}


@pytest.fixture(scope="module")
def world() -> Any:
    with Loopback(Counting()) as server:
        yield server


@pytest.fixture
def place() -> dict[str, Any]:
    """A cache and a model that several clients share."""
    return {"cache": MemoryCache(), "cache_embedder": Everything()}


def asked(portkey: Any, **fields: Any) -> str | None:
    return status(portkey.chat.completions.create(**{**BASE, **fields}))


def test_the_base_alone_is_served(world, place):
    with Portkey(config=semantic(world.target("a")), **place) as portkey:
        ask(portkey, RESET, **BASE)
        again = [*BASE["messages"][:-1], *user(AGAIN)]
        assert asked(portkey, messages=again) == SERVED
        assert asked(portkey, messages=again, stream=True) == SERVED
        turned = dict(reversed(BASE.items())) | {"temperature": 0.50, "max_tokens": 100.0}
        assert asked(portkey, **{**turned, "messages": again}) == SERVED


@pytest.mark.parametrize("field", FIELDS)
def test_one_field_that_differs_is_enough(world, place, field):
    with Portkey(config=semantic(world.target("a")), **place) as portkey:
        assert asked(portkey) != SERVED
        assert asked(portkey, **FIELDS[field]) != SERVED


def config(url: str, **changes: Any) -> dict[str, Any]:
    return {**semantic(url), **changes}


HOOK = {"default.contains": {"words": ["a"], "operator": "none"}}
CLIENTS = {
    "key": lambda a, b: {"config": config(a, api_key="sk-of-another")},
    "host": lambda a, b: {"config": config(b)},
    "provider": lambda a, b: {"config": config(a, provider="groq")},
    "override": lambda a, b: {"config": config(a, override_params={"top_p": 0.5})},
    "organization": lambda a, b: {"config": config(a, openai_organization="o")},
    "output guardrail": lambda a, b: {"config": config(a, output_guardrails=[HOOK])},
    "input mutator": lambda a, b: {"config": config(a, input_mutators=[{"default.addPrefix": {"prefix": "x"}}])},
    "namespace": lambda a, b: {"config": config(a), "cache_namespace": "b"},
    "default header": lambda a, b: {"config": config(a), "default_headers": {"x-tenant": "b"}},
    "a group of two": lambda a, b: {
        "config": {
            "strategy": {"mode": "fallback"},
            "targets": [{k: v for k, v in config(x).items() if k != "cache"} for x in (a, b)],
            "cache": config(a)["cache"],
        }
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::portkey_local.errors.ConfigWarning")
@pytest.mark.parametrize("change", CLIENTS)
def test_so_is_one_of_where_it_goes(world, place, change):
    a, b = world.target("a"), world.target("b")
    with (
        Portkey(config=config(a), **place) as one,
        Portkey(**CLIENTS[change](a, b), **place) as two,
    ):
        asked(one)
        assert asked(two) != SERVED
        again = [*BASE["messages"][:-1], *user(AGAIN)]
        assert asked(one, messages=again) == SERVED
    with Portkey(config=config(a), **place) as same:
        assert asked(same, messages=again) == SERVED


def test_so_are_a_copy_s_options(world, place):
    with Portkey(config=config(world.target("a")), **place) as portkey:
        asked(portkey)
        assert asked(portkey.with_options(cache_namespace="b")) != SERVED
        assert asked(portkey.with_options(config=config(world.target("b")))) != SERVED
        headed = portkey.with_options(default_headers={"x-tenant": "b"})
        assert asked(headed) != SERVED


def test_metadata_that_decides_the_route_is_told_apart(world, place):
    target = config(world.target("a"))
    cache = target.pop("cache")
    routed = {
        "strategy": {
            "mode": "conditional",
            "conditions": [{"query": {"metadata.plan": {"$eq": "paid"}}, "then": "b"}],
            "default": "a",
        },
        "targets": [{**target, "name": "a"}, {**target, "name": "b"}],
        "cache": cache,
    }
    with Portkey(config=routed, **place) as portkey:
        asked(portkey.with_options(metadata={"plan": "free"}))
        assert asked(portkey.with_options(metadata={"plan": "paid"})) != SERVED
        again = [*BASE["messages"][:-1], *user(AGAIN)]
        free = portkey.with_options(metadata={"plan": "free", "page": 2})
        assert asked(free, messages=again) == SERVED


# --- long texts


def test_a_long_context_with_another_question_at_its_end_is_another_question(world):
    context = " ".join(f"word{number}" for number in range(600))
    with Portkey(
        config=semantic(world.target("a"), profile="loose"), cache_embedder=HashingEmbedder(64)
    ) as portkey:
        ask(portkey, f"{context} {RESET}")
        assert status(ask(portkey, f"{context} {OTHER}")) != SERVED
        assert status(ask(portkey, f"{context} {AGAIN}")) != SERVED


@pytest.mark.parametrize("count", [60, 200, 600])
def test_so_it_is_for_the_real_model(world, minilm, count):
    words = [
        "The",
        "parties",
        "agree",
        "that",
        "the",
        "goods",
        "are",
        "delivered",
        "at",
        "the",
        "port",
        "named",
        "in",
        "the",
        "order.",
    ]
    context = " ".join((words * 50)[:count])
    questions = ["Who pays the freight?", "Which court has jurisdiction?"]
    cache = {"mode": "semantic", "profile": "loose"}
    with Portkey(
        config={**semantic(world.target("a")), "cache": cache}, cache_embedder=minilm
    ) as portkey:
        found = [status(ask(portkey, f"{context} {question}")) for question in questions]
        assert SERVED not in found


# --- conversations of a benchmark of traps


class Answers:
    """A world in which every call is answered at once."""

    def answer(self, target: Any, call: Any, now: float, rng: Any) -> Any:
        choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}
        return 0.0, Reply(target, Answer(200, {}), {"choices": [choice]})


def statuses(*bodies: dict[str, Any]) -> list[str]:
    """Let calls follow one another through a cache that takes all texts for the same."""
    cache = {"mode": "semantic", "min_similarity": 0.0, "profile": "loose"}
    held = MemoryCache()
    shelf = Shelf(held, recalls=RecallsState(held.questions, Everything()))
    router = compile_config(
        {"provider": "openai", "api_key": "sk-x", "cache": cache}, shelf=shelf
    ).root
    simulation, found = Simulation(Answers()), []
    for at, body in enumerate(bodies):
        request = Request("POST", "/chat/completions", {"model": "m", **body})
        simulation.start(router, request, lambda outcome: found.append(outcome.cache), at=at)
    simulation.run()
    return found


def test_no_conversation_is_answered_from_another_one(shared):
    """Their last words are often the same; what was said before is not."""
    files = sorted((shared / "data" / "fow_cache" / "conversations").glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    traps = [row for row in rows if not row["same_answer"]]
    assert len(traps) >= 60
    for row in traps:
        one, other = ({"messages": row[name]} for name in ("a", "b"))
        assert statuses(one, other)[1] != SERVED, row["id"]


def test_the_simulated_world_serves_what_is_the_same():
    assert statuses({"messages": user(RESET)}, {"messages": user(AGAIN)}) == [
        "SEMANTIC MISS",
        SERVED,
    ]


# --- what a request is made of


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=50)
@given(body=st.dictionaries(st.sampled_from([*BASE, "tools", "n", "audio"]), JSON))
def test_any_body_is_a_question_or_says_why_not(body):
    found = worded(body)
    if isinstance(found, Worded):
        assert found.rest["messages"][-1]["content"] is None
    else:
        assert found.reason
