"""One request, four vendors: whoever fails, and however, the next one is asked the same thing."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from tests.providers.bedrock.helpers import event, exception, stream_of

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Fault, Loopback, Step

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "celsius": {"type": "integer"}},
    "required": ["city", "celsius"],
    "additionalProperties": False,
}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Look the weather up.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
ANSWER = {"city": "Oslo", "celsius": -3}
TEXT = json.dumps(ANSWER)
ASK: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Answer in JSON."},
        {"role": "user", "content": "How cold is it in Oslo?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "-3 degrees"},
    ],
    "tools": [TOOL],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "weather", "schema": SCHEMA, "strict": True},
    },
}


def events(*data: Any) -> list[str]:
    return [json.dumps(each) for each in data]


def named(*data: dict[str, Any]) -> list[bytes]:
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in data]


# --- what each vendor answers, plain and streamed

BEGUN = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [],
    "stop_reason": None,
    "usage": {"input_tokens": 9, "output_tokens": 1},
}
GEMINI = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14},
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r1",
}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}


def choice(delta: Any, finish: str | None = None) -> dict[str, Any]:
    return {**CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def aws(*messages: bytes) -> Step:
    return Step(body=b"".join(messages), content_type="application/vnd.amazon.eventstream")


CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14},
    "metrics": {"latencyMs": 1},
}


GOOD: dict[str, dict[bool, Step]] = {
    "openai": {
        False: Step(
            json={
                **CHUNK,
                "object": "chat.completion",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": TEXT},
                        "finish_reason": "stop",
                    }
                ],
            }
        ),
        True: Step(events=[*events(choice({"content": TEXT}), choice({}, "stop")), "[DONE]"]),
    },
    "anthropic": {
        False: Step(
            json={**BEGUN, "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn"}
        ),
        True: Step(
            events=named(
                {"type": "message_start", "message": BEGUN},
                {
                    "type": "content_block_start",
                    "index": 0,
                    "content_block": {"type": "text", "text": ""},
                },
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": TEXT},
                },
                {"type": "content_block_stop", "index": 0},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": 5},
                },
                {"type": "message_stop"},
            )
        ),
    },
    "google": {False: Step(json=GEMINI), True: Step(events=events(GEMINI))},
    "bedrock": {False: Step(json=CONVERSED), True: aws(*stream_of(CONVERSED))},
}
MODELS = {
    "openai": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-2.5-flash",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
}

# --- how each may fail: the step, plain and streamed, and the status on the trail

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
BLOCKED = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}}
WITHHELD = {"candidates": [{"content": {}, "finishReason": "SAFETY"}]}
THROTTLED = Step(
    status=429,
    headers={"x-amzn-errortype": "ThrottlingException"},
    json={"message": "Too many requests"},
)
DOWN = Step(status=529, json={"error": {"message": "busy", "type": "overloaded"}})
BROKEN = Step(events=events({"error": {"message": "lost", "type": "server_error"}}))
CUT = Step(fault=Fault.CUT_BODY)

FAILING: dict[str, list[tuple[dict[bool, Step], int]]] = {
    "openai": [({False: DOWN, True: DOWN}, 529), ({False: CUT, True: BROKEN}, 500)],
    "anthropic": [
        ({False: Step(status=529, json=OVERLOADED), True: Step(events=named(OVERLOADED))}, 529),
        (
            {
                False: Step(status=529, json=OVERLOADED),
                # Begun, but nothing said: the error still moves on.
                True: Step(events=named({"type": "message_start", "message": BEGUN}, OVERLOADED)),
            },
            529,
        ),
    ],
    "google": [
        ({False: Step(json=BLOCKED), True: Step(events=events(BLOCKED))}, 200),
        ({False: Step(json=WITHHELD), True: Step(events=events(WITHHELD))}, 200),
    ],
    "bedrock": [
        (
            {
                False: THROTTLED,
                True: aws(
                    event("messageStart", {"role": "assistant"}),
                    exception("throttlingException", {"message": "slow down"}),
                ),
            },
            429,
        ),
    ],
}
ORDERS = list(itertools.permutations(MODELS))[::5]


def config(provider: Loopback, order: tuple[str, ...]) -> dict[str, Any]:
    targets = [
        {
            "provider": vendor,
            "api_key": f"key-of-{vendor}",
            "custom_host": provider.target(vendor),
            "override_params": {"model": MODELS[vendor]},
        }
        for vendor in order
    ]
    for target in targets:
        if target["provider"] == "bedrock":
            target["aws_region"] = "us-east-1"
    return {"strategy": {"mode": "fallback"}, "targets": targets}


def script(order: tuple[str, ...], way: int, *, stream: bool) -> dict[str, list[Step]]:
    """Return what each vendor does: all fail but the last one."""
    steps = {}
    for vendor in order[:-1]:
        ways = FAILING[vendor]
        steps[vendor] = [ways[way % len(ways)][0][stream]]
    return {**steps, order[-1]: [GOOD[order[-1]][stream]]}


def read(answer: Any, *, stream: bool) -> tuple[str, str]:
    """Return what an answer says, and why it ended."""
    if not stream:
        return answer.choices[0].message.content, answer.choices[0].finish_reason
    said, finish = "", ""
    for chunk in answer:
        for part in chunk.choices:
            said += part.delta.content or ""
            finish = part.finish_reason or finish
    return said, finish


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("way", [0, 1])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_the_next_vendor_answers_whatever_the_others_do(provider, order, way, stream):
    """The answer is the last one's, and the trail tells how each of the others failed."""
    provider.reset(script(order, way, stream=stream))
    events: list[Any] = []
    with Portkey(config=config(provider, order), on_event=events.append) as client:
        answer = client.chat.completions.create(**ASK, stream=stream)
        headers = answer.get_headers()
        said, finish = read(answer, stream=stream)
    assert json.loads(said) == ANSWER
    assert finish == "stop"
    assert headers["provider"] == order[-1]
    assert [received.target for received in provider.received] == list(order)
    moved = [(event.provider, event.status) for event in events if event.name == "fallback.moved"]
    ways = [FAILING[vendor][way % len(FAILING[vendor])][1] for vendor in order[:-1]]
    # A plain answer that is cut counts as 500, and so does an error event that names no status.
    assert moved == list(zip(order[:-1], ways, strict=True))
    for received in provider.received:
        assert f"key-of-{received.target}" not in received.path
        assert "weather" in json.dumps(received.json)


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_and_so_it_is_asynchronously(provider, stream):
    """On asyncio and trio."""
    order = tuple(MODELS)
    provider.reset(script(order, 1, stream=stream))
    async with AsyncPortkey(config=config(provider, order)) as client:
        answer = await client.chat.completions.create(**ASK, stream=stream)
        if stream:
            said = [part.delta.content or "" async for c in answer for part in c.choices]
        else:
            said = [answer.choices[0].message.content]
    assert json.loads("".join(said)) == ANSWER


