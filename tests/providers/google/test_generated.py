"""Whatever OpenAI would take, Google's own models accept; whatever Google sends, nothing crashes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from tests.providers.conversations import requests
from tests.providers.google.accepted import check

from portkey_local.model import Answer, Failure, Packet, Reply, Request, Target
from portkey_local.providers.google import Gemini
from portkey_local.providers.native import (
    NativeCodec,
)
from portkey_local.providers.openai import encode_json
from portkey_local.providers.vendor import (
    Ask,
)
from portkey_local.providers.vertex import VertexCodec

MODELS = ["gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-flash-preview", "gemini-flash-latest"]
CODECS = {"google": NativeCodec(Gemini()), "vertex-ai": VertexCodec()}
AT = "https://example.test"

by_codec = pytest.mark.parametrize("provider", CODECS)


def target_of(provider: str, **fields: Any) -> Target:
    return Target(path="config", provider=provider, url=AT, codec=CODECS[provider], **fields)


def encoded(provider: str, body: dict[str, Any], **fields: Any) -> Packet:
    request = Request("POST", "/chat/completions", body, stream=body.get("stream") is True)
    packet = CODECS[provider].encode(target_of(provider, **fields), request)
    assert isinstance(packet, Packet), packet
    return packet


@by_codec
@settings(max_examples=400)
@given(data=st.data(), model=st.sampled_from(MODELS), stream=st.booleans())
def test_every_request_is_accepted_by_googles_own_models(provider, data, model, stream):
    body = data.draw(requests(model=model, stream=stream))
    before = json.dumps(body)
    packet = encoded(provider, body)
    check(json.loads(packet.content or b""))
    assert json.dumps(body) == before
    assert set(packet.dropped) <= reported(body)


def reported(body: dict[str, Any]) -> set[str]:
    """What may be named as dropped: parameters that were given, and parts of what was given."""
    named = set(body)
    for place, tool in enumerate(body.get("tools", ())):
        if tool["function"].get("strict"):
            named.add(f"tools[{place}].function.strict")
    for place, message in enumerate(body["messages"]):
        for number, part in enumerate(
            message["content"] if isinstance(message["content"], list) else ()
        ):
            if part["type"] == "image_url":
                named.add(f"messages[{place}].content[{number}].image_url.detail")
    return named


# --- what an answer comes to is accepted as the next turn

texts = st.text(max_size=12)
signed = st.one_of(st.just({}), st.just({"thoughtSignature": "c2lnbmVk"}))
parts = st.one_of(
    st.builds(lambda text, more: {"text": text, **more}, texts, signed),
    st.builds(lambda text, more: {"text": text, "thought": True, **more}, texts, signed),
    st.builds(
        lambda name, args, named, more: {"functionCall": {"name": name, "args": args, **named}, **more},
        st.sampled_from(["look", "give_answer"]),
        st.dictionaries(texts, st.one_of(st.integers(), texts, st.none()), max_size=2),
        st.just({}), signed,
    ),
    st.just({"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"}),
    st.just({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
    st.just({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
)  # fmt: skip
usages = st.fixed_dictionaries(
    {"promptTokenCount": st.integers(0, 99), "totalTokenCount": st.integers(0, 99)},
    optional={name: st.integers(0, 99) for name in (
        "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount", "toolUsePromptTokenCount")},
)  # fmt: skip


def answer_of(said: list[Any], reason: str, usage: dict[str, Any]) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": said}, "finishReason": reason}
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "responseId": "r1",
        "modelVersion": "g",
    }


@settings(max_examples=200)
@given(said=st.lists(parts, min_size=1, max_size=5), usage=usages, data=st.data())
def test_every_answer_is_accepted_as_the_next_turn(said, usage, data):
    body = data.draw(requests(model="gemini-3-pro"))
    message = Gemini().completion(answer_of(said, "STOP", usage), Ask(body, 1.0))["choices"][0][
        "message"
    ]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": "7"}
        for call in message.get("tool_calls", ())
    ]
    further = [*body["messages"], message, *results, {"role": "user", "content": "on"}]
    told = json.loads(encoded("google", {**body, "messages": further}).content or b"")
    check(told)
    again = [
        part["thoughtSignature"]
        for c in told["contents"]
        for part in c["parts"]
        if "thoughtSignature" in part
    ]
    for part in said:
        if "thoughtSignature" in part and not part.get("inlineData"):
            assert part["thoughtSignature"] in again


# --- anything as an answer

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([
        "candidates", "content", "parts", "text", "functionCall", "name", "args", "finishReason", "index",
        "usageMetadata", "promptTokenCount", "promptFeedback", "blockReason", "error", "code", "details",
        "thoughtSignature", "thought", "inlineData", "logprobsResult", "chosenCandidates", "predictions",
        "groundingChunks", "segment", "groundingChunkIndices", "web", "uri", "startIndex",
        "embedding", "embeddings", "values", "responseId", "modelVersion", "executableCode",
    ]), inner, max_size=4)),
    max_leaves=12,
)  # fmt: skip


def near(value: Any) -> Any:
    """An answer that is almost one: some of it replaced."""
    parts = [
        {"text": "a"},
        {"functionCall": {"name": "f", "args": {}}},
        {"inlineData": {"data": "AA"}},
    ]
    usual = answer_of(parts, "STOP", {"promptTokenCount": 1})
    candidate = usual["candidates"][0]
    places = st.sampled_from([
        lambda: {**usual, "candidates": value},
        lambda: {**usual, "usageMetadata": value},
        lambda: {**usual, "candidates": [value]},
        lambda: {**usual, "candidates": [candidate, {**candidate, "index": value}]},
        lambda: {**usual, "candidates": [{**candidate, "finishReason": value}]},
        lambda: {**usual, "candidates": [{**candidate, "content": {"parts": value}}]},
        lambda: {**usual, "candidates": [{**candidate, "content": {"parts": [value]}}]},
        lambda: {**usual, "candidates": [{**candidate, "content": {"parts": [{"functionCall": value}]}}]},
        lambda: {**usual, "candidates": [{**candidate, "logprobsResult": value}]},
        lambda: {**usual, "candidates": [{**candidate, "groundingMetadata": value}]},
        lambda: {**usual, "candidates": [{**candidate, "groundingMetadata": {"groundingSupports": value}}]},
        lambda: {"promptFeedback": value},
        lambda: {"error": value},
        lambda: {**usual, "responseId": value, "modelVersion": value},
        lambda: {"embeddings": value},
    ])  # fmt: skip
    return places.map(lambda make: make())


bodies = st.one_of(
    st.binary(max_size=80),
    json_values.map(lambda value: json.dumps(value).encode()),
    json_values.flatmap(near).map(lambda value: json.dumps(value).encode()),
)


@by_codec
@settings(max_examples=300)
@given(
    body=bodies,
    status=st.sampled_from([200, 400, 429, 500]),
    path=st.sampled_from(["/chat/completions", "/embeddings"]),
)
def test_any_body_is_a_reply_or_a_typed_failure(provider, body, status, path):
    request = Request("POST", path, {"model": "gemini-3", "messages": [], "input": "x"})
    outcome = CODECS[provider].decode(target_of(provider), request, Answer(status, {}, body), 0.0)
    assert isinstance(outcome, Reply | Failure)
    assert isinstance(outcome, Failure) or status == 200
    if isinstance(outcome, Reply):
        encode_json(outcome.data)  # as a caller's SDK will read it


def framed(pieces: list[bytes]) -> bytes:
    return b"".join(b"data: " + piece + b"\n\n" for piece in pieces)


@by_codec
@settings(max_examples=300)
@given(
    stream=st.one_of(st.binary(max_size=80), st.lists(bodies, max_size=4).map(framed)),
    cut=st.integers(0, 400),
)
def test_any_stream_ends_or_is_malformed(provider, stream, cut):
    request = Request(
        "POST", "/chat/completions", {"model": "gemini-3", "messages": []}, stream=True
    )
    reader = CODECS[provider].reader(target_of(provider), request, 0.0)
    events = reader.feed(stream[:cut]) + reader.feed(stream[cut:]) + reader.finish()
    if any(event.data == "[DONE]" for event in events):
        assert reader.complete
    for event in events:
        assert event.data == "[DONE]" or "choices" in event.data or "error" in event.data
