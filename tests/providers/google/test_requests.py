"""Chat requests in Gemini's words, rule by rule."""

from __future__ import annotations

import re
from typing import Any

import pytest

from portkey_local.model import Failure, Request, Target
from portkey_local.providers.google import Gemini
from portkey_local.providers.google.schema import cleaned
from portkey_local.providers.native import NativeCodec

OLD, NEW = "gemini-2.5-flash", "gemini-3-flash-preview"
LOOK = {"type": "function", "function": {"name": "look", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip
REST = {"type": "function", "function": {"name": "rest"}}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
AS_SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
UNSIGNED = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def user(text: str = "hi") -> dict[str, Any]:
    return {"role": "user", "content": text}


def asked(model: str = NEW, messages: Any = None, **given: Any) -> Any:
    return Gemini().chat({"model": model, "messages": messages or [user()], **given})


def body(*args: Any, **given: Any) -> dict[str, Any]:
    return dict(asked(*args, **given).body)


def setting(**given: Any) -> Any:
    return body(**given).get("generationConfig")


# --- messages


def test_every_system_and_developer_message_is_kept_in_its_order():
    told = body(messages=[
        {"role": "system", "content": "a"}, user("b"), {"role": "developer", "content": [{"type": "text", "text": "c"}]},
        {"role": "assistant", "content": "d"}, {"role": "system", "content": "e"}, user("f"),
    ])  # fmt: skip
    assert told["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "c"}, {"text": "e"}]}
    assert [(turn["role"], turn["parts"]) for turn in told["contents"]] == [
        ("user", [{"text": "b"}]), ("model", [{"text": "d"}]), ("user", [{"text": "f"}]),
    ]  # fmt: skip


def test_a_system_message_alone_is_what_the_user_says():
    told = body(messages=[{"role": "system", "content": "Tell a joke."}])
    assert told == {"contents": [{"role": "user", "parts": [{"text": "Tell a joke."}]}]}


def test_neighbours_of_one_role_are_one_turn_and_a_user_begins():
    told = body(messages=[{"role": "assistant", "content": "a"}, user("b"), user(""), user("c")])
    assert [turn["role"] for turn in told["contents"]] == ["user", "model", "user"]
    assert told["contents"][2]["parts"] == [{"text": "b"}, {"text": "c"}]


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/webp;base64,QUJD"}},
         {"inlineData": {"mimeType": "image/webp", "data": "QUJD"}}),
        ({"type": "image_url", "image_url": {"url": "https://a.test/b.png?c"}},
         {"fileData": {"mimeType": "image/png", "fileUri": "https://a.test/b.png?c"}}),
        ({"type": "image_url", "image_url": {"url": "gs://bucket/clip.mp4"}},
         {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/clip.mp4"}}),
        ({"type": "image_url", "image_url": {"url": "https://youtu.be/abc"}},
         {"fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/abc"}}),
        ({"type": "image_url", "image_url": {"url": "https://a.test/nameless"}},
         {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://a.test/nameless"}}),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
         {"inlineData": {"mimeType": "application/pdf", "data": "QUJD"}}),
        ({"type": "file", "file": {"file_id": "https://g.test/v1beta/files/x"}},
         {"fileData": {"fileUri": "https://g.test/v1beta/files/x"}}),
        ({"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
         {"inlineData": {"mimeType": "audio/mp3", "data": "QUJD"}}),
    ],
)  # fmt: skip
def test_what_a_user_shows_is_a_part(part, wanted):
    assert asked(messages=[{"role": "user", "content": [part]}]).body["contents"][0]["parts"] == [
        wanted
    ]


def test_parts_without_words_are_dropped_by_their_place():
    parts = [
        {"type": "text", "text": "a"},
        {"type": "hologram"},
        {"type": "file", "file": {"file_id": "file-7"}},
    ]
    told = asked(messages=[user(), {"role": "user", "content": parts}])
    assert told.dropped == ("messages[1].content[1]", "messages[1].content[2]")


def test_calls_and_their_results_go_by_id_and_name():
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "look", "arguments": '{"city": "Oslo"}'},
    }
    told = body(OLD, [
        user(), {"role": "assistant", "content": "So:", "tool_calls": [call, {**call, "id": "c2"}]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"celsius": 7}'},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "cold"}]},
    ])["contents"]  # fmt: skip
    assert told[1]["parts"] == [
        {"text": "So:"},
        {"functionCall": {"id": "c1", "name": "look", "args": {"city": "Oslo"}}},
        {"functionCall": {"id": "c2", "name": "look", "args": {"city": "Oslo"}}},
    ]
    assert told[2]["parts"] == [
        {"functionResponse": {"id": "c1", "name": "look", "response": {"celsius": 7}}},
        {"functionResponse": {"id": "c2", "name": "look", "response": {"output": "cold"}}},
    ]


def test_a_call_of_another_vendors_is_marked_as_unsigned_where_signatures_are_demanded():
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    turn = {"role": "assistant", "tool_calls": [call, {**call, "id": "c2"}],
            "reasoning_details": [{"type": "reasoning.encrypted", "data": "no", "id": "c1", "format": "anthropic-claude-v1"}]}  # fmt: skip
    signed = [
        part.get("thoughtSignature") for part in body(NEW, [user(), turn])["contents"][1]["parts"]
    ]
    assert signed == [UNSIGNED, None]
    assert "thoughtSignature" not in str(body(OLD, [user(), turn]))


def test_what_a_tool_shows_follows_its_result():
    image = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"},
    }
    result = {
        "role": "tool",
        "tool_call_id": "c",
        "content": [{"type": "text", "text": "see"}, image],
    }
    told = asked(messages=[user(), {"role": "assistant", "tool_calls": [
        {"id": "c", "function": {"name": "look", "arguments": ""}}]}, result, user("so?")])  # fmt: skip
    assert told.body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "c", "name": "look", "response": {"output": "see"}}},
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
        {"text": "so?"},
    ]
    assert told.dropped == ("messages[2].content[1].image_url.detail",)


