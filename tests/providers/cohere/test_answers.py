"""What Cohere's answers and streams come to, and that both agree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st
from openai.types.chat import ChatCompletion
from tests.providers.accumulating import accumulated
from tests.providers.cohere.published import check_chat
from tests.providers.cohere.speaking import (
    CODEC,
    NOW,
    answered,
    as_stream,
    chat,
    completion,
    frames,
    read,
    request,
    sent,
    target,
)

from portkey_local.model import Answer, Failure, Fault, Reply

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 4},
    "tokens": {"input_tokens": 91.0, "output_tokens": 11.0},
    "cached_tokens": 64,
}
FORM = {
    "type": "json_schema",
    "json_schema": {
        "name": "pet",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
        },
    },
}


def call(name: str = "get_weather", arguments: str = '{"city":"Oslo"}', id: str = "c1") -> Any:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def answer(reason: str = "COMPLETE", text: str | None = "hello", **message: Any) -> dict[str, Any]:
    content = {"content": [{"type": "text", "text": text}]} if text is not None else {}
    said = {"role": "assistant", **content, **message}
    return {"id": "a-1", "finish_reason": reason, "message": said, "usage": USAGE}


def choice(data: dict[str, Any], body: Any = None, **options: Any) -> dict[str, Any]:
    return completion(data, body, **options)["choices"][0]


# --- whole answers


def test_an_answer_is_a_completion():
    told = completion(answer())
    ChatCompletion.model_validate(told)
    assert (told["id"], told["model"], told["created"]) == ("a-1", "command-a-03-2025", int(NOW))
    assert told["choices"][0]["message"]["content"] == "hello"


def test_tokens_are_counted_as_used_and_the_billed_ones_stand_apart():
    usage = completion(answer())["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (
        91,
        11,
        102,
    )
    assert usage["prompt_tokens_details"] == {"cached_tokens": 64}
    assert usage["billed_units"] == USAGE["billed_units"]


def test_without_counts_of_use_the_billed_ones_hold():
    told = {**answer(), "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 4}}}
    assert completion(told)["usage"]["total_tokens"] == 9


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("ERROR_LIMIT", "length"),
        ("ERROR_TOXIC", "content_filter"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_finish_reasons(reason, expected):
    assert choice(answer(reason))["finish_reason"] == expected
    own = "content_filter" if expected == "content_filter" else reason
    assert choice(answer(reason), strict=False)["finish_reason"] == own


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT", "USER_CANCEL"])
def test_an_answer_that_broke_off_is_a_failed_attempt(reason):
    failure = answered(answer(reason))
    assert isinstance(failure, Failure)
    assert (failure.fault, failure.status) == (Fault.MALFORMED, 500)
    assert reason in failure.message


def test_a_toxic_answer_that_says_nothing_lets_a_fallback_move_on():
    reply = answered(answer("ERROR_TOXIC", None))
    assert isinstance(reply, Reply)
    assert reply.blocked
    assert not answered(answer("ERROR_TOXIC")).blocked


def test_tool_calls_keep_their_ids_and_the_plan_is_reasoning():
    told = choice(answer("TOOL_CALL", None, tool_calls=[call()], tool_plan="I will look."))
    assert told["finish_reason"] == "tool_calls"
    message = told["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [call()]
    assert message["reasoning_content"] == "I will look."


def test_calls_without_ids_or_arguments_get_some():
    bare = {"type": "function", "function": {"name": "f"}}
    (made,) = choice(answer("TOOL_CALL", None, tool_calls=[bare]))["message"]["tool_calls"]
    assert made == {
        "id": "call_a-1_0",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }


def test_thoughts_come_back_in_the_next_turn_as_they_were():
    thought = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Let me see."}]
    told = choice(
        answer("TOOL_CALL", None, content=thought, tool_calls=[call()], tool_plan="Look.")
    )
    assert told["message"]["reasoning_content"] == "Hm.\n\nLook."
    result = {"role": "tool", "tool_call_id": "c1", "content": "7"}
    said = sent(chat(messages=[{"role": "user", "content": "?"}, told["message"], result]))
    check_chat(said)
    assert said["messages"][1] == {
        "role": "assistant",
        "content": thought,
        "tool_calls": [call()],
        "tool_plan": "Look.",
    }


def test_citations_are_kept():
    cited = [{"start": 0, "end": 5, "text": "hello", "sources": [{"type": "document", "id": "d"}]}]
    assert choice(answer(citations=cited))["message"]["citations"] == cited


def test_log_probabilities_are_those_of_the_pieces():
    items = [{"text": "hel", "token_ids": [1], "logprobs": [-0.5]},
             {"text": "lo", "token_ids": [2, 3], "logprobs": [-0.25, -0.5]}]  # fmt: skip
    told = completion({**answer(), "logprobs": items}, chat(logprobs=True))
    ChatCompletion.model_validate(told)
    content = told["choices"][0]["logprobs"]["content"]
    assert [(each["token"], each["logprob"]) for each in content] == [("hel", -0.5), ("lo", -0.75)]


# --- a form beside tools


def formed(*calls: Any, text: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    body = chat(tools=[WEATHER], response_format=FORM)
    told = answer("TOOL_CALL", text, tool_calls=list(calls))
    plain = choice(told, body)
    chunks, reader = read(as_stream(told), body)
    assert reader.complete
    streamed = accumulated(chunks)["choices"][0]
    assert streamed["finish_reason"] == plain["finish_reason"]
    assert streamed["message"].get("content") == plain["message"]["content"]
    return plain, streamed


def test_a_form_beside_tools_is_content():
    """The tool that stands for the form is nowhere to be seen, streamed or not."""
    for told in formed(call("pet", '{"name": "Tom"}')):
        assert told["finish_reason"] == "stop"
        assert json.loads(told["message"]["content"]) == {"name": "Tom"}
        assert not told["message"].get("tool_calls")


def test_beside_a_form_a_real_tool_can_be_called():
    for told in formed(call()):
        assert told["finish_reason"] == "tool_calls"
        assert told["message"]["tool_calls"][0]["function"]["name"] == "get_weather"


def test_text_before_a_form_is_left_out_and_text_without_one_is_the_answer():
    assert (
        formed(call("pet", '{"name":"Tom"}'), text="Here:")[1]["message"]["content"]
        == '{"name":"Tom"}'
    )
    assert formed(text="no form")[1]["message"]["content"] == "no form"


def test_of_two_forms_the_first_is_the_answer():
    told = formed(call("pet", '{"name":"A"}'), call("pet", '{"name":"B"}', "c2"))[1]
    assert told["message"]["content"] == '{"name":"A"}'


# --- streams


def test_nothing_is_said_before_there_is_something_to_say():
    """An error event that comes first can still fall back."""
    begin = {"type": "message-start", "id": "a", "delta": {"message": {"role": "assistant"}}}
    end = {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "overloaded"}}
    chunks, reader = read(frames(begin, end), chat())
    assert reader.failed
    (told,) = chunks
    failure = CODEC.judge_first(target(), Answer(200, {}), type("E", (), {"data": told})())
    assert (failure.fault, failure.status, failure.message) == (
        Fault.ERROR_EVENT,
        500,
        "overloaded",
    )


@pytest.mark.parametrize(
    "event", [{"message": "too many"}, {"type": "error", "message": "too many"}]
)
def test_an_error_amid_a_stream_ends_it(event):
    begun = as_stream(answer()).split(b"event: content-end", maxsplit=1)[0]
    chunks, reader = read(begun + frames(event) + frames({"type": "content-start"}), chat())
    assert (reader.failed, reader.ended) == (True, True)
    assert chunks[-1]["error"]["message"] == "too many"


def test_a_stream_without_its_last_event_is_not_complete():
    stream = as_stream(answer()).split(b"event: message-end", maxsplit=1)[0]
    for tail in (b"", b"data: [DONE]\n\n"):
        assert not read(stream + tail, chat())[1].complete


def test_the_usage_is_told_last_and_only_when_asked_for():
    asked = chat(stream_options={"include_usage": True})
    chunks, reader = read(as_stream(answer()), asked)
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 102)
    assert reader.usage["total_tokens"] == 102
    assert all("usage" not in chunk for chunk in read(as_stream(answer()), chat())[0])


def test_each_piece_of_text_is_a_chunk_and_the_first_has_the_role():
    chunks, _ = read(as_stream(answer(), 2), chat())
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [
        {"role": "assistant", "content": "he"},
        {"content": "ll"},
        {"content": "o"},
        {},
    ]


def test_log_probabilities_are_streamed():
    item = {"text": "hi", "token_ids": [1], "logprobs": [-1.0]}
    delta = {"message": {"content": {"text": "hi"}}}
    event = {"type": "content-delta", "index": 0, "delta": delta, "logprobs": item}
    chunks, _ = read(frames(event), chat(logprobs=True))
    assert chunks[0]["choices"][0]["logprobs"]["content"][0]["logprob"] == -1.0


texts = st.text(st.characters(codec="utf-8"), max_size=12)
contents = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, texts),
        st.builds(lambda text: {"type": "thinking", "thinking": text}, texts),
    ),
    max_size=3,
)
calls = st.lists(
    st.builds(
        call,
        st.sampled_from(["get_weather", "pet", "other"]),
        st.sampled_from(["{}", "", '{"city":"Oslo","n":[1,2]}']),
        st.uuids().map(str),
    ),
    max_size=3,
)
citations = st.lists(
    st.builds(lambda text: {"start": 0, "end": 1, "text": text}, texts), max_size=2
)


@given(
    contents,
    calls,
    texts,
    citations,
    st.sampled_from(["COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS", "TOOL_CALL", "ERROR_TOXIC"]),
    st.booleans(),
    st.integers(1, 5),
    st.lists(st.integers(0, 10**6), max_size=4),
)
@settings(max_examples=150)
def test_a_stream_comes_to_what_the_whole_answer_comes_to(
    content, called, plan, cited, reason, form, size, cuts
):
    told = answer(reason, None, content=content, tool_calls=called, tool_plan=plan, citations=cited)
    fields = {"response_format": FORM} if form else {}
    body = chat(tools=[WEATHER], stream_options={"include_usage": True}, **fields)
    whole = completion(told, body)
    chunks, reader = read(as_stream(told, size), body, *cuts)
    assert (reader.complete, reader.ended, reader.malformed) == (True, True, None)
    streamed = accumulated(chunks)
    assert streamed["usage"] == ChatCompletion.model_validate(whole).usage.model_dump(
        exclude_unset=True
    )
    assert compared(streamed) == compared(whole)


def compared(told: dict[str, Any]) -> dict[str, Any]:
    """What of a completion must be the same, streamed or not."""
    (only,) = told["choices"]
    message = only["message"]
    return {
        "finish": only["finish_reason"],
        "content": message.get("content") or "",
        "reasoning": message.get("reasoning_content"),
        "details": message.get("reasoning_details"),
        "citations": [
            {name: value for name, value in each.items() if name != "index"}
            for each in message.get("citations") or ()
        ],
        "calls": [
            (each["id"], each["function"]["name"], each["function"]["arguments"])
            for each in message.get("tool_calls") or ()
        ],
    }


# --- anything at all

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
WORDS = ("finish_reason", "message", "usage", "id", "logprobs", "content", "tool_calls", "function",
         "arguments", "delta", "type", "text", "thinking", "tool_plan", "index", "error", "tokens",
         "citations", "name")  # fmt: skip
KINDS = ("message-start", "content-start", "content-delta", "tool-plan-delta", "tool-call-start",
         "tool-call-delta", "tool-call-end", "citation-start", "message-end", "COMPLETE")  # fmt: skip
near = st.recursive(
    scalars | st.sampled_from(KINDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=60) | (anything | near).map(lambda value: json.dumps(value).encode()))
@example(b'{"finish_reason": "COMPLETE", "message": {"content": [{"type": "text"}]}}')
@example(b'{"finish_reason": {}, "message": {}}')
@settings(max_examples=250)
def test_any_body_is_a_reply_or_a_typed_failure(content):
    for body in (chat(), chat(tools=[WEATHER], response_format=FORM)):
        assert isinstance(answered(content, body), Reply | Failure)
    for status in (400, 429, 500):
        failed = CODEC.decode(target(), request(chat()), Answer(status, {}, content), NOW)
        assert isinstance(failed, Failure)


@given(
    st.lists(
        st.one_of(
            near.map(lambda value: b"data: " + json.dumps(value).encode() + b"\n\n"),
            st.builds(
                lambda kind, rest: (
                    b"data: " + json.dumps({"type": kind, **rest}).encode() + b"\n\n"
                ),
                st.sampled_from(KINDS),
                st.dictionaries(st.sampled_from(WORDS[:-1]), near, max_size=4).map(
                    lambda told: {key: value for key, value in told.items() if key != "type"}
                ),
            ),
            st.binary(max_size=30),
        ),
        max_size=6,
    ),
    st.lists(st.integers(0, 500), max_size=3),
)
@settings(max_examples=250)
def test_any_stream_is_read_without_an_exception(events, cuts):
    for body in (chat(), chat(tools=[WEATHER], response_format=FORM)):
        _, reader = read(b"".join(events), body, *cuts)
        assert not (reader.complete and reader.malformed)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'"\\ud800"', b"NaN"])
def test_what_only_looks_like_json_is_a_typed_failure(content):
    for status in (200, 400):
        made = CODEC.decode(target(), request(chat()), Answer(status, {}, content), NOW)
        assert isinstance(made, Failure)
    _, reader = read(b"data: " + content + b"\n\n", chat())
    assert not reader.complete


# --- errors


def failure(status: int, data: Any, **headers: str) -> Failure:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = Answer(
        status, {"content-type": "application/json", **named}, json.dumps(data).encode()
    )
    made = CODEC.decode(target(), request(chat()), answer, NOW)
    assert isinstance(made, Failure)
    return made


def test_an_error_has_the_vendors_message_and_its_own_body():
    data = {"id": "8bd5", "message": "model 'x' not found"}
    told = json.loads(failure(404, data).answer.content)["error"]
    assert (told["message"], told["provider"], told["provider_error"]) == (
        data["message"],
        "cohere",
        data,
    )


def test_a_trial_keys_limits_are_told_under_openais_names():
    made = failure(429, {"message": "slow"}, x_trial_endpoint_call_limit="20", retry_after="3")
    assert made.retry_after == 3.0
    assert made.answer.headers["x-ratelimit-limit-requests"] == "20"
    assert made.answer.headers["x-trial-endpoint-call-limit"] == "20"


def test_of_several_kinds_of_embeddings_those_that_are_null_are_passed_over():
    body = {"model": "embed-v4.0", "input": "a", "embedding_types": ["int8"]}
    told = {"id": "e", "embeddings": {"float": None, "int8": [[1, 2]]}}
    answer = Answer(200, {"content-type": "application/json"}, json.dumps(told).encode())
    reply = CODEC.decode(target(), request(body, "/embeddings"), answer, 0.0)
    assert isinstance(reply, Reply)
    assert reply.data["data"][0]["embedding"] == [1, 2]
