"""Calls to Anthropic through the clients: sign-in, errors, fallback, and its own endpoints."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from tests.providers.anthropic.replies import streamed

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Step, chat

KEY = "sk-ant-test-key"
ASK = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}]}
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 3},
}  # fmt: skip


def error(kind: str, message: str = "not now") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def sse(content: bytes) -> Step:
    return Step(body=content, content_type="text/event-stream")


def anthropic(provider, **more: Any) -> dict[str, Any]:
    return {
        "provider": "anthropic",
        "api_key": KEY,
        "custom_host": provider.target("claude"),
        **more,
    }


def falling_back(provider) -> dict[str, Any]:
    other = {"provider": "openai", "api_key": "sk-test", "custom_host": provider.target("other")}
    return {"strategy": {"mode": "fallback"}, "targets": [anthropic(provider), other]}


def test_sign_in_version_and_beta(provider):
    provider.reset({"claude": [Step(json=MESSAGE)]})
    config = anthropic(provider, anthropic_beta="files-api-2025-04-14")
    with Portkey(config=config) as client:
        assert client.chat.completions.create(**ASK).choices[0].message.content == "hello"
    [request] = provider.received
    assert request.path == "/messages"
    assert request.headers["x-api-key"] == KEY
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["anthropic-beta"] == "files-api-2025-04-14"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("status", "kind", "raised"),
    [(401, "authentication_error", openai.AuthenticationError),
     (429, "rate_limit_error", openai.RateLimitError),
     (529, "overloaded_error", openai.InternalServerError)],
)  # fmt: skip
def test_errors(provider, status, kind, raised):
    headers = {
        "retry-after": "7",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-tokens-limit": "80000",
    }
    provider.reset({"claude": [Step(status=status, json=error(kind), headers=headers)]})
    with (
        Portkey(config=anthropic(provider)) as client,
        pytest.raises(raised, match="not now") as info,
    ):
        client.chat.completions.create(**ASK)
    assert info.value.type == kind
    assert info.value.body["provider_error"] == error(kind)
    told = info.value.response.headers
    assert told["x-ratelimit-remaining-requests"] == "0"
    assert told["x-ratelimit-limit-tokens"] == told["anthropic-ratelimit-tokens-limit"] == "80000"
    assert told["retry-after"] == "7"


@pytest.mark.parametrize(
    "first",
    [Step(status=529, json=error("overloaded_error")), Step(json={"content": None}),
     Step(json={**MESSAGE, "content": [], "stop_reason": "refusal"})],
    ids=["overloaded", "malformed", "refused"],
)  # fmt: skip
def test_a_fallback_moves_on(provider, first):
    provider.reset({"claude": [first], "other": [chat("from the other")]})
    with Portkey(config=falling_back(provider)) as client:
        assert client.chat.completions.create(**ASK).choices[0].message.content == "from the other"


def test_a_fallback_moves_on_from_an_error_event(provider):
    begun = streamed(MESSAGE).partition(b"event: content_block_delta")[0]
    event = b"event: error\ndata: " + json.dumps(error("overloaded_error")).encode() + b"\n\n"
    provider.reset({"claude": [sse(begun + event)]})
    with Portkey(config=falling_back(provider)) as client:
        said = list(client.chat.completions.create(**ASK, stream=True))
    assert "".join(each.choices[0].delta.content or "" for each in said if each.choices)
    assert [request.target for request in provider.received] == ["claude", "other"]


def test_its_own_endpoints_pass_through(provider):
    provider.reset({"claude": [Step(json=MESSAGE), sse(streamed(MESSAGE))]})
    body = {**ASK, "max_tokens": 9}
    with Portkey(config=anthropic(provider)) as client:
        assert client.post("/messages", body=body, cast_to=object) == MESSAGE
        stream = client.post(
            "/messages", body={**body, "stream": True}, cast_to=object, stream=True,
            stream_cls=openai.Stream[object],
        )  # fmt: skip
        kinds = [each["type"] for each in stream]
    assert provider.received[0].json == body
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


def test_embeddings_are_not_supported(provider):
    with Portkey(config=anthropic(provider)) as client, pytest.raises(openai.OpenAIError) as info:
        client.embeddings.create(model="claude-sonnet-4-5", input="x")
    assert "not supported by anthropic" in str(info.value)
    assert provider.received == []


def test_strict_params_refuse_what_would_be_dropped(provider):
    config = anthropic(provider, strict_params=True)
    with Portkey(config=config) as client, pytest.raises(openai.BadRequestError, match="seed"):
        client.chat.completions.create(**ASK, seed=7)
    assert provider.received == []


@pytest.mark.anyio
async def test_streams_come_asynchronously(provider):
    provider.reset({"claude": [sse(streamed(MESSAGE, 2))]})
    async with AsyncPortkey(config=anthropic(provider)) as client:
        stream = await client.chat.completions.create(**ASK, stream=True)
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert said == ["he", "ll", "o", ""]
