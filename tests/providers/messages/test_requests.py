"""A Messages request in the words of chat: what each host takes, and what is named where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from portkey_local.providers.messages.host import Host
from portkey_local.providers.messages.request import chat_request
from portkey_local.providers.vendor import Inexpressible

MINI = Host("openai", "gpt-5-mini", own=True)
GPT4 = Host("openai", "gpt-4o", own=True)
GROQ = Host("groq", "openai/gpt-oss-120b")
MISTRAL = Host("mistral-ai", "mistral-large-latest")
GOOGLE = Host("google", "gemini-3-pro", vendor=True)
ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hi"}],
}
CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
OPEN = {**CLOSED, "required": []}


def asked(host: Host = GPT4, **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a request says beside the usual, and what is dropped of it."""
    made, dropped = chat_request({**ASK, **more}, host)
    plain, _ = chat_request(ASK, host)
    return {name: value for name, value in made.items() if plain.get(name) != value}, dropped


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (MINI, "max_completion_tokens"),
        (Host("openrouter", "openai/o4-mini"), "max_completion_tokens"),
        (GROQ, "max_tokens"),
        (MISTRAL, "max_tokens"),
        (GOOGLE, "max_tokens"),
    ],
)
def test_the_limit_of_tokens_has_the_name_that_the_host_knows(host, name):
    assert chat_request(ASK, host)[0][name] == 50


