"""Anthropic's client, wrapped: it falls back to other vendors, and reads messages all the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import pytest
from anthropic.types import ToolUseBlock

from portkey_local import wrap
from portkey_local.testing import Loopback, Received, Step, error

KEY = "sk-ant-test-key-of-its-own"
OTHER_KEY = "gsk-test-key-of-the-other"
TOOL = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ASK: dict[str, Any] = {
    "model": "claude-x",
    "max_tokens": 99,
    "system": "Be brief.",
    "tools": [TOOL],
    "messages": [{"role": "user", "content": "How is the weather in Oslo?"}],
}
INPUT = '{"city": "Oslo"}'


def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "llama"}
    return json.dumps({**head, "choices": [choice]})


def call(**function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "function": function}]}


def answer(received: Received) -> Step:
    """Answer as a provider of OpenAI's language: a word, then a call of the tool."""
    if received.target == "home":
        return error(529)
    if not received.wants_stream:
        made = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": INPUT}}
        message = {"role": "assistant", "content": "Let me look.", "tool_calls": [made]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        return Step(json={"id": "x", "model": "llama", "choices": [choice], "usage": usage})
    first = call(name="weather", arguments="")
    first["tool_calls"][0] |= {"id": "c1", "type": "function"}
    deltas = [{"content": "Let me "}, {"content": "look."}, first]
    deltas += [call(arguments=INPUT[:7]), call(arguments=INPUT[7:])]
    return Step(events=[*map(chunk, deltas), chunk({}, "tool_calls"), "[DONE]"])


@pytest.fixture
def config(provider: Loopback) -> dict[str, Any]:
    """The client itself, which is overloaded, and then a provider of OpenAI's language."""
    provider.reset(answer)
    other = {
        "provider": "groq",
        "api_key": OTHER_KEY,
        "custom_host": provider.target("other"),
        "override_params": {"model": "llama"},
    }
    return {"strategy": {"mode": "fallback"}, "targets": [{"provider": "self"}, other]}


def is_the_answer(message: anthropic.types.Message) -> None:
    kinds = [block.type for block in message.content]
    assert (kinds, message.stop_reason, message.role) == (
        ["text", "tool_use"],
        "tool_use",
        "assistant",
    )
    used = message.content[1]
    assert isinstance(used, ToolUseBlock)
    assert (used.name, used.input) == ("weather", {"city": "Oslo"})


def is_in_order(events: list[str]) -> None:
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    shortened = [kind for at, kind in enumerate(events) if at == 0 or kind != events[at - 1]]
    assert shortened == ["message_start", *block, *block, "message_delta", "message_stop"]


def test_a_message_with_tools_comes_from_another_vendor(
    config: dict[str, Any], provider: Loopback
) -> None:
    home = provider.target("home")
    with anthropic.Anthropic(api_key=KEY, base_url=home) as bare, wrap(bare, config) as client:
        message = client.messages.create(**ASK)
        is_the_answer(message)
        with client.messages.stream(**ASK) as stream:
            events = [
                event.type for event in stream if "_" in event.type and event.type != "input_json"
            ]
            is_the_answer(stream.get_final_message())
        is_in_order(events)
        events = [event.type for event in client.messages.create(**ASK, stream=True)]
        is_in_order(events)
    first, second = provider.received[:2]
    assert first.path == "/v1/messages"
    assert KEY in str(first.headers)
    assert (second.path, second.headers["authorization"]) == (
        "/chat/completions",
        f"Bearer {OTHER_KEY}",
    )
    assert second.json["tools"][0]["function"]["name"] == "weather"
    assert KEY not in str(second)


def test_so_does_a_tool_loop_and_back_home(config: dict[str, Any], provider: Loopback) -> None:
    home = provider.target("home")
    with anthropic.Anthropic(api_key=KEY, base_url=home) as bare, wrap(bare, config) as client:
        message = client.messages.create(**ASK)
        result = {"type": "tool_result", "tool_use_id": message.content[1].id, "content": "Rain."}
        turns = [{"role": "assistant", "content": message.content}]
        turns += [{"role": "user", "content": [result]}]
        client.messages.create(**{**ASK, "messages": ASK["messages"] + turns})
    asked = provider.received[-1].json["messages"]
    assert [turn["role"] for turn in asked] == ["system", "user", "assistant", "tool"]
    assert asked[-1]["content"] == "Rain."


def test_so_does_the_asynchronous_client(config: dict[str, Any], provider: Loopback) -> None:
    async def run() -> list[str]:
        bare = anthropic.AsyncAnthropic(api_key=KEY, base_url=provider.target("home"))
        client = wrap(bare, config)
        async with bare, client, client.messages.stream(**ASK) as stream:
            events = [event.type async for event in stream]
            is_the_answer(await stream.get_final_message())
        return [kind for kind in events if "_" in kind and kind != "input_json"]

    is_in_order(asyncio.run(run()))


def test_when_all_fail_it_raises_the_sdks_own_error(
    config: dict[str, Any], provider: Loopback
) -> None:
    provider.reset(lambda _: error(429))
    home = provider.target("home")
    with (
        anthropic.Anthropic(api_key=KEY, base_url=home) as bare,
        wrap(bare, config) as client,
        pytest.raises(anthropic.RateLimitError),
    ):
        client.messages.create(**ASK)