def test_a_withheld_answer_alone_is_an_answer(provider):
    """Without anybody else to ask, the caller sees that a filter left nothing."""
    provider.reset({"google": [Step(json=WITHHELD)]})
    with Portkey(config=config(provider, ("google",))) as client:
        answer = client.chat.completions.create(**ASK)
    assert answer.choices[0].finish_reason == "content_filter"
    assert not answer.choices[0].message.content


@pytest.mark.parametrize("raw", [False, True], ids=["fast", "raw"])
@pytest.mark.parametrize("kept", [False, True], ids=["kept-plain", "kept-streamed"])
@pytest.mark.parametrize("vendor", MODELS)
def test_a_translated_answer_is_kept_and_given_again_in_either_form(provider, vendor, kept, raw):
    """A cache holds what the caller got, whatever language it came in."""
    provider.reset({vendor: [GOOD[vendor][kept]]})
    (target,) = config(provider, (vendor,))["targets"]
    with Portkey(config={**target, "cache": {"mode": "simple"}}) as client:
        create = client.chat.completions.create
        if raw:
            create = client.chat.completions.with_raw_response.create
        for stream in (kept, False, True):
            answer = create(**ASK, stream=stream)
            answer = answer.parse() if raw else answer
            assert read(answer, stream=stream) == (TEXT, "stop")
    assert len(provider.received) == 1


def held(provider: Loopback) -> dict[str, Any]:
    """Return a fallback whose streams are held back until they are checked."""
    words = {"words": ["rival"], "operator": "none"}
    hook = {"default.contains": words, "on_stream": "buffer"}
    return {**config(provider, ("google", "openai")), "output_guardrails": [hook]}


def test_a_withheld_stream_moves_on_also_where_a_guardrail_holds_it(provider):
    provider.reset(script(("google", "openai"), 0, stream=True))
    with Portkey(config=held(provider)) as client:
        answer = client.chat.completions.create(**ASK, stream=True)
    assert answer.get_headers()["provider"] == "openai"


@pytest.mark.anyio
async def test_a_withheld_stream_that_is_held_moves_on_asynchronously(provider):
    provider.reset(script(("google", "openai"), 0, stream=True))
    async with AsyncPortkey(config=held(provider)) as client:
        answer = await client.chat.completions.create(**ASK, stream=True)
        await answer.close()
    assert answer.get_headers()["provider"] == "openai"
