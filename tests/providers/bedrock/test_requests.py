"""Every chat request comes out as one that Converse takes, and says what was asked."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given, settings, strategies as st
from tests.providers.bedrock.helpers import (
    CLAUDE,
    LLAMA,
    MISTRAL,
    MODELS,
    NEW_CLAUDE,
    NOVA,
    OLD_CLAUDE,
    PROFILE,
    ask,
    called,
    encoded,
    function,
    packet,
    problems,
    refusal,
    request,
    target,
    user,
)
from tests.providers.conversations import PDF, PNG, WAV, requests

from portkey_local.model import Failure, Fault, Packet
from portkey_local.providers.bedrock import speak
from portkey_local.providers.languages import Settings, WrongSetting

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
CALL = {"role": "assistant", "content": None, "tool_calls": [called("c1", "f", {"a": 1})]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "7"}


@settings(max_examples=400)
@given(st.data(), st.sampled_from(MODELS), st.booleans())
def test_generated_requests_are_valid(data, model, stream):
    """botocore's validator, AWS's limits and Converse's rules take every request."""
    body = data.draw(requests(model=model, stream=stream))
    assert problems(packet(body)) == []


KEYS = st.sampled_from([
    "role", "content", "type", "text", "tool_calls", "function", "name", "image_url", "url", "tool",
    "user", "id", "arguments", "cache_control", "reasoning_details", "json_schema", "schema",
])  # fmt: skip
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([
    "tools", "functions", "tool_choice", "response_format", "stop", "metadata", "temperature",
    "max_tokens", "reasoning_effort", "service_tier", "thinking", "top_k", "anthropic_beta",
    "additional_model_request_fields", "output_config", "outputConfig", "requestMetadata",
])  # fmt: skip


@settings(max_examples=300)
@given(st.lists(ODD, max_size=3), st.dictionaries(FIELDS, ODD, max_size=4), st.sampled_from(MODELS))
def test_odd_requests_never_raise(messages, fields, model):
    """Whatever stands in a request, a message or a failure comes out."""
    body = {"model": model, "messages": messages, **fields}
    to = target()
    assert isinstance(to.codec.encode(to, request(body)), Packet | Failure)


# --- where it goes


def test_the_model_stands_quoted_in_the_path():
    """An id's colon and an ARN's slash are quoted; a stream has a path of its own."""
    assert packet(ask(model=NOVA)).url.endswith("/model/us.amazon.nova-lite-v1%3A0/converse")
    made = packet(ask(model=PROFILE, stream=True))
    assert made.url.endswith(
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3A"
        "application-inference-profile%2Fabc123/converse-stream"
    )
    assert "model" not in json.loads(made.content)


def test_a_fixed_model_is_called_and_the_request_tells_its_family():
    """`aws_bedrock_model` is what is called; what it can do is read off either name."""
    body = ask(model="claude-sonnet-4-5", response_format=FORMAT)
    made = packet(body, fields={"aws_bedrock_model": PROFILE})
    assert "application-inference-profile%2Fabc123" in made.url
    assert "textFormat" in json.loads(made.content)["outputConfig"]