@pytest.mark.parametrize(
    ("host", "more", "wanted", "dropped"),
    [
        (GPT4, {"temperature": 0.2, "stop_sequences": ["a"]},
         {"temperature": 0.2, "stop": ["a"]}, ()),
        (MINI, {"temperature": 0.2, "top_p": 1, "stop_sequences": ["a"]}, {},
         ("temperature", "stop_sequences")),
        (Host("openai", "gpt-5-chat-latest", own=True), {"temperature": 0.2},
         {"temperature": 0.2}, ()),
        (GPT4, {"stop_sequences": list("abcde")}, {"stop": list("abcd")}, ("stop_sequences",)),
        (GPT4, {"top_k": 3}, {}, ("top_k",)),
        (GOOGLE, {"top_k": 3}, {"top_k": 3}, ()),
        (GPT4, {"service_tier": "auto"}, {}, ()),
        (GPT4, {"service_tier": "standard_only"}, {"service_tier": "default"}, ()),
        (GROQ, {"service_tier": "standard_only"}, {}, ()),
        (GPT4, {"metadata": {"user_id": "u"}}, {"user": "u"}, ()),
        (MISTRAL, {"metadata": {"user_id": "u"}}, {}, ("metadata.user_id",)),
        (MISTRAL, {"stream": True}, {"stream": True}, ()),
        (GPT4, {"seed": 7, "cache_control": {"type": "ephemeral"}}, {"seed": 7}, ()),
        (GPT4, {"container": "c", "mcp_servers": []}, {}, ("container",)),
        (MINI, {"thinking": {"type": "enabled", "budget_tokens": 1024}},
         {"reasoning_effort": "low"}, ()),
        (MINI, {"thinking": {"type": "enabled", "budget_tokens": 20_000}},
         {"reasoning_effort": "high"}, ()),
        (MINI, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
         {"reasoning_effort": "high"}, ()),
        (GOOGLE, {"output_config": {"effort": "max"}}, {"reasoning_effort": "high"}, ()),
        (GROQ, {"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}, ()),
        (GPT4, {"output_config": {"effort": "low"}}, {}, ("output_config.effort",)),
        (GPT4, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, {}, ("thinking",)),
        (MINI, {"thinking": {"type": "disabled"}}, {}, ()),
    ],
)  # fmt: skip
def test_settings(host, more, wanted, dropped):
    assert asked(host, **more) == (wanted, dropped)


def test_a_name_that_is_too_long_for_openai_stays_the_same_one_user():
    long = {"metadata": {"user_id": "user_" + "x" * 90}}
    [first, again] = [asked(**long)[0]["user"] for _ in range(2)]
    assert first == again
    assert len(first) <= 64


@pytest.mark.parametrize(("schema", "strict"), [(CLOSED, True), (OPEN, False)])
def test_answers_are_bound_to_schemas_that_openai_can_bind_to(schema, strict):
    said, _ = asked(output_config={"format": {"type": "json_schema", "schema": schema}})
    form = said["response_format"]["json_schema"]
    assert (form["schema"], form["strict"]) == (schema, strict)
    tool = {"name": "f", "input_schema": schema, "strict": True}
    said, dropped = asked(tools=[tool])
    assert said["tools"][0]["function"].get("strict", False) is strict
    assert dropped == (() if strict else ("tools[0].strict",))


def test_tools_of_anthropic_s_are_dropped_and_so_is_a_choice_of_them():
    bash = {"type": "bash_20250124", "name": "bash"}
    own = {"name": "f", "input_schema": {"type": "object"}}
    said, dropped = asked(tools=[bash, own], tool_choice={"type": "tool", "name": "bash"})
    parameters = said["tools"][0]["function"]["parameters"]
    assert (len(said["tools"]), parameters) == (1, {"type": "object", "properties": {}})
    assert dropped == ("tools[0]", "tool_choice")
    assert asked(tools=[bash], tool_choice={"type": "any"}) == ({}, ("tools[0]", "tool_choice"))


def messages(host: Host, *turns: tuple[str, Any]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    told = [{"role": role, "content": content} for role, content in turns]
    made, dropped = chat_request({**ASK, "messages": told}, host)
    return made["messages"], dropped


def test_results_go_before_what_else_the_user_says_and_pictures_after_them():
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    content = [
        {"type": "tool_result", "tool_use_id": "a", "content": [picture]},
        {"type": "tool_result", "tool_use_id": "b"},
        {"type": "text", "text": "And?"},
    ]
    told, dropped = messages(GPT4, ("user", content))
    assert [message["role"] for message in told] == ["tool", "tool", "user"]
    assert [message.get("tool_call_id") for message in told] == ["a", "b", None]
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert told[2]["content"][1:] == [image, {"type": "text", "text": "And?"}]
    assert dropped == ()


def test_ids_that_are_too_long_for_openai_are_shortened_alike():
    long = "toolu_" + "x" * 60
    use = {"type": "tool_use", "id": long, "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": long, "content": "1"}
    called, answered = messages(GPT4, ("assistant", [use]), ("user", [result]))[0]
    assert called["tool_calls"][0]["id"] == answered["tool_call_id"]
    assert len(answered["tool_call_id"]) <= 40


def test_what_chat_has_no_part_for_is_named_by_its_place():
    uploaded = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
    searched = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    told, dropped = messages(
        GPT4,
        ("user", [uploaded, {"type": "text", "text": "x"}]),
        ("assistant", [searched, {"type": "text", "text": "y"}]),
    )
    assert [message["content"] for message in told] == ["x", "y"]
    assert dropped == ("messages[0].content[0]", "messages[1].content[0]")


def test_the_thoughts_of_a_claude_are_for_claude_alone():
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    turn = ("assistant", [thought, {"type": "text", "text": "y"}])
    assert messages(GPT4, turn)[0] == [{"role": "assistant", "content": "y"}]
    host = Host("openrouter", "anthropic/claude-opus-4.8")
    [told] = messages(host, turn)[0]
    assert told["reasoning_details"][0]["signature"] == "s"


@pytest.mark.parametrize(
    "more",
    [
        {"messages": []},
        {"messages": "hi"},
        {"messages": [{"role": "robot", "content": "hi"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}]},
        {"system": [{"type": "image", "source": {"type": "url", "url": "https://a.b/c"}}]},
        {"tools": {}},
        {"tools": [{"name": "f"}]},
        {"tool_choice": "auto"},
    ],
)
def test_a_wrong_shape_is_said_to_be_wrong(more):
    with pytest.raises(Inexpressible, match=r"messages|system|tool"):
        chat_request({**ASK, **more}, GPT4)
