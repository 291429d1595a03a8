"""What is asked in OpenAI's words, in Anthropic's."""

from __future__ import annotations

from typing import Any

import pytest
from tests.providers.anthropic.published import wrong

from portkey_local.providers.anthropic import message_request
from portkey_local.providers.anthropic.models import model_of

HI = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
NAMED = {"type": "function", "function": {"name": "f"}}


def asked(
    *messages: dict[str, Any], model: str = "claude-sonnet-4-5", **body: Any
) -> dict[str, Any]:
    made, dropped = message_request({"model": model, "messages": list(messages) or [HI], **body})
    assert wrong(made, model_of(model).version) == []
    return {**made, "dropped": dropped}


def call(named: str) -> dict[str, Any]:
    return {"id": named, "type": "function", "function": {"name": "f", "arguments": "{}"}}


def result(id: str, content: Any = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def calling(*ids: str, **more: Any) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [call(each) for each in ids],
        **more,
    }


def test_system_and_developer_messages_are_told_first_and_none_is_lost():
    made = asked({"role": "system", "content": "A"}, HI, {"role": "developer", "content": "B"}, HI)
    assert [block["text"] for block in made["system"]] == ["A", "B"]
    assert [turn["role"] for turn in made["messages"]] == ["user"]


def test_a_system_prompt_alone_is_the_user_s():
    made = asked({"role": "system", "content": "A"})
    assert made["messages"] == [{"role": "user", "content": [{"type": "text", "text": "A"}]}]


def test_results_share_a_turn_and_come_first():
    made = asked(HI, calling("a", "b"), result("a"), result("b", ""), HI, tools=[TOOL])
    kinds = [block["type"] for block in made["messages"][-1]["content"]]
    assert kinds == ["tool_result", "tool_result", "text"]


def test_ids_are_made_fit_and_unique():
    made = asked(HI, calling("a.b"), result("a.b"), calling("a.b"), result("a.b"), tools=[TOOL])
    blocks = [block for turn in made["messages"] for block in turn["content"]]
    used = [block["id"] for block in blocks if block["type"] == "tool_use"]
    known = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    assert used == known
    assert len(set(used)) == 2


def test_calls_of_one_turn_that_share_an_id_are_answered_in_their_order():
    """Some hosts give every call the same id, and their answers are fed back to others."""
    twice = [calling("a", "a"), result("a", "one"), result("a", "two")]
    made = asked(HI, *twice, *twice, tools=[TOOL])
    turns = made["messages"]
    for calls, results in ((turns[1], turns[2]), (turns[3], turns[4])):
        used = [block["id"] for block in calls["content"]]
        known = [block["tool_use_id"] for block in results["content"]]
        assert used == known
        assert [block["content"][0]["text"] for block in results["content"]] == ["one", "two"]


def test_calls_without_tools_are_declared():
    made = asked(HI, calling("a"), result("a"))
    assert [tool["name"] for tool in made["tools"]] == ["f"]
    assert made["tool_choice"] == {"type": "none"}


def test_what_a_turn_cannot_hold_is_dropped_by_its_place():
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    made = asked(HI, {"role": "user", "content": [{"type": "text", "text": "x"}, audio]})
    assert made["dropped"] == ("messages[1].content[1]",)


def test_pictures_and_documents():
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        },
        {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}},
        {"type": "file", "file": {"file_id": "file_1"}, "cache_control": {"type": "ephemeral"}},
    ]
    blocks = asked({"role": "user", "content": parts})["messages"][0]["content"]
    assert [block["source"]["type"] for block in blocks] == [
        "base64",
        "url",
        "base64",
        "text",
        "file",
    ]
    assert blocks[0]["source"]["media_type"] == "image/jpeg"
    assert (blocks[3]["source"]["data"], blocks[3]["title"]) == ("hi", "a.txt")
    assert blocks[4]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [("auto", {"type": "auto"}), ("none", {"type": "none"}), ("required", {"type": "any"}),
     (NAMED, {"type": "tool", "name": "f"}),
     ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}}, {"type": "auto"})],
)  # fmt: skip
def test_tool_choice(told, wanted):
    other = {"type": "function", "function": {"name": "g"}}
    made = asked(tools=[TOOL, other], tool_choice=told)
    assert made["tool_choice"] == wanted
    allowed = isinstance(told, dict) and "allowed_tools" in told
    assert [tool["name"] for tool in made["tools"]] == (["f"] if allowed else ["f", "g"])


