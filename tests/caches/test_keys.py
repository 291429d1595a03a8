"""What makes two requests the same, and that nothing else does."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from portkey_local.caches.keys import cacheable, digest, key_of, told_apart
from portkey_local.model import Request

SCOPE = b"scope"
CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi", "tool_calls": [{"id": "t", "type": "function"}]},
        {"role": "user", "content": [{"type": "text", "text": "And you?"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"minimum": 1}}}],
    "tool_choice": "auto",
    "response_format": {"type": "json_object"},
    "temperature": 0.7,
    "top_p": 1,
    "n": 1,
    "max_tokens": 10,
    "seed": 3,
    "stop": ["x"],
    "logprobs": False,
    "user": "u-1",
    "metadata": {"a": "b"},
    "logit_bias": {"50256": -100},
    "reasoning_effort": "low",
}

leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def key(body: Any, path: str = "/chat/completions", **fields: Any) -> bytes:
    namespace = fields.pop("namespace", "")
    forward = fields.pop("forward", ())
    facts = fields.pop("facts", ())
    scope = fields.pop("scope", SCOPE)
    request = Request("POST", path, body, **fields)
    return key_of(scope, request, body, told_apart(request, namespace, forward, facts))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value in JSON."""
    found = [path] if path else []
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for name, entry in entries:
        found += places(entry, (*path, name))
    return found


def changed(body: Any, path: tuple[Any, ...], put: Any = ...) -> Any:
    """Return a body with another value at a place, or with nothing there."""
    twin = copy.deepcopy(body)
    node = twin
    for step in path[:-1]:
        node = node[step]
    if put is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = put
    return twin


@pytest.mark.parametrize("path", places(CHAT), ids=str)
def test_a_flip_of_any_field_is_another_key(path):
    assert key(changed(CHAT, path)) != key(CHAT)
    assert key(changed(CHAT, path, "something else")) != key(CHAT)


@given(values, values)
def test_keys_are_equal_where_the_json_is_and_nowhere_else(one, other):
    """Python's own comparison takes 1 for 1.0, as we do, and for True, as we do not."""
    alike = json.loads(json.dumps(one)) == json.loads(json.dumps(other))
    if alike:
        alike = marked_booleans(one) == marked_booleans(other)
    assert (digest({"v": one}) == digest({"v": other})) is alike


def marked_booleans(value: Any) -> Any:
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, dict):
        return {name: marked_booleans(entry) for name, entry in value.items()}
    return [marked_booleans(entry) for entry in value] if isinstance(value, list) else value


@given(values, st.randoms())
def test_the_order_of_names_and_the_spelling_of_numbers_do_not_matter(value, rng):
    def shuffled(node: Any) -> Any:
        if isinstance(node, dict):
            items = [(name, shuffled(entry)) for name, entry in node.items()]
            rng.shuffle(items)
            return dict(items)
        if isinstance(node, list):
            return [shuffled(entry) for entry in node]
        whole = type(node) is int and abs(node) < 2**53
        return float(node) if whole and rng.random() < 0.5 else node

    assert digest(shuffled(value)) == digest(value)


def test_how_an_answer_comes_does_not_matter_on_chat():
    streamed = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    assert key(streamed, stream=True) == key(CHAT) == key({**CHAT, "stream": False})


def test_a_stream_of_another_kind_is_kept_by_itself():
    body = {"model": "m", "messages": []}
    assert key(body, "/messages", stream=True) == key(body, "/messages")
    assert key(body, "/responses", stream=True) != key(body, "/responses")


@pytest.mark.parametrize(
    "other",
    [
        dict(path="/completions"),
        dict(query="a=1"),
        dict(namespace="team-b"),
        dict(scope=b"other targets"),
        dict(facts=[["pro"]]),
        dict(headers={"openai-beta": "x"}),
        dict(forward=("authorization",), withheld={"authorization": "Bearer other"}),
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_else_tells_two_calls_apart_is_in_the_key(other):
    assert key(CHAT, **other) != key(CHAT)


def test_headers_that_no_answer_depends_on_are_left_out():
    heard = {"user-agent": "x", "accept": "y", "traceparent": "z", "cache-control": "max-age=3"}
    assert key(CHAT, headers=heard) == key(CHAT)
    assert key(CHAT, withheld={"authorization": "Bearer unheard"}) == key(CHAT)
    forwarded = dict(forward=("x-portkey-trace-id",), withheld={"x-portkey-trace-id": "1"})
    assert key(CHAT, **forwarded) == key(CHAT, forward=("x-portkey-trace-id",))


@pytest.mark.parametrize(
    ("path", "body", "kept"),
    [
        ("/chat/completions", {}, True),
        ("/chat/completions", {"store": True}, False),
        ("/chat/completions", {"store": False}, True),
        ("/completions", {}, True),
        ("/embeddings", {}, True),
        ("/messages", {}, True),
        ("/moderations", {}, True),
        ("/responses", {}, False),
        ("/responses", {"store": False}, True),
        ("/responses", {"store": False, "background": True}, False),
        ("/responses", {"store": False, "conversation": "c"}, False),
        ("/files", {}, False),
        ("/batches", {}, False),
        ("/images/generations", {}, False),
    ],
)
def test_only_what_does_nothing_but_answer_is_cached(path, body, kept):
    assert cacheable(Request("POST", path, body)) is kept
    assert not cacheable(Request("GET", path, body))
    assert not cacheable(Request("POST", path, None, content=b"form"))
    assert not cacheable(Request("POST", path, body, json_expected=False))


def test_what_is_no_json_has_no_key():
    with pytest.raises((TypeError, ValueError)):
        digest({"a": object()})
    itself: dict[str, Any] = {}
    itself["a"] = itself
    with pytest.raises((ValueError, RecursionError)):
        digest(itself)


def test_a_key_tells_nothing():
    assert len(key(CHAT)) == 32
    assert b"Hello" not in key(CHAT)