@pytest.mark.parametrize(
    ("fields", "environment", "host"),
    [
        ({"aws_region": "eu-west-3"}, {}, "bedrock-runtime.eu-west-3.amazonaws.com"),
        ({}, {"AWS_REGION": "us-west-2"}, "bedrock-runtime.us-west-2.amazonaws.com"),
        ({}, {"AWS_DEFAULT_REGION": "us-east-2"}, "bedrock-runtime.us-east-2.amazonaws.com"),
        ({"aws_region": "cn-north-1"}, {}, "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_host_follows_from_the_region(fields, environment, host):
    settings = Settings("bedrock", None, fields=fields, environment=environment)
    assert speak(settings).url == f"https://{host}"


@pytest.mark.parametrize("region", [None, "evil.example/x", "us east"])
def test_a_wrong_region_is_named(region):
    fields = {} if region is None else {"aws_region": region}
    with pytest.raises(WrongSetting) as caught:
        speak(Settings("bedrock", None, fields=fields))
    assert caught.value.field == "aws_region"


def test_endpoints_of_openai_alone_are_refused():
    failure = refusal({"model": NOVA, "input": "x"}, "/responses")
    assert (failure.fault, failure.status) == (Fault.ROUTING, 500)


# --- messages


def test_system_messages_are_gathered_wherever_they_stand():
    system = {"role": "system", "content": "one"}
    late = {"role": "developer", "content": [{"type": "text", "text": "two"}]}
    made = encoded(ask(system, user("a"), late, user("b")))
    assert made["system"] == [{"text": "one"}, {"text": "two"}]
    assert made["messages"] == [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]


def test_a_conversation_begins_with_the_user():
    made = encoded(ask({"role": "assistant", "content": "Hi"}, user("Hello")))
    assert [each["role"] for each in made["messages"]] == ["user", "assistant", "user"]


def test_blank_texts_are_left_out():
    blank = {"role": "assistant", "content": "  "}
    made = encoded(ask(user("a"), blank, user([{"type": "text", "text": ""}, {"type": "text", "text": "b"}])))  # fmt: skip
    assert made["messages"] == [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]


def test_results_are_merged_and_stand_first():
    calls = [called("c1", "f", {}), called("c2", "g", {"x": [1]})]
    made = encoded(
        ask(
            user("go"),
            {"role": "assistant", "content": "Well", "tool_calls": calls},
            RESULT,
            user("and hurry"),
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "8"}]},
        )
    )
    assert made["messages"][1]["content"] == [
        {"text": "Well"},
        {"toolUse": {"toolUseId": "c1", "name": "f", "input": {}}},
        {"toolUse": {"toolUseId": "c2", "name": "g", "input": {"x": [1]}}},
    ]
    assert made["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": "c1", "content": [{"text": "7"}]}},
        {"toolResult": {"toolUseId": "c2", "content": [{"text": "8"}]}},
        {"text": "and hurry"},
    ]


def test_a_sound_in_a_result_is_named_as_dropped():
    """Converse takes sounds in messages alone."""
    sound = {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}
    result = {
        "role": "tool",
        "tool_call_id": "c1",
        "content": [{"type": "text", "text": "x"}, sound],
    }
    calls = {"role": "assistant", "tool_calls": [called("c1", "f", {})]}
    made = packet(ask(user("go"), calls, result, model=PROFILE))
    assert problems(made) == []
    assert made.dropped == ("messages[2].content",)


def test_ids_that_bedrock_refuses_are_mapped_alike_in_calls_and_results():
    odd = "call:" + "x" * 80
    calls = {"role": "assistant", "tool_calls": [called(odd, "f", {})]}
    result = {"role": "tool", "tool_call_id": odd, "content": "1"}
    body = ask(user("go"), calls, result, user("again"), calls, result)
    made = packet(body)
    assert problems(made) == []
    content = json.loads(made.content)["messages"]
    first = content[1]["content"][0]["toolUse"]["toolUseId"]
    second = content[3]["content"][0]["toolUse"]["toolUseId"]
    assert first != second, "an id is never used twice"
    assert content[4]["content"][0]["toolResult"]["toolUseId"] == second
    assert packet(body).content == made.content, "the same request is the same bytes"


def test_functions_of_the_old_form_are_calls():
    old = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    body = ask(user("go"), old, {"role": "function", "name": "f", "content": "7"})
    body["functions"] = [{"name": "f", "parameters": SCHEMA}]
    assert problems(packet(body)) == []


def test_a_failed_tool_says_so_where_the_model_takes_it():
    failed = {**RESULT, "is_error": True}
    assert encoded(ask(user("go"), CALL, failed))["messages"][2]["content"][0]["toolResult"]["status"] == "error"  # fmt: skip
    assert "status" not in encoded(ask(user("go"), CALL, failed, model=LLAMA))["messages"][2]["content"][0]["toolResult"]  # fmt: skip


def test_images_documents_and_sounds():
    """Bytes go inline, S3 by its address; what nobody can fetch is named as dropped."""
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        {"type": "image_url", "image_url": "s3://bucket/cat.jpg"},
        {"type": "file", "file": {"filename": "my report.v2.pdf", "file_data": PDF}},
        {"type": "file", "file": {"filename": "my report.v2.pdf", "file_data": PDF}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/a.mp4"}}}},
    ]
    made = packet(ask(user(parts)))
    assert problems(made) == []
    assert made.dropped == tuple(f"messages[0].content[{at}]" for at in (2, 6, 7))
    content = json.loads(made.content)["messages"][0]["content"]
    assert content[1] == {"image": {"format": "png", "source": {"bytes": PNG}}}
    assert content[2]["image"]["source"] == {"s3Location": {"uri": "s3://bucket/cat.jpg"}}
    assert [each["document"]["name"] for each in content if "document" in each] == [
        "my report v2",
        "my report v2 2",
    ]
    assert content[-1]["video"]["format"] == "mp4"
    heard = encoded(ask(user(parts[-2:-1]), model="mistral.voxtral-small-24b-2507"))
    assert heard["messages"][0]["content"] == [
        {"audio": {"format": "wav", "source": {"bytes": WAV}}}
    ]