def test_one_call_at_a_time():
    made = asked(tools=[TOOL], parallel_tool_calls=False)
    assert made["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_strict_tools_are_bound_where_the_model_can_be():
    strict = {"type": "function", "function": {**TOOL["function"], "strict": True}}
    bound = asked(tools=[strict])["tools"][0]
    assert bound["strict"] is True
    assert bound["input_schema"]["properties"]["n"] == {
        "type": "integer",
        "description": "(minimum: 1)",
    }
    older = asked(tools=[strict], model="claude-3-7-sonnet-latest")
    assert older["tools"][0]["input_schema"] == SCHEMA
    assert older["dropped"] == ("tools[0].strict",)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"n": {"type": "integer"}}},
        {"anyOf": [{"type": "object", "properties": {"n": {"type": "integer"}}}]},
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {}}}}},
    ],
)
def test_a_strict_tool_whose_schema_is_not_said_to_be_an_object_s_becomes_one(schema):
    made = asked(tools=[{"type": "function", "function": {
        "name": "f", "strict": True, "parameters": schema}}])  # fmt: skip
    assert made["tools"][0]["input_schema"]["type"] == "object"
    assert made["dropped"] == ("tools[0].strict",)


def test_tools_of_anthropic_pass_and_those_of_openai_alone_do_not():
    search = {"type": "web_search_20250305", "name": "web_search"}
    made = asked(tools=[search, {"type": "web_search_preview"}])
    assert (made["tools"], made["dropped"]) == ([search], ("tools[1]",))


def test_a_schema_is_native_where_there_is_one():
    made = asked(response_format=FORMAT)
    assert made["output_config"]["format"]["schema"]["additionalProperties"] is False
    assert "tools" not in made


@pytest.mark.parametrize(
    "body",
    [dict(model="claude-3-haiku-20240307", response_format=FORMAT),
     dict(response_format={"type": "json_object"}),
     dict(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {
         "type": "object", "additionalProperties": {"type": "string"}}}})],
)  # fmt: skip
def test_json_is_a_hidden_tool_where_nothing_else_will_do(body):
    made = asked(**body)
    assert made["tool_choice"]["type"] == "tool"
    assert asked(**body, tools=[TOOL])["tool_choice"] == {"type": "any"}
    assert len(asked(**body, tools=[TOOL], tool_choice="none")["tools"]) == 1


def test_a_model_that_thinks_is_asked_for_json_and_not_forced():
    made = asked(
        response_format={"type": "json_object"}, thinking={"type": "enabled", "budget_tokens": 2000}
    )
    assert made["tool_choice"]["type"] == "auto"
    assert made["tools"][0]["name"] in made["system"][-1]["text"]


@pytest.mark.parametrize(
    ("model", "effort", "wanted"),
    [("claude-3-5-haiku-latest", "low", (None, None, ("reasoning_effort",))),
     ("claude-sonnet-4-5", "medium", ({"type": "enabled", "budget_tokens": 8192}, None, ())),
     ("claude-sonnet-4-5", "none", (None, None, ())),
     ("claude-sonnet-4-6", "minimal", ({"type": "adaptive"}, "low", ())),
     ("claude-opus-4-8", "xhigh", ({"type": "adaptive", "display": "summarized"}, "xhigh", ())),
     ("claude-opus-5", "none", ({"type": "disabled"}, None, ())),
     ("claude-fable-5", "none", (None, None, ("reasoning_effort",)))],
)  # fmt: skip
def test_reasoning_effort(model, effort, wanted):
    made = asked(model=model, reasoning_effort=effort)
    level = made.get("output_config", {}).get("effort")
    assert (made.get("thinking"), level, made["dropped"]) == wanted


