"""Whatever is asked, Anthropic is sent what it publishes; and its answers can be sent back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from tests.providers.anthropic.published import wrong
from tests.providers.anthropic.replies import messages
from tests.providers.conversations import requests

from portkey_local.model import Packet, Request, Target
from portkey_local.providers.anthropic import CODEC, completion
from portkey_local.providers.anthropic.models import model_of
from portkey_local.providers.vendor import (
    Ask,
)

TARGET = Target("config", "anthropic", "http://127.0.0.1/v1", CODEC)
MODELS = [
    "claude-3-haiku-20240307", "claude-3-7-sonnet-latest", "claude-opus-4-1", "claude-sonnet-4-5",
    "claude-sonnet-4-6", "claude-opus-4-8", "claude-sonnet-5", "claude-mythos-preview",
]  # fmt: skip
models = st.sampled_from(MODELS)


def encoded(body: dict[str, Any]) -> dict[str, Any]:
    request = Request("POST", "/chat/completions", body, stream=body.get("stream") is True)
    packet = CODEC.encode(TARGET, request)
    assert isinstance(packet, Packet)
    assert packet.url == "http://127.0.0.1/v1/messages"
    return json.loads(packet.content or b"")


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=60)
@given(data=st.data(), stream=st.booleans())
def test_any_request_is_one_that_anthropic_publishes(model, data, stream):
    body = data.draw(requests(model=model, stream=stream))
    assert wrong(encoded(body), model_of(model).version) == []


@settings(max_examples=150)
@given(models.flatmap(lambda model: requests(model=model)), messages())
def test_an_answer_can_be_sent_back(body, reply):
    """The reply is the next turn, and its signatures are those that came."""
    told = completion(reply, Ask(body, 1.7e9))["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": "done"}
        for call in told.get("tool_calls", ())
    ]
    spoken = [*body["messages"], told, *results, {"role": "user", "content": "and then?"}]
    sent = encoded({**body, "messages": spoken})
    assert wrong(sent, model_of(body["model"]).version) == []
    kept = [block for turn in sent["messages"] for block in turn["content"] if thinks(block)]
    assert kept == [block for block in reply["content"] if thinks(block)]


def thinks(block: dict[str, Any]) -> bool:
    return block["type"] in ("thinking", "redacted_thinking")


def test_nothing_given_is_changed():
    body = {
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}] * 2,
        "tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {
            "type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}}}],
    }  # fmt: skip
    before = json.dumps(body)
    encoded(body)
    assert json.dumps(body) == before
