"""Calls of Anthropic's own client, routed to whoever answers them."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import pydantic
import pytest
from tests.providers.anthropic.replies import streamed
from tests.providers.messages.doors import async_door, call, chunk, completion, door, sse

from portkey_local import AsyncPortkey
from portkey_local.testing import Step, chat, error

KEY = "sk-the-targets-own-key"
MODEL = "claude-opus-4-8"
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "What is the weather?"}],
}
TOOL = {
    "name": "weather",
    "description": "Tells the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": MODEL,
    "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
    "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 3},
}  # fmt: skip
OVERLOADED = Step(
    status=529, json={"type": "error", "error": {"type": "overloaded_error", "message": "not now"}}
)
STREAMED = sse(
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Let me "}),
    chunk({"content": "look."}),
    chunk({"tool_calls": [call("call_1", "weather", "", 0)]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}),
    chunk({"tool_calls": [call("call_2", "weather", '{"city":"Rome"}', 1)]}),
    chunk({}, "tool_calls"),
    {
        **chunk({}),
        "choices": [],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 5},
        },
    },
)
WANTED = [
    {"type": "text", "text": "Let me look."},
    {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
    {"type": "tool_use", "id": "call_2", "name": "weather", "input": {"city": "Rome"}},
]
EVENTS = [
    "message_start",
    "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
    "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
    "content_block_start", "content_block_delta", "content_block_stop",
    "message_delta", "message_stop",
]  # fmt: skip


def claude(provider, **more: Any) -> dict[str, Any]:
    return {
        "provider": "anthropic",
        "api_key": KEY,
        "custom_host": provider.target("claude"),
        **more,
    }


def other(provider, **more: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "api_key": KEY,
        "custom_host": provider.target("other"),
        "override_params": {"model": "gpt-5-mini"},
        **more,
    }


def falling_back(provider, **more: Any) -> dict[str, Any]:
    targets = [claude(provider), other(provider, **more)]
    return {"strategy": {"mode": "fallback"}, "targets": targets}


def blocks(message: anthropic.types.Message) -> list[dict[str, Any]]:
    return [block.to_dict() for block in message.content]


def reached(provider) -> list[str]:
    return [request.target for request in provider.received]


# ------------------------------------------------------------------------------------- fallback


def test_a_streamed_call_with_tools_falls_back_and_comes_in_anthropic_s_events(provider):
    provider.reset({"claude": [OVERLOADED], "other": [STREAMED]})
    with (
        door(falling_back(provider)) as client,
        client.messages.stream(**ASK, tools=[TOOL]) as stream,
    ):
        kinds = [event.type for event in stream if event.type in EVENTS]
        message = stream.get_final_message()
    assert kinds == EVENTS
    assert blocks(message) == WANTED
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (15, 5)
    assert message.usage.output_tokens == 9
    assert reached(provider) == ["claude", "other"]


@pytest.mark.anyio
async def test_the_same_asynchronously(provider):
    provider.reset({"claude": [OVERLOADED], "other": [STREAMED]})
    async with AsyncPortkey(config=falling_back(provider)) as portkey:
        client = async_door(portkey)
        async with client.messages.stream(**ASK, tools=[TOOL]) as stream:
            kinds = [event.type async for event in stream if event.type in EVENTS]
            message = await stream.get_final_message()
    assert kinds == EVENTS
    assert blocks(message) == WANTED


def test_a_plain_call_falls_back(provider):
    calls = [call("call_1", "weather", '{"city":"Oslo"}'), call("call_2", "weather", "")]
    answer = completion({"content": "Let me look.", "tool_calls": calls}, "tool_calls")
    provider.reset({"claude": [OVERLOADED], "other": [Step(json=answer)]})
    with door(falling_back(provider)) as client:
        message = client.messages.create(**ASK, tools=[TOOL])
    assert blocks(message) == [*WANTED[:2], {**WANTED[2], "input": {}}]
    assert message.model == "gpt-5-mini"


def test_what_the_other_vendor_is_sent(provider):
    provider.reset({"other": [chat("hi")]})
    turns = [
        *ASK["messages"],
        {"role": "assistant", "content": WANTED},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "7 degrees"},
            {"type": "tool_result", "tool_use_id": "call_2", "content": "no such city",
             "is_error": True},
            {"type": "text", "text": "And?"},
        ]},
    ]  # fmt: skip
    with door(other(provider)) as client:
        client.messages.create(
            **{**ASK, "messages": turns}, tools=[TOOL], system="Be brief.",
            stop_sequences=["END"], tool_choice={"type": "any", "disable_parallel_tool_use": True},
            metadata={"user_id": "u1"}, output_config={"effort": "max"},
        )  # fmt: skip
    [request] = provider.received
    assert request.path == "/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert not {"anthropic-version", "x-api-key"} & request.headers.keys()
    said = request.json
    assert [message["role"] for message in said["messages"]] == [
        "system", "user", "assistant", "tool", "tool", "user",
    ]  # fmt: skip
    assert said["messages"][2]["tool_calls"][0]["id"] == "call_1"
    assert said["messages"][3] == {
        "role": "tool", "tool_call_id": "call_1", "content": "7 degrees",
    }  # fmt: skip
    assert said["messages"][4]["content"] == "Error: no such city"
    assert {name: said[name] for name in said.keys() - {"messages", "tools"}} == {
        "model": "gpt-5-mini", "max_completion_tokens": 200, "user": "u1",
        "tool_choice": "required", "parallel_tool_calls": False, "reasoning_effort": "high",
    }  # fmt: skip


def test_overrides_are_the_target_s_own_words(provider):
    provider.reset({"other": [chat("hi")]})
    override = {
        "model": "gpt-5-mini",
        "max_tokens": 9,
        "reasoning_effort": "low",
        "system": "Rhyme.",
    }
    with door(other(provider, override_params=override)) as client:
        client.messages.create(**ASK, system="Be brief.")
    said = provider.received[0].json
    assert (said["max_tokens"], said["reasoning_effort"]) == (9, "low")
    assert "max_completion_tokens" not in said
    assert said["messages"][0] == {"role": "system", "content": "Rhyme."}


# ------------------------------------------------------------------------------- Anthropic itself


def test_who_speaks_messages_gets_the_request_untouched(provider):
    provider.reset({"claude": [Step(json=MESSAGE)]})
    with door(claude(provider)) as client:
        message = client.messages.create(**ASK, tools=[TOOL], extra_body={"top_k": 3})
    assert message.to_dict() == MESSAGE
    [request] = provider.received
    assert request.path == "/messages"
    assert request.json == {**ASK, "tools": [TOOL], "top_k": 3}
    assert request.headers["x-api-key"] == KEY


def test_beta_features_of_the_caller_and_of_the_target_go_along(provider):
    provider.reset({"claude": [Step(json=MESSAGE)]})
    with door(claude(provider, anthropic_beta="one-2026-01-01")) as client:
        client.beta.messages.create(**ASK, betas=["two-2026-01-01"])
    [request] = provider.received
    assert request.headers["anthropic-beta"] == "one-2026-01-01,two-2026-01-01"
    provider.reset({"other": [chat("hi")]})
    with door(other(provider)) as client:
        message = client.beta.messages.create(**ASK, betas=["two-2026-01-01"])
    assert message.content[0].type == "text"
    [request] = provider.received
    assert (request.path, request.query) == ("/chat/completions", "")
    assert "anthropic-beta" not in request.headers


def test_an_answer_of_a_schema_is_parsed(provider):
    class Weather(pydantic.BaseModel):
        city: str
        celsius: int

    provider.reset({"other": [chat('{"city": "Oslo", "celsius": -3}')]})
    with door(other(provider)) as client:
        message = client.messages.parse(**ASK, output_format=Weather)
    assert message.parsed_output == Weather(city="Oslo", celsius=-3)
    form = provider.received[0].json["response_format"]["json_schema"]
    assert (form["strict"], set(form["schema"]["properties"])) == (True, {"city", "celsius"})


def test_anthropic_is_not_sent_the_blocks_that_only_we_can_read(provider):
    details = [{"type": "reasoning.text", "text": "Hm.", "signature": "s", "index": 0}]
    said = {
        "content": "Wait.",
        "reasoning_content": "Hm.",
        "reasoning_details": details,
        "tool_calls": [call("call_1", "weather", "{}")],
    }
    host = {**other(provider), "provider": "deepseek"}
    config = {"strategy": {"mode": "fallback"}, "targets": [claude(provider), host]}
    thinking = {"type": "adaptive"}
    provider.reset({"claude": [OVERLOADED], "other": [Step(json=completion(said, "tool_calls"))]})
    with door(config) as client:
        message = client.messages.create(**ASK, tools=[TOOL], thinking=thinking)
        assert [block.type for block in message.content] == [
            "thinking", "text", "tool_use", "redacted_thinking",
        ]  # fmt: skip
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": "7 degrees"}
        turns = [
            *ASK["messages"],
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ]
        again = {**ASK, "messages": turns, "tools": [TOOL]}
        provider.reset({"claude": [OVERLOADED, Step(json=MESSAGE)], "other": [chat("hi")]})
        client.messages.create(**again)
        client.messages.create(**again)
    to_host, to_anthropic = provider.received[1].json, provider.received[2].json
    kinds = [block["type"] for block in to_anthropic["messages"][1]["content"]]
    assert kinds == ["text", "tool_use"]
    assert to_host["messages"][1]["reasoning_content"] == "Hm."
    assert to_host["messages"][1]["reasoning_details"] == details


def test_tokens_are_counted_by_anthropic_alone(provider):
    provider.reset({"claude": [Step(json={"input_tokens": 7})]})
    question = {"model": MODEL, "messages": ASK["messages"]}
    with door(claude(provider)) as client:
        assert client.messages.count_tokens(**question).input_tokens == 7
    with (
        door(other(provider)) as client,
        pytest.raises(anthropic.BadRequestError, match="count_tokens is Anthropic's alone"),
    ):
        client.messages.count_tokens(**question)
    assert reached(provider) == ["claude"]


# ---------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("status", "raised", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.InternalServerError, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_anthropic_s(provider, status, raised, kind, stream):
    headers = {"retry-after": "7", "x-request-id": "req_1"}
    provider.reset({"other": [error(status, "not like this", headers=headers)]})
    with door(other(provider)) as client, pytest.raises(raised) as info:
        client.messages.create(**ASK, stream=stream)
    body: Any = info.value.body
    assert body["type"] == "error"
    assert (body["error"]["type"], body["error"]["message"]) == (kind, "not like this")
    assert info.value.response.headers["retry-after"] == "7"
    assert info.value.request_id == "req_1"


def test_anthropic_s_own_errors_keep_their_words(provider):
    provider.reset({"claude": [OVERLOADED]})
    with door(claude(provider)) as client, pytest.raises(anthropic.APIStatusError) as info:
        client.messages.create(**ASK)
    assert info.value.status_code == 529
    assert info.value.body == OVERLOADED.json


def test_a_stream_that_begins_with_an_error_falls_back_or_raises_by_its_status(provider):
    event = {"error": {"message": "slow down", "type": "rate_limit", "status": 429}}
    native = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n'
    begun = Step(body=native, content_type="text/event-stream")
    provider.reset({"claude": [begun], "other": [sse(event)]})
    with door(falling_back(provider)) as client, pytest.raises(anthropic.RateLimitError) as info:
        client.messages.create(**ASK, stream=True)
    assert info.value.body == {
        "type": "error", "error": {"type": "rate_limit_error", "message": "slow down"},
    }  # fmt: skip
    assert reached(provider) == ["claude", "other"]
    provider.reset({"claude": [begun]})
    with door(claude(provider)) as client, pytest.raises(anthropic.APIStatusError) as info:
        client.messages.create(**ASK, stream=True)
    assert info.value.status_code == 529


def test_an_error_within_a_stream_raises_with_its_own_class(provider):
    event = {"error": {"message": "slow down", "status": 429}}
    provider.reset({"other": [sse(chunk({"content": "hel"}), event, done=False)]})
    with door(other(provider)) as client, pytest.raises(anthropic.APIStatusError) as info:
        list(client.messages.create(**ASK, stream=True))
    body: Any = info.value.body
    assert body["error"] == {"type": "rate_limit_error", "message": "slow down"}


@pytest.mark.parametrize("when", ["first", "later", "whole"])
def test_no_error_quotes_a_key(provider, when):
    event = {"error": {"message": f"the key {KEY} is unknown", "status": 401, "code": KEY}}
    begun = [chunk({"content": "hel"})] if when == "later" else []
    step = Step(status=401, json=event) if when == "whole" else sse(*begun, event, done=False)
    provider.reset({"other": [step]})
    with door(other(provider)) as client, pytest.raises(anthropic.APIStatusError) as info:
        list(client.messages.create(**ASK, stream=True))
    assert "is unknown" in str(info.value.body)
    assert KEY not in str(info.value.body) + str(info.value)


def test_a_stream_that_is_cut_is_no_message(provider):
    provider.reset({"other": [sse(chunk({"content": "hel"}), done=False)]})
    with door(other(provider)) as client, pytest.raises(httpx2.ReadError):
        list(client.messages.create(**ASK, stream=True))


def test_a_request_of_a_wrong_shape_is_refused_before_anybody_is_asked(provider):
    with door(other(provider)) as client, pytest.raises(anthropic.BadRequestError) as info:
        client.messages.create(model="m", max_tokens=1, messages=[])
    body: Any = info.value.body
    assert body["error"]["type"] == "invalid_request_error"
    assert "messages" in body["error"]["message"]
    assert provider.received == []


# ------------------------------------------------------------------- what routing does on the way


def test_conditions_guardrails_and_retries_work_on_messages(provider):
    provider.reset({"other": [error(503), chat("a secret"), chat("fine")]})
    config = {
        "strategy": {
            "mode": "conditional",
            "conditions": [{"query": {"params.max_tokens": {"$gt": 100}}, "then": "long"}],
            "default": "short",
        },
        "targets": [
            {**claude(provider), "name": "short"},
            {
                **other(provider),
                "name": "long",
                "retry": {"attempts": 2, "on_status_codes": [503, 446]},
                "input_guardrails": [{"default.contains": {"operator": "none", "words": ["bomb"]},
                                      "deny": True}],
                "output_guardrails": [{"default.contains": {"operator": "none", "words": ["secret"]},
                                       "deny": True}],
            },
        ],
    }  # fmt: skip
    with door(config) as client:
        message = client.messages.create(**ASK)
        assert [block.text for block in message.content if block.type == "text"] == ["fine"]
        asked = [{"role": "user", "content": [{"type": "text", "text": "a bomb"}]}]
        with pytest.raises(anthropic.APIStatusError) as info:
            client.messages.create(**{**ASK, "messages": asked})
    body: Any = info.value.body
    assert (info.value.status_code, body["type"]) == (446, "error")
    assert body["hook_results"]["before_request_hooks"]
    assert reached(provider) == ["other"] * 3


@pytest.mark.parametrize("stream", [False, True])
def test_answers_are_kept(provider, stream):
    provider.reset({"other": [STREAMED if stream else chat("hello")]})
    with door(other(provider, cache={"mode": "simple"})) as client:
        seen = []
        for _ in range(2):
            if stream:
                with client.messages.stream(**ASK, tools=[TOOL]) as told:
                    seen.append([event.to_dict() for event in told])
            else:
                seen.append([client.messages.create(**ASK).to_dict()])
    assert seen[0] == seen[1]
    assert len(provider.received) == 1


@pytest.mark.parametrize("stream_first", [False, True])
@pytest.mark.parametrize("native", [False, True])
def test_a_kept_answer_serves_either_form(provider, stream_first, native):
    """Of Anthropic's own as of others'; a replayed stream has the names of its events."""
    stream = Step(body=streamed(MESSAGE), content_type="text/event-stream")
    native_step = stream if stream_first else Step(json=MESSAGE)
    step = sse(chunk({"content": "hello"}, "stop")) if stream_first else chat("hello")
    provider.reset({"claude": [native_step], "other": [step]})
    config = (claude if native else other)(provider, cache={"mode": "simple"})
    texts = []
    with door(config) as client:
        for streams in (stream_first, not stream_first):
            if streams:
                with client.messages.stream(**ASK) as told:
                    texts.append(told.get_final_text())
            else:
                texts.append(client.messages.create(**ASK).content[0].to_dict()["text"])
    assert texts == ["hello", "hello"]
    assert len(provider.received) == 1


def test_what_has_no_words_is_named_and_may_be_refused(provider):
    provider.reset({"other": [chat("hi")]})
    search = {"type": "web_search_20250305", "name": "web_search"}
    events: list[Any] = []
    with door(other(provider), on_event=events.append) as client:
        client.messages.create(**ASK, tools=[search], extra_body={"top_k": 3})
    [event] = [each for each in events if each.name == "parameters.dropped"]
    assert event.reason == "tools[0], top_k"
    assert "tools" not in provider.received[0].json
    with (
        door(other(provider, strict_params=True)) as client,
        pytest.raises(anthropic.BadRequestError, match="top_k"),
    ):
        client.messages.create(**ASK, extra_body={"top_k": 3})


def test_the_raw_bytes_are_well_formed_events(provider):
    provider.reset({"other": [STREAMED]})
    with (
        door(other(provider)) as client,
        client.messages.with_streaming_response.create(**ASK, stream=True) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        blocks = response.read().decode().strip().split("\n\n")
    assert [block.split("\n")[0].removeprefix("event: ") for block in blocks] == EVENTS
    for block in blocks:
        name, data = block.split("\n")
        assert json.loads(data.removeprefix("data: "))["type"] == name.removeprefix("event: ")
