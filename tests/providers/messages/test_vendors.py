"""Anthropic's client falling back to vendors that speak languages of their own, tools and all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.providers.bedrock.helpers import exception, stream_of
from tests.providers.cohere.speaking import as_stream
from tests.providers.messages.doors import async_door, door
from tests.providers.messages.test_calls import ASK, OVERLOADED, TOOL, blocks, claude

from portkey_local import AsyncPortkey
from portkey_local.testing import Loopback, Step

ARGUMENTS = {"city": "Oslo"}
COHERE = {
    "id": "c1", "finish_reason": "TOOL_CALL",
    "message": {
        "role": "assistant", "tool_plan": "I will look.",
        "tool_calls": [
            {"id": "call_1", "type": "function",
             "function": {"name": "weather", "arguments": json.dumps(ARGUMENTS)}},
        ],
    },
    "usage": {"tokens": {"input_tokens": 9, "output_tokens": 5}},
}  # fmt: skip
GEMINI = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [
                {"text": "Let me look."},
                {"functionCall": {"id": "call_1", "name": "weather", "args": ARGUMENTS},
                 "thoughtSignature": "c2lnbmVk"},
            ]},
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14},
    "modelVersion": "gemini-3-pro", "responseId": "r1",
}  # fmt: skip
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s1"}}},
        {"text": "Let me look."},
        {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": ARGUMENTS}},
    ]}},
    "stopReason": "tool_use",
    "usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14},
    "metrics": {"latencyMs": 1},
}  # fmt: skip
MODELS = {
    "bedrock": "us.anthropic.claude-sonnet-4-6",
    "cohere": "command-a-03-2025",
    "google": "gemini-3-pro-preview",
}
AWS = "application/vnd.amazon.eventstream"
ANSWERS: dict[str, dict[bool, Step]] = {
    "bedrock": {
        False: Step(json=CONVERSED),
        True: Step(body=b"".join(stream_of(CONVERSED)), content_type=AWS),
    },
    "cohere": {
        False: Step(json=COHERE),
        True: Step(body=as_stream(COHERE), content_type="text/event-stream"),
    },
    "google": {False: Step(json=GEMINI), True: Step(events=[json.dumps(GEMINI)])},
}
USE = {"type": "tool_use", "id": "call_1", "name": "weather", "input": ARGUMENTS}


def config(provider: Loopback, vendor: str) -> dict[str, Any]:
    other = {
        "provider": vendor,
        "api_key": f"key-of-{vendor}",
        "custom_host": provider.target("other"),
        "override_params": {"model": MODELS[vendor]},
        **({"aws_region": "us-east-1"} if vendor == "bedrock" else {}),
    }
    return {"strategy": {"mode": "fallback"}, "targets": [claude(provider), other]}


def asked(client: Any, *, stream: bool, **more: Any) -> Any:
    ask = {**ASK, "tools": [TOOL], **more}
    if not stream:
        return client.messages.create(**ask)
    with client.messages.stream(**ask) as told:
        return told.get_final_message()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("vendor", sorted(MODELS))
def test_another_vendor_answers_in_anthropic_s_form(provider, vendor, stream):
    provider.reset({"claude": [OVERLOADED], "other": [ANSWERS[vendor][stream]]})
    with door(config(provider, vendor)) as client:
        message = asked(client, stream=stream)
    told = blocks(message)
    assert USE in told
    assert (message.stop_reason, message.model) == ("tool_use", message.model)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (9, 5)
    [_, request] = provider.received
    assert "weather" in json.dumps(request.json)


@pytest.mark.anyio
@pytest.mark.parametrize("vendor", sorted(MODELS))
async def test_the_same_asynchronously(provider, vendor):
    provider.reset({"claude": [OVERLOADED], "other": [ANSWERS[vendor][True]]})
    async with (
        AsyncPortkey(config=config(provider, vendor)) as portkey,
        async_door(portkey).messages.stream(**ASK, tools=[TOOL]) as told,
    ):
        message = await told.get_final_message()
    assert USE in blocks(message)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("vendor", sorted(MODELS))
def test_what_a_vendor_wants_back_of_its_reasoning_goes_back(provider, vendor, stream):
    """And where Anthropic answers next, it is sent what it has signed itself, and nothing else."""
    answer = ANSWERS[vendor][stream]
    provider.reset({"claude": [OVERLOADED] * 2, "other": [answer, ANSWERS[vendor][False]]})
    with door(config(provider, vendor)) as client:
        message = asked(client, stream=stream, thinking={"type": "adaptive"})
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": "7", "is_error": True}
        turns = [
            *ASK["messages"],
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ]
        asked(client, stream=False, messages=turns)
    to_claude, to_vendor = (request.json for request in provider.received[2:])
    kinds = [block["type"] for block in to_claude["messages"][1]["content"]]
    sent = json.dumps(to_vendor)
    if vendor == "bedrock":
        assert kinds == ["thinking", "text", "tool_use"]
        assert to_claude["messages"][1]["content"][0]["signature"] == "s1"
        reasoning = to_vendor["messages"][1]["content"][0]["reasoningContent"]["reasoningText"]
        assert reasoning == {"text": "Hm.", "signature": "s1"}
        assert to_vendor["messages"][2]["content"][0]["toolResult"]["status"] == "error"
    else:
        assert "redacted_thinking" not in kinds
        assert ("I will look." if vendor == "cohere" else "c2lnbmVk") in sent
        assert "Error: 7" in sent


@pytest.mark.parametrize(
    ("model", "thinking", "wanted", "effort"),
    [
        ("claude-sonnet-4-6", {"type": "enabled", "budget_tokens": 2048}, None, True),
        ("claude-opus-4-8", {"type": "adaptive"}, None, True),
        ("claude-opus-4-8", {"type": "enabled", "budget_tokens": 9000}, {"type": "adaptive"}, True),
        (
            "claude-3-7-sonnet",
            {"type": "adaptive"},
            {"type": "enabled", "budget_tokens": 1024},
            False,
        ),
    ],
)
def test_claude_on_bedrock_is_told_how_to_think_in_words_that_it_knows(
    provider, model, thinking, wanted, effort
):
    provider.reset({"claude": [OVERLOADED], "other": [ANSWERS["bedrock"][False]]})
    order = config(provider, "bedrock")
    order["targets"][1]["override_params"] = {"model": f"us.anthropic.{model}-v1:0"}
    with door(order) as client:
        more = {"thinking": thinking, "output_config": {"effort": "low"}, "max_tokens": 20000}
        asked(client, stream=False, **more)
    said = provider.received[1].json
    told = said["additionalModelRequestFields"]
    assert told["thinking"] == (wanted or thinking)
    assert (told.get("output_config") == {"effort": "low"}) is effort
    assert "outputConfig" not in said


def test_a_stream_of_bedrock_s_that_fails_first_moves_on(provider):
    slow = exception("throttlingException", {"message": "slow down"})
    order = config(provider, "bedrock")
    order["targets"].reverse()
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8",
        "content": [USE], "stop_reason": "tool_use", "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    from tests.providers.anthropic.replies import streamed

    provider.reset(
        {
            "other": [Step(body=slow, content_type=AWS)],
            "claude": [Step(body=streamed(answer), content_type="text/event-stream")],
        }
    )
    with door(order) as client:
        message = asked(client, stream=True)
    assert blocks(message) == [USE]
    assert [request.target for request in provider.received] == ["other", "claude"]


def test_a_stream_in_another_framing_is_handed_on_as_server_sent_events(provider):
    provider.reset({"claude": [OVERLOADED], "other": [ANSWERS["bedrock"][True]]})
    with (
        door(config(provider, "bedrock")) as client,
        client.messages.with_streaming_response.create(**ASK, stream=True) as response,
    ):
        assert response.headers["content-type"] == "text/event-stream"
        assert response.read().startswith(b"event: message_start\ndata: {")
