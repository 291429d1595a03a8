"""What Cohere is sent: every request valid by its own types, and nothing lost without a word."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from tests.providers.cohere.published import check_chat, check_embed
from tests.providers.cohere.speaking import (
    CODEC,
    MODEL,
    answered,
    chat,
    completion,
    packet,
    request,
    sent,
    target,
)
from tests.providers.conversations import PDF, PNG, WAV, requests

from portkey_local.model import Failure, Fault, Packet

PNG_URL = f"data:image/png;base64,{PNG}"
TOOLS = [
    {"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "b"}},
]
PET = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
STRICT = [
    {"type": "function", "function": {"name": "s", "parameters": PET, "strict": True}},
]


def form(schema=PET, **fields):
    inner = {"name": "pet", "schema": schema, **fields}
    return {"type": "json_schema", "json_schema": inner}


def said(*messages, **fields):
    return sent(chat(messages=list(messages), **fields))["messages"]


def dropped(**fields):
    return packet(chat(**fields)).dropped


@given(requests(model=MODEL))
@settings(max_examples=300)
def test_every_request_is_valid_by_coheres_own_types(body):
    made = packet(body)
    check_chat(json.loads(made.content))
    lost = {name.partition("[")[0].partition(".")[0] for name in made.dropped}
    assert lost <= body.keys() | {"tools"}


@given(requests(model="command-a-reasoning-08-2025", stream=True))
@settings(max_examples=100)
def test_a_reply_fed_back_is_valid_too(body):
    """The codec's own answer, with calls, thoughts and a plan, is the next turn's message."""
    name = body["tools"][0]["function"]["name"] if "tools" in body else "f"
    called = {"id": "c9", "type": "function", "function": {"name": name, "arguments": "{}"}}
    answer = {
        "id": "a",
        "finish_reason": "TOOL_CALL",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "So:"}],
            "tool_calls": [called],
            "tool_plan": "Call it.",
        },
    }
    plain = {key: value for key, value in body.items() if key != "stream"}
    message = completion(answer, plain)["choices"][0]["message"]
    turn = [message, {"role": "tool", "tool_call_id": "c9", "content": "7"}]
    check_chat(told := sent({**body, "messages": [*body["messages"], *turn]}))
    again = told["messages"][-2]
    assert again["tool_plan"] == "Call it."
    assert again["content"][0] == {"type": "thinking", "thinking": "Hm."}


# --- messages


def test_system_and_developer_messages_stay_where_they_stand():
    told = said(
        {"role": "system", "content": "one"},
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": [{"type": "text", "text": "two"}]},
    )
    assert [each["role"] for each in told] == ["system", "user", "system"]
    assert told[2]["content"] == [{"type": "text", "text": "two"}]


def test_images_go_along_as_data_or_as_urls():
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
    ]
    (told,) = said({"role": "user", "content": parts})
    assert told["content"] == parts


def test_what_cohere_does_not_see_or_hear_is_named():
    parts = [
        {"type": "text", "text": "look"},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}"}},
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
    ]
    made = packet(chat(messages=[{"role": "user", "content": parts}]))
    assert made.dropped == ("messages[0].content[1]", "messages[0].content[2]")
    assert json.loads(made.content)["messages"][0]["content"] == parts[:1]


def test_calls_and_results_keep_their_ids():
    calls = [
        {"id": f"c{each}", "type": "function", "function": {"name": "a", "arguments": '{"x":1}'}}
        for each in range(2)
    ]
    document = {"type": "document", "document": {"data": {"celsius": 7}}}
    told = said(
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "I ask.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c0", "content": "7"},
        {"role": "tool", "tool_call_id": "c1", "content": [document]},
    )
    assert told[1] == {"role": "assistant", "content": "I ask.", "tool_calls": calls}
    assert told[2:] == [
        {"role": "tool", "tool_call_id": "c0", "content": "7"},
        {"role": "tool", "tool_call_id": "c1", "content": [document]},
    ]


@pytest.mark.parametrize(("arguments", "expected"), [("", "{}"), ('{"x":1}', '{"x":1}')])
def test_arguments_are_always_an_object(arguments, expected):
    call = {"id": "c", "type": "function", "function": {"name": "a", "arguments": arguments}}
    (told,) = said({"role": "assistant", "tool_calls": [call]})
    assert told["tool_calls"][0]["function"]["arguments"] == expected


@pytest.mark.parametrize("arguments", ["no json", "[1]"])
def test_arguments_that_are_no_object_cannot_be_said(arguments):
    call = {"id": "c", "type": "function", "function": {"name": "a", "arguments": arguments}}
    body = chat(messages=[{"role": "assistant", "tool_calls": [call]}])
    failure = CODEC.encode(target(), request(body))
    assert (failure.status, failure.fault) == (400, Fault.ROUTING)


def test_empty_messages_are_left_out_and_an_empty_result_is_not():
    told = said(
        {"role": "system", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": ""}]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "hi"},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    )
    assert [each["content"] for each in told] == ["hi", "{}"]


def test_another_vendors_reasoning_is_left_out():
    details = [
        {"type": "reasoning.text", "text": "x", "signature": "s", "format": "anthropic-claude-v1"}
    ]
    message = {"role": "assistant", "content": "hi", "reasoning_details": details}
    assert said(message) == [{"role": "assistant", "content": "hi"}]


def test_old_functions_still_work():
    told = said(
        {"role": "assistant", "content": None, "function_call": {"name": "a", "arguments": "{}"}},
        {"role": "function", "name": "a", "content": "7"},
    )
    assert told[0]["tool_calls"][0]["id"] == told[1]["tool_call_id"] == "call_a"


# --- parameters


def test_settings_get_coheres_names():
    told = sent(
        chat(max_completion_tokens=9, stop="x", temperature=0.5, top_p=0.9, top_k=4, seed=1,
             frequency_penalty=0.5, presence_penalty=0, logprobs=True)
    )  # fmt: skip
    del told["messages"], told["model"]
    assert told == {
        "max_tokens": 9, "stop_sequences": ["x"], "temperature": 0.5, "p": 0.9, "k": 4, "seed": 1,
        "frequency_penalty": 0.5, "presence_penalty": 0, "logprobs": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [("top_p", 1), ("top_p", 0), ("frequency_penalty", -1), ("presence_penalty", 2), ("seed", -1)],
)
def test_a_value_out_of_range_is_dropped_and_named_never_changed(name, value):
    made = packet(chat(**{name: value}))
    assert made.dropped == (name,)
    assert json.loads(made.content).keys() == {"model", "messages"}


def test_what_has_no_words_is_named():
    assert dropped(n=2, logit_bias={"1": 5}, user="u", parallel_tool_calls=False, top_logprobs=3,
                   made_up=True) == (
        "n", "logit_bias", "user", "parallel_tool_calls", "top_logprobs", "made_up")  # fmt: skip


def test_values_that_say_nothing_are_not_reported():
    quiet = dict(n=1, logit_bias={}, user=None, parallel_tool_calls=True, store=False, tools=[],
                 stop=None, response_format={"type": "text"}, metadata=None, top_p=None,
                 modalities=["text"], service_tier="auto")  # fmt: skip
    made = packet(chat(**quiet))
    assert made.dropped == ()
    assert json.loads(made.content) == chat()


def test_strict_params_refuses_instead():
    failure = CODEC.encode(target(strict_params=True), request(chat(n=2)))
    assert isinstance(failure, Failure)
    assert (failure.fault, failure.status) == (Fault.ROUTING, 400)
    assert "n" in failure.message
    assert isinstance(CODEC.encode(target(strict_params=True), request(chat(n=1))), Packet)


def test_coheres_own_parameters_pass_through():
    own = {"documents": ["a"], "safety_mode": "STRICT", "citation_options": {"mode": "FAST"}, "k": 3,
           "thinking": {"type": "disabled"}, "p": 0.4, "priority": 1}  # fmt: skip
    made = packet(chat(**own, top_p=0.9, reasoning_effort="high"))
    told = json.loads(made.content)
    assert {name: told[name] for name in own} == own


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "lost"),
    [
        ("command-a-reasoning-08-2025", "none", {"type": "disabled"}, ()),
        ("command-a-reasoning-08-2025", "low", {"type": "enabled", "token_budget": 1024}, ()),
        ("command-a-reasoning-08-2025", "high", {"type": "enabled"}, ()),
        ("command-r-08-2024", "high", None, ("reasoning_effort",)),
        ("command-r-08-2024", "none", None, ()),
    ],
)
def test_effort_is_thinking_where_the_model_can(model, effort, thinking, lost):
    made = packet({**chat(reasoning_effort=effort), "model": model})
    assert json.loads(made.content).get("thinking") == thinking
    assert made.dropped == lost


# --- tools


@pytest.mark.parametrize(
    ("choice", "expected", "names"),
    [
        (None, None, ["a", "b"]),
        ("auto", None, ["a", "b"]),
        ("required", "REQUIRED", ["a", "b"]),
        ("none", "NONE", ["a", "b"]),
        ({"type": "function", "function": {"name": "b"}}, "REQUIRED", ["b"]),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": TOOLS[:1]}},
            None,
            ["a"],
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": TOOLS[1:]}},
            "REQUIRED",
            ["b"],
        ),
    ],
)
def test_every_tool_choice(choice, expected, names):
    told = sent(chat(tools=TOOLS, **({} if choice is None else {"tool_choice": choice})))
    assert told.get("tool_choice") == expected
    assert [each["function"]["name"] for each in told["tools"]] == names
    assert all(each["function"]["parameters"]["type"] == "object" for each in told["tools"])


def test_a_choice_of_a_tool_that_is_not_there_is_refused():
    choice = {"type": "function", "function": {"name": "gone"}}
    failure = CODEC.encode(target(), request(chat(tools=TOOLS, tool_choice=choice)))
    assert (failure.status, failure.fault) == (400, Fault.ROUTING)


def test_cohere_is_strict_about_all_tools_or_none():
    assert sent(chat(tools=STRICT))["strict_tools"] is True
    made = packet(chat(tools=[*STRICT, *TOOLS]))
    assert "strict_tools" not in json.loads(made.content)
    assert made.dropped == ("tools.s.strict",)


def test_tools_that_are_no_functions_are_named():
    assert dropped(tools=[*TOOLS, {"type": "web_search"}]) == ("tools[2]",)


# --- the answer's form


def test_a_form_is_coheres_own_where_there_are_no_tools():
    assert sent(chat(response_format={"type": "json_object"}))["response_format"] == {
        "type": "json_object"
    }
    assert sent(chat(response_format=form()))["response_format"] == {
        "type": "json_object",
        "json_schema": PET,
    }
    own = {"type": "json_object", "json_schema": PET}
    assert sent(chat(response_format=own))["response_format"] == own


def test_a_form_beside_tools_is_a_tool_more_of_which_one_must_be_called():
    told = sent(chat(tools=TOOLS, response_format=form()))
    assert "response_format" not in told
    assert told["tool_choice"] == "REQUIRED"
    assert [each["function"]["name"] for each in told["tools"]] == ["a", "b", "pet"]
    assert told["tools"][2]["function"]["parameters"] == PET


def test_the_forms_tool_has_a_name_of_its_own():
    told = sent(
        chat(tools=TOOLS, response_format=form() | {"json_schema": {"name": "a", "schema": PET}})
    )
    assert [each["function"]["name"] for each in told["tools"]] == ["a", "b", "a_"]


def test_a_tool_that_must_be_called_goes_before_a_form():
    told = sent(chat(tools=TOOLS, tool_choice="required", response_format=form()))
    assert len(told["tools"]) == 2
    told = sent(chat(tools=TOOLS, tool_choice="none", response_format=form()))
    assert told["response_format"]["json_schema"] == PET
    assert "tools" not in told


def test_constraints_that_cohere_refuses_are_told_to_the_model_instead():
    schema = {
        "type": "object",
        "required": ["n"],
        "properties": {
            "n": {"type": "integer", "minimum": 0, "description": "how many"},
            "minimum": {"oneOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
            "one": {"allOf": [{"$ref": "#/$defs/p"}], "title": "P"},
        },
        "$defs": {"p": {"type": "array", "items": {"type": "string", "format": "email"}}},
    }
    before = json.dumps(schema)
    assert sent(chat(response_format=form(schema)))["response_format"]["json_schema"] == {
        "type": "object",
        "required": ["n"],
        "properties": {
            "n": {"type": "integer", "description": "how many (minimum: 0)"},
            "minimum": {
                "anyOf": [{"type": "string", "description": "(maxLength: 3)"}, {"type": "null"}]
            },
            "one": {"$ref": "#/$defs/p", "title": "P"},
        },
        "$defs": {
            "p": {"type": "array", "items": {"type": "string", "description": '(format: "email")'}}
        },
    }
    assert json.dumps(schema) == before


# --- embeddings


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"input": "a"}, {"texts": ["a"], "embedding_types": ["float"], "input_type": "search_document"}),
        ({"input": ["a", "b"], "encoding_format": "base64"},
         {"texts": ["a", "b"], "embedding_types": ["base64"], "input_type": "search_document"}),
        ({"input": "a", "dimensions": 256, "input_type": "search_query", "truncate": "END"},
         {"texts": ["a"], "embedding_types": ["float"], "input_type": "search_query",
          "truncate": "END", "output_dimension": 256}),
        ({"images": [PNG_URL], "input_type": "image"},
         {"images": [PNG_URL], "embedding_types": ["float"], "input_type": "image"}),
    ],
)  # fmt: skip
def test_embeddings_in_coheres_words(fields, expected):
    made = packet({"model": "embed-v4.0", **fields}, "/embeddings")
    assert made.url == "https://host.example/v2/embed"
    told = json.loads(made.content)
    check_embed(told)
    assert told == {"model": "embed-v4.0", **expected}


def test_tokens_of_openais_mean_nothing_to_cohere():
    failure = CODEC.encode(target(), request({"model": "m", "input": [[1, 2]]}, "/embeddings"))
    assert (failure.status, failure.fault) == (400, Fault.ROUTING)


def test_what_embeddings_have_no_words_for_is_named():
    assert packet({"model": "m", "input": "a", "user": "u"}, "/embeddings").dropped == ("user",)


# --- what else


def test_native_endpoints_pass_through_and_others_are_refused():
    body = {"model": "rerank-v3.5", "query": "q", "documents": ["a"]}
    made = packet(body, "/rerank")
    assert (made.url, json.loads(made.content)) == ("https://host.example/v2/rerank", body)
    failure = CODEC.encode(target(), request({"model": "m"}, "/images/generations"))
    assert isinstance(failure, Failure)
    assert failure.status == 500


def test_a_stream_that_should_be_one_is_malformed_when_it_is_not():
    failure = answered({"id": "a"}, chat(stream=True))
    assert failure.fault is Fault.MALFORMED


def test_saying_a_conversation_takes_microseconds():
    """20 messages with tools; the bound is ten times what it takes, for a busy machine."""
    turns = [
        {"role": "user", "content": "What is the weather in Oslo?"},
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "a", "arguments": '{"city":"Oslo"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "7"},
    ]
    asked = request(chat(messages=[*(turns * 6), *turns[:2]], tools=TOOLS))
    there = target()
    times = []
    for _ in range(50):
        begin = time.perf_counter()
        CODEC.encode(there, asked)
        times.append(time.perf_counter() - begin)
    assert min(times) < 1.5e-3