# --- tools


def test_functions_are_declared_and_parameterless_ones_without_a_schema():
    assert body(tools=[LOOK, REST])["tools"] == [{"functionDeclarations": [
        {"name": "look", "parametersJsonSchema": LOOK["function"]["parameters"]}, {"name": "rest"},
    ]}]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "rest"}}, {"mode": "ANY", "allowedFunctionNames": ["rest"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [REST]}},
         {"mode": "ANY", "allowedFunctionNames": ["rest"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [REST]}}, {"mode": "AUTO"}),
    ],
)  # fmt: skip
def test_tool_choice_in_all_its_forms(choice, wanted):
    told = body(tools=[LOOK, REST], tool_choice=choice)
    assert told["toolConfig"] == {"functionCallingConfig": wanted}
    names = [each["name"] for each in told["tools"][0]["functionDeclarations"]]
    narrowed = isinstance(choice, dict) and choice.get("allowed_tools", {}).get("mode") == "auto"
    assert names == (["rest"] if narrowed else ["look", "rest"])


def test_a_choice_of_one_of_the_vendors_own_tools_is_named_as_dropped():
    choice = {"type": "function", "function": {"name": "googleSearch"}}
    search = {"type": "function", "function": {"name": "googleSearch"}}
    told = asked(tools=[LOOK, search], tool_choice=choice)
    assert told.body["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}
    assert told.dropped == ("tool_choice",)


@pytest.mark.parametrize("name", ["2nd_look", "-look", "look up", "x" * 65])
def test_a_function_whose_name_gemini_refuses_has_another_everywhere(name):
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
    told = body(
        messages=[
            user(),
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "7"},
        ],
        tools=[{"type": "function", "function": {"name": name}}, LOOK],
        tool_choice={"type": "function", "function": {"name": name}},
    )
    named = told["tools"][0]["functionDeclarations"][0]["name"]
    assert re.fullmatch(r"[A-Za-z_][\w.:-]{0,63}", named)
    assert told["contents"][1]["parts"][0]["functionCall"]["name"] == named
    assert told["contents"][2]["parts"][0]["functionResponse"]["name"] == named
    assert told["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [named]


def test_the_result_of_an_old_function_call_has_its_id():
    told = body(messages=[
        user(),
        {"role": "assistant", "content": None, "function_call": {"name": "rest", "arguments": "{}"}},
        {"role": "function", "name": "rest", "content": "7"},
    ])  # fmt: skip
    call, result = (turn["parts"][0] for turn in told["contents"][1:])
    assert call["functionCall"]["id"] == result["functionResponse"]["id"]


def test_strict_functions_are_held_to_their_schema_where_the_model_can():
    strict = {"type": "function", "function": {**LOOK["function"], "strict": True}}
    assert body(NEW, tools=[strict])["toolConfig"] == {
        "functionCallingConfig": {"mode": "VALIDATED"}
    }
    assert asked(OLD, tools=[REST, strict]).dropped == ("tools[1].function.strict",)


@pytest.mark.parametrize(
    "tool", [{"googleSearch": {}}, {"google_search": {}}, {"type": "google_search"},
             {"type": "function", "function": {"name": "google_search"}}],
)  # fmt: skip
def test_the_vendors_own_tools_pass(tool):
    assert asked(tools=[tool]).body["tools"] == [{"googleSearch": {}}]


def test_other_tools_and_serial_calls_are_dropped():
    told = asked(tools=[LOOK, {"type": "web_search"}], parallel_tool_calls=False)
    assert told.dropped == ("tools[1]", "parallel_tool_calls")


# --- the form of an answer


def test_json_is_a_mode_of_the_model_where_it_has_one():
    wanted = {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    assert setting(model=OLD, response_format=AS_SCHEMA) == wanted
    assert setting(model=NEW, response_format=AS_SCHEMA, tools=[LOOK]) == wanted
    assert setting(model=OLD, response_format={"type": "json_object"}) == {
        "responseMimeType": "application/json"
    }


def test_json_beside_functions_is_a_function_of_older_models():
    told = body(OLD, response_format=AS_SCHEMA, tools=[LOOK])
    look, answer = told["tools"][0]["functionDeclarations"]
    assert (look["name"], answer["name"], answer["parametersJsonSchema"]) == (
        "look",
        "give_answer",
        SCHEMA,
    )
    assert told["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert "generationConfig" not in told


def test_json_beside_functions_that_must_not_be_called_is_the_answer_alone():
    told = body(OLD, response_format=AS_SCHEMA, tools=[LOOK], tool_choice="none")
    allowed = {"mode": "ANY", "allowedFunctionNames": ["give_answer"]}
    assert told["toolConfig"] == {"functionCallingConfig": allowed}


def test_the_answers_function_never_takes_a_users_name():
    mine = {"type": "function", "function": {"name": "give_answer"}}
    declared = body(OLD, response_format={"type": "json_object"}, tools=[mine])["tools"][0][
        "functionDeclarations"
    ]
    assert [each["name"] for each in declared] == ["give_answer", "give_answer_"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"const": 1}, {"enum": [1]}),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9}, {"type": "integer", "minimum": 1, "maximum": 8}),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"$schema": "x", "type": "object", "patternProperties": {}}, {"type": "object"}),
        ({"allOf": [{"type": "object", "properties": {"a": {}}, "required": ["a"]}], "required": ["b"]},
         {"required": ["b", "a"], "type": "object", "properties": {"a": {}}}),
        ({"definitions": {"T": {"const": 1}}, "items": {"$ref": "#/definitions/T"}},
         {"items": {"$ref": "#/$defs/T"}, "$defs": {"T": {"enum": [1]}}}),
        ({"$ref": "#/$defs/T", "description": "d"}, {"anyOf": [{"$ref": "#/$defs/T"}], "description": "d"}),
        ({"properties": {"a": True}, "additionalProperties": False}, {"properties": {"a": {}}, "additionalProperties": False}),
        ({"anyOf": [{"const": 1}, {"not": {}}]}, {"anyOf": [{"enum": [1]}, {}]}),
    ],
)  # fmt: skip
def test_schemas_keep_their_meaning_in_geminis_keywords(given, wanted):
    assert cleaned(given) == wanted