def test_a_document_gets_a_text_beside_it():
    part = {"type": "file", "file": {"file_data": f"data:text/csv;base64,{PDF}"}}
    content = encoded(ask(user([part])))["messages"][0]["content"]
    assert [*content[0]["document"], content[1]] == ["format", "name", "source", {"text": "."}]


def test_cache_points_stand_behind_what_is_cached():
    control = {"type": "ephemeral", "ttl": "1h"}
    part = {"type": "text", "text": "long", "cache_control": control}
    tool = {**function("f"), "cache_control": {"type": "ephemeral"}}
    body = ask({"role": "system", "content": [part]}, user([part, {"type": "text", "text": "q"}]))
    made = packet({**body, "tools": [tool]})
    assert problems(made) == []
    told = json.loads(made.content)
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert told["system"] == [{"text": "long"}, point]
    assert told["messages"][0]["content"] == [{"text": "long"}, point, {"text": "q"}]
    assert told["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    dropped = packet({**body, "model": LLAMA}).dropped
    assert dropped == ("messages[0].content[0].cache_control", "messages[1].content[0].cache_control")  # fmt: skip


# --- reasoning


def thought(*details: dict) -> dict:
    return {**CALL, "reasoning_details": list(details)}


SIGNED = {
    "type": "reasoning.text",
    "text": "hm",
    "signature": "sig",
    "format": "bedrock-converse-v1",
}
REDACTED = {"type": "reasoning.encrypted", "data": base64.b64encode(b"x").decode(), "format": "bedrock-converse-v1"}  # fmt: skip
UNSIGNED = {"type": "reasoning.text", "text": "hm", "format": "bedrock-converse-v1"}
FOREIGN = {
    "type": "reasoning.text",
    "text": "no",
    "signature": "x",
    "format": "anthropic-claude-v1",
}


def reasoned(model: str, *details: dict) -> list:
    made = packet(ask(user("go"), thought(*details), RESULT, model=model))
    assert problems(made) == []
    content = json.loads(made.content)["messages"][1]["content"]
    return [each["reasoningContent"] for each in content if "reasoningContent" in each]


def test_reasoning_goes_back_word_for_word():
    assert reasoned(CLAUDE, SIGNED, REDACTED) == [
        {"reasoningText": {"text": "hm", "signature": "sig"}},
        {"redactedContent": REDACTED["data"]},
    ]


def test_reasoning_of_others_stays_away():
    assert reasoned(CLAUDE, FOREIGN, UNSIGNED) == []
    assert reasoned("openai.gpt-oss-20b-1:0", SIGNED, REDACTED, UNSIGNED) == [
        {"reasoningText": {"text": "hm"}}
    ]


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        (NEW_CLAUDE, "high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        (CLAUDE, "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (OLD_CLAUDE, "medium", {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        ("openai.gpt-oss-120b-1:0", "minimal", {"reasoning_effort": "low"}),
        ("qwen.qwen3-32b-v1:0", "high", {"reasoning_config": "high"}),
        ("us.amazon.nova-2-lite-v1:0", "low", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
    ],
)  # fmt: skip
def test_efforts_are_asked_in_the_models_own_way(model, effort, fields):
    made = packet(ask(model=model, reasoning_effort=effort))
    assert json.loads(made.content)["additionalModelRequestFields"] == fields
    assert made.dropped == ()


def test_a_nova_that_thinks_hard_takes_no_limits():
    body = ask(model="us.amazon.nova-2-lite-v1:0", reasoning_effort="high", max_tokens=5, top_p=1)
    made = packet(body)
    assert made.dropped == ("max_tokens", "top_p")
    assert "inferenceConfig" not in json.loads(made.content)


def test_an_effort_fits_into_the_limit_of_tokens():
    thinking = encoded(ask(reasoning_effort="high", max_tokens=4000))
    assert thinking["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 3000
    assert packet(ask(reasoning_effort="high", max_tokens=1000)).dropped == ("reasoning_effort",)


def test_thinking_does_not_begin_in_the_middle_of_a_turn():
    body = ask(user("go"), CALL, RESULT, reasoning_effort="low")
    assert packet(body).dropped == ("reasoning_effort",)
    kept = ask(user("go"), thought(SIGNED), RESULT, reasoning_effort="low")
    assert packet(kept).dropped == ()


def test_thinking_leaves_no_room_for_some_settings():
    body = ask(reasoning_effort="low", temperature=0.2, top_p=0.5, tools=[function("f")])
    made = packet({**body, "tool_choice": "required"})
    assert made.dropped == ("temperature", "top_p", "tool_choice")
    assert problems(made) == []


# --- tools


def config(body: dict) -> dict:
    made = packet(body)
    assert problems(made) == []
    return json.loads(made.content).get("toolConfig", {})


def names(told: dict) -> list[str]:
    return [each["toolSpec"]["name"] for each in told["tools"]]


TOOLS = [function("f", description="d", parameters=SCHEMA), function("g")]


def test_tools_have_a_schema_also_without_parameters():
    assert config(ask(tools=TOOLS)) == {
        "tools": [
            {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": SCHEMA}}},
            {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
        ]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "choice", "offered", "chosen"),
    [
        (CLAUDE, "auto", ["f", "g"], None),
        (CLAUDE, "required", ["f", "g"], {"any": {}}),
        (CLAUDE, function("g"), ["f", "g"], {"tool": {"name": "g"}}),
        (MISTRAL, function("g"), ["g"], {"any": {}}),
        (CLAUDE, {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function("f")]}}, ["f"], None),
        (LLAMA, "required", ["f", "g"], None),
    ],
)  # fmt: skip
def test_choices_among_tools(model, choice, offered, chosen):
    told = config(ask(model=model, tools=TOOLS, tool_choice=choice))
    assert (names(told), told.get("toolChoice")) == (offered, chosen)


def test_a_model_that_cannot_be_forced_is_told_of():
    assert packet(ask(model=LLAMA, tools=TOOLS, tool_choice="required")).dropped == ("tool_choice",)


def test_none_leaves_the_tools_away_unless_the_conversation_has_calls():
    assert config(ask(tools=TOOLS, tool_choice="none")) == {}
    made = packet(ask(user("go"), CALL, RESULT, tools=TOOLS, tool_choice="none"))
    assert (made.dropped, problems(made)) == (("tool_choice",), [])
    assert names(config(ask(user("go"), CALL, RESULT))) == ["f"]


def test_strict_tools_where_the_model_keeps_to_schemas():
    tool = function("f", parameters={**SCHEMA, "additionalProperties": False}, strict=True)
    spec = config(ask(tools=[tool]))["tools"][0]["toolSpec"]
    assert spec["strict"] is True
    assert spec["inputSchema"]["json"]["properties"] == {
        "n": {"type": "integer", "description": "minimum: 0"}
    }
    assert packet(ask(model=NOVA, tools=[tool])).dropped == ("tools[0].strict",)


def test_functions_of_the_old_form_are_named_by_their_place():
    body = ask(tools=5, functions=[{"name": "f", "strict": True}], model=NOVA)
    assert packet(body).dropped == ("functions[0].strict",)


def test_tools_of_bedrocks_own_pass_and_others_are_named():
    system = {"systemTool": {"name": "nova_grounding"}}
    body = ask(
        model=NOVA, tools=[function("f"), system, {"type": "custom", "custom": {"name": "c"}}]
    )
    made = packet(body)
    assert (made.dropped, problems(made)) == (("tools[2]",), [])
    assert json.loads(made.content)["toolConfig"]["tools"][1] == system


# --- the form of an answer


def test_a_schema_is_kept_by_the_models_own_means():
    made = encoded(ask(response_format=FORMAT, tools=TOOLS))
    told = made["outputConfig"]["textFormat"]
    assert (told["type"], told["structure"]["jsonSchema"]["name"]) == ("json_schema", "answer")
    assert json.loads(told["structure"]["jsonSchema"]["schema"])["additionalProperties"] is False
    assert names(made["toolConfig"]) == ["f", "g"]


def test_a_tool_gives_the_answer_of_other_models():
    told = config(ask(model=NOVA, response_format=FORMAT))
    assert (names(told), told["toolChoice"]) == (["json_answer"], {"tool": {"name": "json_answer"}})
    assert told["tools"][0]["toolSpec"]["inputSchema"]["json"] == SCHEMA
    beside = config(ask(model=NOVA, response_format=FORMAT, tools=[function("json_answer")]))
    assert (names(beside), beside["toolChoice"]) == (["json_answer", "json_answer_"], {"any": {}})
    forced = config(ask(model=NOVA, response_format=FORMAT, tools=TOOLS, tool_choice="required"))
    assert names(forced) == ["f", "g"]


def test_any_object_and_open_schemas_are_asked_by_the_tool():
    assert names(config(ask(response_format={"type": "json_object"}))) == ["json_answer"]
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "object", "properties": {"next": {"$ref": "#/$defs/t"}}}}}  # fmt: skip
    for schema in (tree, {"type": "object", "additionalProperties": {"type": "string"}}):
        wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        assert names(config(ask(response_format=wanted))) == ["json_answer"]


