"""Gemini's answers, streams and errors as OpenAI's, rule by rule, through the client."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from portkey_local import Portkey
from portkey_local.providers.google import Gemini
from portkey_local.providers.google.tools import fitted
from portkey_local.providers.native import withheld
from portkey_local.providers.translating import (
    Translated,
)
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
)
from portkey_local.testing import Step, chat

MODEL = "gemini-2.5-flash"
LOOK = {"type": "function", "function": {"name": "look"}}
MESSAGES = [{"role": "user", "content": "hi"}]
USAGE = {"promptTokenCount": 2, "candidatesTokenCount": 3, "totalTokenCount": 5}
KEY = "AIza-golden-key"


def candidate(*parts: Any, reason: str | None = "STOP", **more: Any) -> dict[str, Any]:
    told = {"content": {"role": "model", "parts": list(parts)}, **more}
    return told | ({"finishReason": reason} if reason else {})


def answer(*candidates: Any, **more: Any) -> dict[str, Any]:
    return {
        "candidates": list(candidates),
        "usageMetadata": USAGE,
        "responseId": "r1",
        "modelVersion": "g",
        **more,
    }


def read(data: Any, *, strict: bool = True, **body: Any) -> dict[str, Any]:
    return Gemini().completion(data, Ask({"model": MODEL, **body}, 7.0, strict))


def read_one(data: Any, **given: Any) -> tuple[dict[str, Any], str]:
    choice = read(data, **given)["choices"][0]
    return choice["message"], choice["finish_reason"]


def streamed(*events: Any, strict: bool = True, **body: Any) -> tuple[list[Any], Translated]:
    ask = Ask({"model": MODEL, "stream": True, **body}, 7.0, strict)
    reader = Translated(Gemini().frames(), Gemini().translator(ask))
    chunks = []
    for event in events:
        chunks += reader.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    return [event.data for event in chunks + reader.finish()], reader


def client(server: Any, **more: Any) -> Portkey:
    target = {"provider": "google", "api_key": KEY, "custom_host": server.url + "/v1beta", **more}
    return Portkey(config={"strategy": {"mode": "fallback"}, "targets": [
        target, {"provider": "openai", "api_key": "sk-other", "custom_host": server.target("other"), "override_params": {"model": "m"}}]})  # fmt: skip


# --- whole answers


@pytest.mark.parametrize(
    ("parts", "reason", "finish"),
    [
        ([{"text": "a"}], "STOP", "stop"),
        ([{"text": "a"}], "MAX_TOKENS", "length"),
        ([{"text": "a"}], "RECITATION", "content_filter"),
        ([], "SAFETY", "content_filter"),
        ([{"text": "a"}], "SOMETHING_NEW", "stop"),
        ([{"functionCall": {"name": "look"}}], "STOP", "tool_calls"),
        ([{"functionCall": {"name": "look"}}], "UNEXPECTED_TOOL_CALL", "tool_calls"),
        ([{"functionCall": {"name": "look"}}], "MAX_TOKENS", "length"),
    ],
)
def test_why_an_answer_ended(parts, reason, finish):
    assert read_one(answer(candidate(*parts, reason=reason)))[1] == finish
    last = [
        chunk
        for chunk in streamed(answer(candidate(*parts, reason=reason)))[0]
        if chunk != "[DONE]"
    ][-1]
    assert last["choices"][0]["finish_reason"] == finish
    own = reason if parts else finish  # a fallback goes by OpenAI's word
    assert read_one(answer(candidate(*parts, reason=reason)), strict=False)[1] == own


@pytest.mark.parametrize(
    "reason", ["MALFORMED_FUNCTION_CALL", "NO_IMAGE", "OTHER", "SOMETHING_NEW", None]
)
@pytest.mark.parametrize("parts", [[], [{"text": "hm", "thought": True}], [{"text": ""}]])
def test_an_answer_that_ended_badly_before_it_began_is_an_empty_one(reason, parts):
    """Alone it is a completion, which says Google's reason; a fallback moves on from it."""
    told = read(answer(candidate(*parts, reason=reason)))
    choice = told["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")
    assert choice["native_finish_reason"] == (reason or "FINISH_REASON_UNSPECIFIED")
    assert withheld(told)
    chunks, reader = streamed(answer(candidate(*parts, reason=reason)))
    assert reader.complete is reader.blocked is (reason is not None)
    if reason is not None:
        assert chunks[-2]["choices"][0]["native_finish_reason"] == reason