def test_a_schema_that_needs_no_change_is_handed_on_itself():
    given = {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
        "$defs": {},
    }
    assert cleaned(given) is given


# --- parameters


def test_parameters_under_their_names_and_with_their_values():
    assert setting(
        temperature=9, top_p=0.5, max_tokens=1, max_completion_tokens=2, stop="a", seed=3, n=2,
        presence_penalty=-2, frequency_penalty=2, logprobs=True, top_logprobs=4,
    ) == {
        "temperature": 9, "topP": 0.5, "maxOutputTokens": 2, "stopSequences": ["a"], "seed": 3,
        "candidateCount": 2, "presencePenalty": -2, "frequencyPenalty": 2, "responseLogprobs": True,
        "logprobs": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "effort", "wanted"),
    [
        ("gemini-3-flash", "minimal", {"includeThoughts": True, "thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro-preview", "minimal", {"includeThoughts": True, "thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", "medium", {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-3.1-pro", "medium", {"includeThoughts": True, "thinkingLevel": "MEDIUM"}),
        ("gemini-2.5-flash", "low", {"includeThoughts": True, "thinkingBudget": 1024}),
        ("gemini-2.5-pro", "high", {"includeThoughts": True, "thinkingBudget": 24576}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
    ],
)
def test_effort_is_a_level_or_a_budget(model, effort, wanted):
    told = asked(model, reasoning_effort=effort)
    assert told.body["generationConfig"] == {"thinkingConfig": wanted}
    assert told.dropped == ()


@pytest.mark.parametrize(
    ("model", "effort", "dropped"),
    [
        ("gemini-2.5-pro", "none", ("reasoning_effort",)),
        ("gemini-3-flash", "none", ("reasoning_effort",)),
        ("gemini-2.5-flash", "utmost", ("reasoning_effort",)),
        ("gemini-2.0-flash", "high", ("reasoning_effort",)),
        ("gemini-2.0-flash", "none", ()),
    ],
)
def test_an_effort_that_cannot_be_made_is_dropped(model, effort, dropped):
    told = asked(model, reasoning_effort=effort)
    assert (told.dropped, "generationConfig" in told.body) == (dropped, False)


def test_anthropics_thinking_is_understood():
    assert setting(thinking={"type": "enabled", "budget_tokens": 99}) == {
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 99}
    }


def test_the_vendors_own_parameters_pass_in_either_spelling():
    told = asked(
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}], cachedContent="cachedContents/a",
        top_k=4, thinking_config={"thinking_budget": 5}, generation_config={"mediaResolution": "LOW"},
        tools=[LOOK], tool_choice="auto", tool_config={"retrievalConfig": {}},
    )  # fmt: skip
    assert told.dropped == ()
    assert told.body["safetySettings"][0]["threshold"] == "OFF"
    assert told.body["cachedContent"] == "cachedContents/a"
    assert told.body["generationConfig"] == {
        "topK": 4, "thinkingConfig": {"thinking_budget": 5}, "mediaResolution": "LOW"}  # fmt: skip
    assert told.body["toolConfig"] == {
        "functionCallingConfig": {"mode": "AUTO"},
        "retrievalConfig": {},
    }


def test_what_has_no_words_is_named_and_what_says_nothing_is_not():
    assert asked(logit_bias={"5": 1}, user="u", top_logprobs=2, acme=True).dropped == (
        "logit_bias", "user", "top_logprobs", "acme")  # fmt: skip
    silent = {"store": False, "n": 1, "response_format": {"type": "text"}, "metadata": {}, "user": None,
              "service_tier": "auto", "modalities": ["text"], "logprobs": False, "tools": []}  # fmt: skip
    told = asked(**silent)
    assert told.dropped == ()
    assert told.body == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_a_model_is_named_in_the_path():
    assert asked("gemini-3-pro").path == "/models/gemini-3-pro:generateContent"
    assert asked("tunedModels/a?b").path == "/tunedModels/a%3Fb:generateContent"
    assert asked(stream=True).path == f"/models/{NEW}:streamGenerateContent?alt=sse"


def test_a_schema_nested_too_deep_is_a_failure_and_no_crash():
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    asks = {"model": NEW, "messages": [user()], "tools": [tool]}
    codec = NativeCodec(Gemini())
    target = Target("config", "google", "https://google.test", codec)
    failure = codec.encode(target, Request("POST", "/chat/completions", asks))
    assert isinstance(failure, Failure)
    assert failure.status == 400