def test_a_form_that_cannot_be_had_is_named():
    assert packet(ask(model=LLAMA, response_format=FORMAT)).dropped == ("response_format",)
    listed = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array"}}}
    assert packet(ask(model=NOVA, response_format=listed)).dropped == ("response_format",)
    assert packet(ask(model=NOVA, response_format={"type": "text"})).dropped == ()


# --- everything else


def test_settings_in_range_go_and_others_are_named():
    made = packet(
        ask(temperature=0.3, max_tokens=9, stop="END", seed=1, logit_bias={"1": 2}, user="u")
    )
    assert json.loads(made.content)["inferenceConfig"] == {
        "temperature": 0.3, "maxTokens": 9, "stopSequences": ["END"],
    }  # fmt: skip
    assert made.dropped == ("seed", "logit_bias", "user")
    assert packet(ask(temperature=1.5, stop=[" ", "x"])).dropped == ("temperature", "stop")
    assert packet(ask(max_tokens=0)).dropped == ("max_tokens",)
    assert packet(ask(temperature=0.5, top_p=0.5)).dropped == ("top_p",), "this Claude takes one"
    assert packet(ask(model=NOVA, temperature=0.5, top_p=0.5)).dropped == ()


def test_what_says_nothing_is_not_dropped():
    silent = dict(n=1, store=False, logprobs=False, presence_penalty=0, logit_bias={}, seed=None, parallel_tool_calls=True, service_tier="auto", modalities=["text"], reasoning_effort="none")  # fmt: skip
    assert packet(ask(**silent)).dropped == ()