@pytest.mark.parametrize("reason", ["STOP", "MAX_TOKENS"])
def test_an_answer_of_nothing_that_ended_well_is_an_answer(reason):
    told = read(answer({"finishReason": reason}))
    assert not withheld(told)
    assert "native_finish_reason" not in told["choices"][0]
    assert not streamed(answer({"finishReason": reason}))[1].blocked


def test_an_image_that_a_filter_stopped_at_is_an_answer():
    parts = [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
    assert not withheld(read(answer(candidate(*parts, reason="IMAGE_SAFETY"))))
    assert not streamed(answer(candidate(*parts, reason="IMAGE_SAFETY")))[1].blocked


def test_what_is_null_is_not_there():
    parts = [
        {"text": "a", "functionCall": None, "thought": None, "thoughtSignature": None},
        {"text": None, "functionCall": {"name": "look", "args": None, "id": None}},
        {"inlineData": {"mimeType": None, "data": None}},
        {},
    ]
    usage = {"promptTokenCount": 2, "candidatesTokenCount": None, "promptTokensDetails": [None]}
    told = candidate(*parts, groundingMetadata=None, logprobsResult=None, index=None)
    completion = read(answer(told, usageMetadata=usage, promptFeedback=None))
    message = completion["choices"][0]["message"]
    assert message["content"] == "a"
    assert message["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
    assert completion["usage"]["total_tokens"] == 2
    chunks, reader = streamed(answer(told, usageMetadata=usage, promptFeedback=None))
    assert reader.complete
    assert chunks[0]["choices"][0]["delta"]["content"] == "a"


def test_arguments_that_come_in_pieces_make_one_call():
    """Vertex AI streams them so when `streamFunctionCallArguments` is set."""

    def piece(*partial: Any, reason: str | None = None, **call: Any) -> dict[str, Any]:
        told = {**call, **({"partialArgs": list(partial)} if partial else {})}
        signed = {"thoughtSignature": "c2ln"} if "name" in call else {}
        return answer(candidate({"functionCall": told, **signed}, reason=reason))

    chunks, reader = streamed(
        piece(name="look", willContinue=True),
        piece({"jsonPath": "$.city", "stringValue": "Os", "willContinue": True}, willContinue=True),
        piece({"jsonPath": "$.city", "stringValue": "lo"}, willContinue=True),
        piece({"jsonPath": "$.days[0]['how many']", "numberValue": 3}, willContinue=True),
        piece({"jsonPath": "$.days[1]", "nullValue": "NULL_VALUE"}, willContinue=True),
        piece({"jsonPath": "$.now", "boolValue": False}, willContinue=True),
        piece(),
        answer(candidate({"functionCall": {"name": "look", "args": {}}})),
    )
    assert reader.complete
    deltas = [each["choices"][0]["delta"] for each in chunks if each != "[DONE]"]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [call["index"] for call in calls] == [0, 1]
    assert json.loads(calls[0]["function"]["arguments"]) == {
        "city": "Oslo", "days": [{"how many": 3}, None], "now": False,
    }  # fmt: skip
    assert deltas[0]["reasoning_details"][0]["id"] == calls[0]["id"]


@pytest.mark.parametrize("path", ["$", "city", "$.a[7]", "$[0]", "$.a.b[", "$.s.t", None, "$.s[0]"])
def test_an_argument_whose_place_is_none_is_malformed(path):
    pieces = [{"jsonPath": "$.s", "stringValue": "x"}, {"jsonPath": path, "stringValue": "y"}]
    call = {"name": "look", "partialArgs": pieces}
    assert streamed(answer(candidate({"functionCall": call})))[1].malformed


@pytest.mark.parametrize("name", ["2nd_look", "-look"])
def test_a_call_of_a_function_that_gemini_knows_by_another_name_has_its_own(name):
    tools = [{"type": "function", "function": {"name": name}}]
    told = [{"functionCall": {"name": fitted(name)}}]
    message, _ = read_one(answer(candidate(*told)), tools=tools)
    assert message["tool_calls"][0]["function"]["name"] == name
    chunks, _ = streamed(answer(candidate(*told)), tools=tools)
    called = chunks[0]["choices"][0]["delta"]["tool_calls"][0]
    assert called["function"]["name"] == name


def test_a_refused_prompt_is_a_completion_without_content():
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": USAGE}
    assert read_one(blocked) == (
        {"role": "assistant", "content": None, "refusal": None},
        "content_filter",
    )
    chunks, reader = streamed(blocked)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == ["content_filter"]
    assert reader.blocked
    with pytest.raises(Unreadable):
        read({})


def test_an_answer_without_a_candidate_is_an_empty_one():
    told = read({"usageMetadata": USAGE, "modelVersion": "g"})
    assert told["choices"][0]["message"]["content"] == ""
    assert told["usage"]["total_tokens"] == 5
    assert withheld(told)


def test_token_counts_have_openais_meaning():
    usage = {"promptTokenCount": 10, "cachedContentTokenCount": 4, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 3,
             "thoughtsTokenCount": 7, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}]}  # fmt: skip
    assert read(answer(candidate({"text": "a"}), usageMetadata=usage))["usage"] == {
        "prompt_tokens": 15, "completion_tokens": 10, "total_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }  # fmt: skip


def test_calls_without_ids_get_the_same_ones_in_a_stream():
    calls = [
        {"functionCall": {"name": "look", "args": {"a": 1}}},
        {"functionCall": {"name": "look", "id": "own"}},
    ]
    told = read_one(answer(candidate(*calls)))[0]["tool_calls"]
    assert [call["id"] for call in told] == ["call_r1_0", "own"]
    chunks = streamed(answer(candidate(calls[0], reason=None)), answer(candidate(calls[1])))[0]
    pieces = [call for chunk in chunks[:2] for call in chunk["choices"][0]["delta"]["tool_calls"]]
    assert pieces == [{"index": place, **call} for place, call in enumerate(told)]


def test_several_candidates_are_several_choices_with_ids_of_their_own():
    call = {"functionCall": {"name": "look"}}
    told = read(answer(candidate(call), candidate(call, index=1)))["choices"]
    assert [choice["message"]["tool_calls"][0]["id"] for choice in told] == [
        "call_r1_0",
        "call_r1_1_0",
    ]


def test_the_choices_of_a_stream_begin_in_their_order():
    """OpenAI's own client stumbles over a second choice where no first one has begun."""
    second = candidate({"text": "b"}, index=1)
    chunks, _ = streamed(answer(second), answer({"finishReason": "SAFETY"}), n=2)
    assert [chunk["choices"][0]["index"] for chunk in chunks[:-1]] == [0, 1, 0, 1]
    state = ChatCompletionStreamState()
    for chunk in chunks[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    choices = state.current_completion_snapshot.choices
    assert [choice.finish_reason for choice in choices] == ["content_filter", "stop"]


def test_thoughts_and_signatures_are_details_that_go_back_where_they_were():
    parts = [
        {"text": "think", "thought": True},
        {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2lnMA=="},
        {"text": "say", "thoughtSignature": "c2lnMQ=="},
        {"functionCall": {"name": "look", "args": {}, "id": "c"}, "thoughtSignature": "c2lnMg=="},
    ]
    message, _ = read_one(answer(candidate(*parts)))
    assert (message["content"], message["reasoning_content"]) == ("say", "think")
    assert all(detail["format"] == "google-gemini-v1" for detail in message["reasoning_details"])
    again = (
        Gemini()
        .chat({"model": "gemini-3-pro", "messages": [*MESSAGES, message]})
        .body["contents"][1]
    )
    assert again == {"role": "model", "parts": parts}


def test_in_a_stream_only_the_first_delta_of_a_detail_names_whose_it_is():
    chunks, _ = streamed(*(answer(candidate({"text": text, "thought": True}, reason=None)) for text in ("a", "b")),
                         answer(candidate({"text": "c"})))  # fmt: skip
    details = [chunk["choices"][0]["delta"].get("reasoning_details") for chunk in chunks[:3]]
    assert details == [
        [{"type": "reasoning.text", "text": "a", "format": "google-gemini-v1", "index": 0}],
        [{"type": "reasoning.text", "text": "b", "index": 0}],
        None,
    ]


def test_what_a_search_found_is_cited_by_characters():
    text = "Ö is a letter"
    grounding = {
        "groundingChunks": [
            {"web": {"uri": "https://a.test", "title": "A"}},
            {"retrievedContext": {}},
        ],
        "groundingSupports": [
            {"segment": {"startIndex": 3, "endIndex": 5}, "groundingChunkIndices": [0, 1, 7]}
        ],
    }
    piece = answer(candidate({"text": text}, groundingMetadata=grounding))
    cited = [{"type": "url_citation", "url_citation": {
        "start_index": 2, "end_index": 4, "url": "https://a.test", "title": "A"}}]  # fmt: skip
    assert text[2:4] == "is"
    assert read_one(piece)[0]["annotations"] == cited
    assert streamed(piece)[0][-2]["choices"][0]["delta"] == {"annotations": cited}


def test_an_image_in_an_answer_is_shown():
    message, finish = read_one(
        answer(candidate({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}))
    )
    assert message["images"][0]["image_url"] == {"url": "data:image/png;base64,AAAA"}
    assert (message["content"], finish) == ("", "stop")


@pytest.mark.parametrize(
    ("wanted", "args", "text"),
    [
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
            {"n": 1},
            '{"n": 1}',
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array"}}},
            {"answer": [1]},
            "[1]",
        ),
        ({"type": "json_object"}, {"json": '{"b":2}'}, '{"b":2}'),
    ],
)
def test_an_answer_through_a_function_looks_like_any_other(wanted, args, text):
    asked = {"response_format": wanted, "tools": [LOOK]}
    part = {"functionCall": {"name": "give_answer", "args": args}, "thoughtSignature": "c2ln"}
    message, finish = read_one(answer(candidate(part)), **asked)
    assert (message, finish) == ({"role": "assistant", "content": text, "refusal": None}, "stop")
    chunks, _ = streamed(answer(candidate(part)), **asked)
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": text},
        {},
    ]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"


def test_logprobs_are_told_in_openais_form():
    likely = {"token": "é", "logProbability": -0.5}
    result = {"chosenCandidates": [likely], "topCandidates": [{"candidates": [likely]}]}
    told = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
    wanted = {"content": [{**told, "top_logprobs": [told]}], "refusal": None}
    piece = answer(candidate({"text": "é"}, logprobsResult=result))
    assert read(piece)["choices"][0]["logprobs"] == wanted
    assert streamed(piece)[0][0]["choices"][0]["logprobs"] == wanted


# --- streams


def test_a_stream_ends_with_its_reason_and_with_token_counts_only_when_asked():
    pieces = [
        answer(candidate({"text": "a"}, reason=None)),
        answer(candidate({"text": "b"})),
        answer(candidate({"text": ""})),
    ]
    chunks, reader = streamed(*pieces, stream_options={"include_usage": True})
    for chunk in chunks[:-1]:
        ChatCompletionChunk.model_validate(chunk)
    assert [choice["delta"] for chunk in chunks[:-1] for choice in chunk["choices"]] == [
        {"role": "assistant", "content": "a"}, {"content": "b"}, {}]  # fmt: skip
    assert chunks[-2]["usage"]["total_tokens"] == 5
    assert chunks[-1] == "[DONE]"
    assert reader.usage == chunks[-2]["usage"]
    assert "usage" not in str(streamed(*pieces)[0])


def test_a_stream_without_its_reason_is_never_complete():
    chunks, reader = streamed(answer(candidate({"text": "a"}, reason=None)))
    assert (len(chunks), reader.complete) == (1, False)
    assert not streamed(answer(candidate({"text": "a"})), n=2)[1].complete


def test_an_error_event_ends_a_stream():
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    chunks, reader = streamed(answer(candidate({"text": "a"}, reason=None)), error)
    assert (reader.failed, reader.ended) == (True, True)
    assert chunks[-1]["error"] == {"message": "overloaded", "type": "UNAVAILABLE", "param": None,
                                   "code": "UNAVAILABLE", "status": 503, "provider_error": error["error"]}  # fmt: skip


# --- through the client


def sse(*pieces: Any) -> Step:
    return Step(events=[json.dumps(piece) for piece in pieces])


@pytest.mark.parametrize(
    "step",
    [
        Step(json=answer(candidate(reason="SAFETY"))),
        Step(json={"promptFeedback": {"blockReason": "SAFETY"}}),
        Step(json=answer(candidate(reason="MALFORMED_FUNCTION_CALL"))),
        Step(
            status=429,
            json={"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}},
        ),
    ],
)
def test_a_fallback_moves_on(provider, step):
    provider.reset(lambda seen: chat("from the other") if seen.target == "other" else step)
    with client(provider) as portkey:
        result = portkey.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert result.choices[0].message.content == "from the other"


def test_a_stream_that_fails_before_it_says_anything_falls_back(provider):
    error = sse({"error": {"code": 500, "message": "no", "status": "INTERNAL"}})
    provider.reset(lambda seen: Step() if seen.target == "other" else error)
    with client(provider) as portkey:
        chunks = list(portkey.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
    assert "other" in "".join(
        chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices
    )


def test_errors_keep_the_vendors_words_and_its_wait(provider):
    told = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}}  # fmt: skip
    error = Gemini().error(429, told)
    assert (error.message, error.type, error.code, error.retry_after) == (
        "slow down", "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", 34.5)  # fmt: skip
    assert Gemini().error(429, [told]) == error
    provider.reset(lambda _: Step(status=429, json=told))
    with (
        Portkey(provider="google", api_key=KEY, custom_host=provider.url) as portkey,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        portkey.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (caught.value.code, caught.value.body["provider_error"]) == ("RATE_LIMIT_EXCEEDED", told)


def test_the_key_travels_in_a_header_and_the_model_in_the_path(provider):
    provider.reset(lambda _: Step(json=answer(candidate({"text": "hello"}))))
    with client(provider) as portkey:
        assert (
            portkey.chat.completions.create(model=MODEL, messages=MESSAGES)
            .choices[0]
            .message.content
            == "hello"
        )
    (seen,) = provider.received
    assert (seen.target, seen.path, seen.query) == (
        "v1beta",
        f"/models/{MODEL}:generateContent",
        "",
    )
    assert seen.headers["x-goog-api-key"] == KEY
    assert "authorization" not in seen.headers


def test_strict_params_refuses_what_would_be_dropped(provider):
    with (
        Portkey(
            provider="google", api_key=KEY, custom_host=provider.url, config={"strict_params": True}
        ) as portkey,
        pytest.raises(openai.BadRequestError, match="logit_bias"),
    ):
        portkey.chat.completions.create(model=MODEL, messages=MESSAGES, logit_bias={"1": 1})
    assert not provider.received


def test_native_endpoints_pass_through(provider):
    plain, pieces = (
        answer(candidate({"text": "a"})),
        [answer(candidate({"text": "b"}, reason=None)), answer(candidate({"text": "c"}))],
    )
    provider.reset(lambda seen: sse(*pieces) if "stream" in seen.path else Step(json=plain))
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    with client(provider) as portkey:
        assert portkey.post(f"/models/{MODEL}:generateContent", cast_to=object, body=body) == plain
        stream = portkey.post(f"/models/{MODEL}:streamGenerateContent?alt=sse", cast_to=object, body=body,
                              stream=True, stream_cls=openai.Stream[object])  # fmt: skip
        assert list(stream) == pieces
    assert [seen.json for seen in provider.received] == [body, body]


def test_a_native_stream_that_is_cut_is_not_complete(provider):
    provider.reset(lambda _: sse(answer(candidate({"text": "b"}, reason=None))))
    with client(provider) as portkey, pytest.raises(openai.APIError, match="terminal event"):
        list(portkey.post(f"/models/{MODEL}:streamGenerateContent?alt=sse", cast_to=object, body={"contents": []},
                          stream=True, stream_cls=openai.Stream[object]))  # fmt: skip


# --- embeddings


def test_every_text_is_embedded_in_one_message(provider):
    provider.reset(
        lambda _: Step(json={"embeddings": [{"values": [1.0, 2.0]}, {"values": [3.0, 4.0]}]})
    )
    with client(provider) as portkey:
        told = portkey.embeddings.create(
            model="gemini-embedding-001", input=["a", "b"], dimensions=2, encoding_format="float"
        )
        packed = portkey.embeddings.create(
            model="gemini-embedding-001", input="a", encoding_format="base64"
        )
    assert [each.embedding for each in told.data] == [[1.0, 2.0], [3.0, 4.0]]
    assert isinstance(packed.data[0].embedding, str)
    one = {"model": "models/gemini-embedding-001", "outputDimensionality": 2}
    assert provider.received[0].json == {"requests": [
        {**one, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]}  # fmt: skip


def test_tokens_cannot_be_embedded(provider):
    portkey = Portkey(provider="google", api_key=KEY, custom_host=provider.url)
    with portkey, pytest.raises(openai.BadRequestError, match="texts alone"):
        portkey.embeddings.create(model="gemini-embedding-001", input=[1, 2])