def test_a_budget_is_less_than_the_whole_answer_and_gives_way_to_tools():
    assert asked(reasoning_effort="high", max_tokens=3000)["thinking"]["budget_tokens"] == 1500
    assert asked(reasoning_effort="high", max_tokens=1000)["dropped"] == ("reasoning_effort",)
    forced = asked(reasoning_effort="high", tools=[TOOL], tool_choice="required")
    assert forced["dropped"] == ("reasoning_effort",)
    unthought = asked(HI, calling("a"), result("a"), tools=[TOOL], reasoning_effort="high")
    assert unthought["dropped"] == ("reasoning_effort",)


def test_thinking_comes_back_with_its_signature_and_others_reasoning_does_not():
    details = [
        {"type": "reasoning.text", "format": "anthropic-claude-v1", "text": "Hm", "signature": "s"},
        {"type": "reasoning.text", "format": "google-gemini-v1", "text": "Hm", "signature": "s"},
    ]
    said = calling("a", reasoning_details=details)
    made = asked(HI, said, result("a"), tools=[TOOL], reasoning_effort="high")
    blocks = made["messages"][1]["content"]
    assert blocks[0] == {"type": "thinking", "thinking": "Hm", "signature": "s"}
    assert [block["type"] for block in blocks] == ["thinking", "tool_use"]
    assert made["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(
    ("body", "sent", "dropped"),
    [(dict(temperature=0.3, top_k=5), {"temperature": 0.3, "top_k": 5}, ()),
     (dict(temperature=1.5), {}, ("temperature",)),
     (dict(temperature=0.3, top_p=0.5), {"temperature": 0.3}, ("top_p",)),
     (dict(temperature=0.3, model="claude-opus-4-8"), {}, ("temperature",)),
     (dict(temperature=1, model="claude-opus-4-8"), {}, ()),
     (dict(temperature=0.3, reasoning_effort="low"), {}, ("temperature",))],
)  # fmt: skip
def test_sampling_is_sent_as_given_or_dropped(body, sent, dropped):
    made = asked(**body)
    names = ("temperature", "top_p", "top_k")
    assert {name: made[name] for name in names if name in made} == sent
    assert made["dropped"] == dropped


def test_what_has_no_words_is_dropped_and_what_says_nothing_is_not():
    made = asked(seed=0, n=2, logprobs=True, logit_bias={"1": 2}, metadata={"a": "b"}, new=1)
    assert set(made["dropped"]) == {"seed", "n", "logprobs", "logit_bias", "metadata", "new"}
    silent = asked(n=1, store=False, logit_bias={}, response_format={"type": "text"}, seed=None,
                   presence_penalty=0, stop=[], metadata={})  # fmt: skip
    assert silent["dropped"] == ()


def test_stops_limits_and_the_user():
    made = asked(stop="END", max_completion_tokens=9, user="u")
    assert (made["stop_sequences"], made["max_tokens"]) == (["END"], 9)
    assert made["metadata"] == {"user_id": "u"}
    assert asked()["max_tokens"] == 32_000
    assert asked(stop=["\n\n", "x"])["dropped"] == ("stop",)


def test_the_rules_see_what_is_wrong():
    """The judge of these tests is no rubber stamp."""
    good, _ = message_request({"model": "claude-sonnet-4-5", "messages": [HI], "tools": [TOOL]})
    for spoilt in (
        {**good, "new": 1}, {**good, "max_tokens": 0}, {**good, "temperature": 1.5},
        {**good, "tool_choice": {"type": "tool", "name": "g"}}, {**good, "messages": [*good["messages"]] * 2},
        {**good, "messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]},
        {**good, "messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]},
    ):  # fmt: skip
        assert wrong(spoilt, (4, 5)) != []