def test_strict_params_refuses_what_would_be_dropped():
    failure = refusal(ask(seed=1, n=2), strict_params=True)
    assert (failure.fault, failure.status) == (Fault.ROUTING, 400)
    assert "seed, n" in failure.message


def test_bedrocks_own_parameters_pass():
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": "enabled"}
    body = ask(
        guardrail_config=guard,
        performanceConfig={"latency": "optimized"},
        service_tier="flex",
        metadata={"team": "blue", "odd": "ä"},
        additional_model_request_fields={"foo": 1},
        top_k=5,
        anthropic_beta="a, b",
    )
    made = packet(body)
    assert (made.dropped, problems(made)) == (("metadata.odd",), [])
    told = json.loads(made.content)
    assert told["guardrailConfig"] == guard
    assert told["performanceConfig"] == {"latency": "optimized"}
    assert told["serviceTier"] == {"type": "flex"}
    assert told["requestMetadata"] == {"team": "blue"}
    fields = {"foo": 1, "top_k": 5, "anthropic_beta": ["a", "b"]}
    assert told["additionalModelRequestFields"] == fields
    nova = encoded(ask(model=NOVA, top_k=5))["additionalModelRequestFields"]
    assert nova == {"inferenceConfig": {"topK": 5}}


def test_beta_features_of_the_target_are_turned_on_for_claude():
    fields = {"anthropic_beta": "context-1m-2025-08-07"}
    told = encoded(ask(), fields=fields)["additionalModelRequestFields"]
    assert told == {"anthropic_beta": ["context-1m-2025-08-07"]}
    assert "additionalModelRequestFields" not in encoded(ask(model=NOVA), fields=fields)


def test_a_long_conversation_is_translated_fast():
    """Twenty messages with tools take far less than the budget of 150 µs, allowed for a busy machine."""
    said = [user("What is the weather?"), CALL, RESULT, {"role": "assistant", "content": "7"}] * 5
    tools = [function(f"f{at}", description="d", parameters=SCHEMA) for at in range(4)]
    to, asked = target(), request(ask(*said, tools=tools, temperature=0.1))
    best = min(_timed(lambda: to.codec.encode(to, asked)) for _ in range(200))
    assert isinstance(to.codec.encode(to, asked), Packet)
    assert best < 600e-6


def _timed(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
