"""Answers of Converse's, whole and streamed, mean in OpenAI's shape what they meant."""

from __future__ import annotations

import json
import time
from typing import Any

import openai
import pytest
from hypothesis import given, settings, strategies as st
from openai.types.chat import ChatCompletion
from tests.providers.bedrock.helpers import (
    CLAUDE,
    EVENT_STREAM,
    NOVA,
    ask,
    called,
    chunked,
    event,
    exception,
    frame,
    function,
    packet,
    problems,
    request,
    stream_of,
    target,
    user,
)

from portkey_local import Portkey
from portkey_local.model import DONE, Answer, Failure, Reply
from portkey_local.testing import Loopback, Step

USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "let me see", "signature": "sig=="}}}
UNSIGNED = {"reasoningContent": {"reasoningText": {"text": "hm"}}}
REDACTED = {"reasoningContent": {"redactedContent": "c2VjcmV0"}}
USE = {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"city": "Zürich", "n": [1, 2]}}}
EMPTY_USE = {"toolUse": {"toolUseId": "tooluse_2", "name": "g", "input": {}}}
OWN = {"toolUse": {"toolUseId": "t3", "name": "code", "input": {"x": 1}, "type": "server_tool_use"}}
OWN_RESULT = {
    "toolResult": {"toolUseId": "t3", "content": [{"json": {"y": 2}}], "type": "code_result"}
}
HIDDEN = {"toolUse": {"toolUseId": "t4", "name": "json_answer", "input": {"n": 1}}}


def answer(*content: Any, stop: str = "end_turn", usage: Any = None) -> dict[str, Any]:
    message = {"role": "assistant", "content": list(content)}
    return {
        "output": {"message": message},
        "stopReason": stop,
        "usage": usage or USAGE,
        "metrics": {},
    }


def decoded(data: Any, body: Any = None, **options: Any) -> Any:
    to = target(**options)
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    head = {"content-type": "application/json", "x-amzn-requestid": "r-1"}
    return to.codec.decode(to, request(body or ask()), Answer(200, head, content), 1.5)


def plain(data: Any, body: Any = None, **options: Any) -> dict[str, Any]:
    reply = decoded(data, body, **options)
    assert isinstance(reply, Reply), reply
    if options.get("strict", True):
        ChatCompletion.model_validate(reply.data)
    return reply.data


def events_of(
    data: bytes, body: Any = None, cuts: Any = (1000,), **options: Any
) -> tuple[list, Any]:
    to = target(**options)
    asked = {**(body or ask()), "stream": True, "stream_options": {"include_usage": True}}
    reader = to.codec.reader(to, request(asked), 1.5)
    read = [each.data for chunk in chunked(data, cuts) for each in reader.feed(chunk)]
    return read + [each.data for each in reader.finish()], reader


def gathered(chunks: list[Any]) -> dict[str, Any]:
    """Put chunks together as a reader does, and check that each is what it must be."""
    message: dict[str, Any] = {"content": "", "calls": {}, "reasoning": "", "details": {}}
    assert chunks[-1] is DONE
    finishes = []
    for chunk in chunks[:-1]:
        if not chunk["choices"]:
            message["usage"] = chunk["usage"]
            continue
        [choice] = chunk["choices"]
        delta = choice["delta"]
        assert ("role" in delta) == (chunk is chunks[0])
        message["content"] += delta.get("content") or ""
        message["reasoning"] += delta.get("reasoning_content") or ""
        for told in delta.get("tool_calls", ()):
            call = message["calls"].setdefault(told["index"], {"arguments": ""})
            call |= {key: told[key] for key in ("id",) if key in told}
            call |= {"name": told["function"]["name"]} if "name" in told["function"] else {}
            call["arguments"] += told["function"]["arguments"]
        for detail in delta.get("reasoning_details", ()):
            whole = message["details"].setdefault(detail["index"], {})
            for key, value in detail.items():
                joined = isinstance(value, str) and key != "type" and key in whole
                whole[key] = whole[key] + value if joined else value
        if choice["finish_reason"]:
            finishes.append(choice["finish_reason"])
    [message["finish"]] = finishes
    return message


def compared(data: dict[str, Any]) -> dict[str, Any]:
    """The same facts of a whole completion."""
    [choice] = data["choices"]
    message = choice["message"]
    calls = [
        {"id": each["id"], "name": each["function"]["name"], "arguments": json.loads(each["function"]["arguments"])}
        for each in message.get("tool_calls", ())
    ]  # fmt: skip
    return {
        "content": message["content"] or "",
        "calls": calls,
        "reasoning": message.get("reasoning_content", ""),
        "details": message.get("reasoning_details", []),
        "finish": choice["finish_reason"],
        "usage": data["usage"],
    }


def streamed(data: dict[str, Any], body: Any = None, cuts: Any = (1000,)) -> dict[str, Any]:
    chunks, reader = events_of(b"".join(stream_of(data)), body, cuts)
    assert (reader.complete, reader.ended, reader.malformed) == (True, True, None)
    told = gathered(chunks)
    told["calls"] = [
        {**call, "arguments": json.loads(call["arguments"])} for call in told["calls"].values()
    ]
    told["details"] = list(told["details"].values())
    return told


# --- content


def test_texts_are_joined_without_a_separator():
    citations = {"citationsContent": {"content": [{"text": "c"}], "citations": []}}
    assert compared(plain(answer({"text": "a"}, {"text": "b"}, citations)))["content"] == "abc"


def test_calls_have_bedrocks_ids_and_their_arguments():
    told = compared(plain(answer({"text": "Well"}, USE, EMPTY_USE, stop="tool_use")))
    assert [(each["id"], each["arguments"]) for each in told["calls"]] == [
        ("tooluse_1", {"city": "Zürich", "n": [1, 2]}),
        ("tooluse_2", {}),
    ]
    assert (told["content"], told["finish"]) == ("Well", "tool_calls")


def test_bedrocks_own_tools_are_not_the_callers_to_answer():
    told = compared(plain(answer(OWN, OWN_RESULT, {"text": "2"})))
    assert (told["content"], told["calls"], told["finish"]) == ("2", [], "stop")


def test_reasoning_is_told_and_kept_for_the_next_turn():
    told = compared(plain(answer(THOUGHT, REDACTED, {"text": "ok"})))
    assert told["reasoning"] == "let me see"
    signed, redacted = told["details"]
    assert (signed["signature"], signed["format"]) == ("sig==", "bedrock-converse-v1")
    assert (redacted["type"], redacted["data"]) == ("reasoning.encrypted", "c2VjcmV0")


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "stop"),
        ("tool_use", "stop"),
    ],
)
def test_why_an_answer_ended(stop, finish):
    data = answer({"text": "x"}, stop=stop)
    assert plain(data)["choices"][0]["finish_reason"] == finish
    # A filter's work is told in OpenAI's word always: a fallback moves on by it.
    lenient = finish if finish == "content_filter" else stop
    assert plain(data, strict=False)["choices"][0]["finish_reason"] == lenient
    assert streamed(data)["finish"] == finish


@pytest.mark.parametrize("stop", ["malformed_model_output", "malformed_tool_use"])
@pytest.mark.parametrize(
    ("blocks", "finish"), [((USE,), "tool_calls"), (({"text": "a"},), "stop"), ((), "stop")]
)
def test_what_bedrock_calls_malformed_is_what_there_is_of_it(stop, blocks, finish):
    """Of nothing at all a fallback may make more."""
    data = answer(*blocks, stop=stop)
    reply = decoded(data)
    choice = reply.data["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (finish, stop)
    chunks, reader = events_of(b"".join(stream_of(data)))
    last = next(each for each in reversed(chunks) if each is not DONE and each["choices"])
    assert last["choices"][0]["finish_reason"] == finish
    assert last["choices"][0]["native_finish_reason"] == stop
    assert reply.blocked is reader.blocked is (not blocks)


def test_what_an_answer_leaves_out_is_not_missed():
    bare = {"toolUse": {"toolUseId": "c", "name": "look"}}
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": None}}}
    data = answer(thought, bare, stop="tool_use")
    del data["usage"]
    told = decoded(data).data
    message = told["choices"][0]["message"]
    assert message["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
    assert "signature" not in message["reasoning_details"][0]
    assert "usage" not in told


def test_what_a_filter_withheld_lets_a_fallback_move_on():
    """An answer of nothing is blocked; a guardrail's own words are an answer."""
    assert decoded(answer(stop="content_filtered")).blocked
    assert not decoded(answer({"text": "Sorry."}, stop="guardrail_intervened")).blocked
    _, reader = events_of(b"".join(stream_of(answer(stop="content_filtered"))))
    assert reader.blocked


def test_a_caches_tokens_are_in_the_prompts():
    usage = {**USAGE, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 7}
    told = plain(answer({"text": "x"}, usage=usage))["usage"]
    assert (told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]) == (117, 5, 122)
    assert told["prompt_tokens_details"] == {"cached_tokens": 100, "cache_write_tokens": 7}


def test_an_answer_is_named_after_its_request():
    told = plain({**answer({"text": "x"}), "performanceConfig": {"latency": "optimized"}})
    assert (told["id"], told["created"], told["model"]) == ("chatcmpl-r-1", 1, CLAUDE)
    assert told["performance_config"] == {"latency": "optimized"}


# --- the form of an answer


def test_the_tool_that_gives_the_answer_is_never_seen():
    body = ask(model=NOVA, response_format=FORMAT)
    data = answer({"text": "Here you are:"}, HIDDEN, stop="tool_use")
    for told in (compared(plain(data, body)), streamed(data, body)):
        assert json.loads(told["content"]) == {"n": 1}
        assert (told["calls"], told["finish"]) == ([], "stop")
    empty = answer({"toolUse": {**HIDDEN["toolUse"], "input": {}}}, stop="tool_use")
    assert (compared(plain(empty, body))["content"], streamed(empty, body)["content"]) == (
        "{}",
        "{}",
    )


def test_beside_it_the_callers_tools_and_plain_texts_come_through():
    body = ask(model=NOVA, response_format=FORMAT, tools=[function("f")])
    for data, content, finish in (
        (answer({"text": "Wait"}, USE, stop="tool_use"), "Wait", "tool_calls"),
        (answer({"text": "no"}, {"text": "pe"}), "nope", "stop"),
    ):
        for told in (compared(plain(data, body)), streamed(data, body)):
            assert (told["content"], told["finish"]) == (content, finish)


def test_a_tool_of_the_same_name_is_the_callers_where_no_form_was_asked():
    assert compared(plain(answer(HIDDEN, stop="tool_use")))["calls"][0]["name"] == "json_answer"


# --- streams and whole answers


blocks = st.lists(
    st.one_of(
        st.builds(lambda text: {"text": text}, st.text(min_size=1, max_size=30)),
        st.sampled_from([THOUGHT, UNSIGNED, REDACTED, USE, EMPTY_USE, OWN, OWN_RESULT]),
    ),
    max_size=6,
)
stops = st.sampled_from(["end_turn", "tool_use", "max_tokens", "content_filtered"])
sizes = st.lists(st.integers(1, 200), min_size=1, max_size=4)


@settings(max_examples=150)
@given(blocks, stops, sizes)
def test_streamed_and_whole_answers_agree(content, stop, cuts):
    """In every cutting, a stream comes to what the whole answer says."""
    data = answer(*content, stop=stop)
    assert streamed(data, cuts=cuts) == compared(plain(data))


def test_the_counts_come_last_and_only_when_asked_for():
    data = b"".join(stream_of(answer({"text": "x"})))
    chunks, reader = events_of(data)
    assert chunks[-2]["usage"]["prompt_tokens"] == 10
    assert chunks[-2]["choices"] == []
    assert reader.usage == chunks[-2]["usage"]
    to = target()
    silent = to.codec.reader(to, request(ask(stream=True)), 0.0)
    assert not any("usage" in each.data for each in silent.feed(data) if each.data is not DONE)


def test_a_stream_without_its_end_is_not_complete():
    whole = stream_of(answer({"text": "hello there"}, USE, stop="tool_use"))
    for end in range(len(whole) - 2):
        chunks, reader = events_of(b"".join(whole[:end]))
        assert not reader.complete
        assert DONE not in chunks
    assert events_of(b"".join(whole[:-1]))[1].complete, "only the token counts are missing"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("throttlingException", 429),
        ("modelStreamErrorException", 424),
        ("internalServerException", 500),
        ("serviceUnavailableException", 503),
        ("validationException", 400),
        ("modelTimeoutException", 408),
        ("newException", 500),
    ],
)
def test_exceptions_of_a_stream_are_error_events(name, status):
    start = event("messageStart", {"role": "assistant"})
    chunks, reader = events_of(start + exception(name, {"message": "no"}) + start)
    [told] = chunks
    assert (told["error"]["message"], told["error"]["type"], told["error"]["status"]) == (
        "no",
        name,
        status,
    )
    assert told["error"]["provider_error"] == {"message": "no"}
    assert (reader.failed, reader.ended, reader.complete) == (True, True, False)


def test_the_models_own_status_stands_in_for_bedrocks():
    body = {"message": "no", "originalStatusCode": 503, "originalMessage": "busy"}
    [told] = events_of(exception("modelStreamErrorException", body))[0]
    assert told["error"]["status"] == 503


def test_errors_before_any_content_fall_back():
    """A throttled stream's first event is an error, so the next target answers."""
    start = event("messageStart", {"role": "assistant"})
    failing = start + exception("throttlingException", {"message": "slow down"})
    good = b"".join(stream_of(answer({"text": "good"})))
    config = {"strategy": {"mode": "fallback"}, "targets": []}
    with Loopback() as server:
        script = {"one": failing, "two": good}
        server.reset(lambda got: Step(body=script[got.target], content_type=EVENT_STREAM))
        config["targets"] = [
            {"provider": "bedrock", "api_key": "bedrock-test", "custom_host": server.target(name)}
            for name in script
        ]
        with Portkey(config=config) as client:
            stream = client.chat.completions.create(**ask(), stream=True)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert (text, [got.target for got in server.received]) == ("good", ["one", "two"])


def test_a_translated_stream_says_that_it_is_one_of_server_sent_events():
    """Where bytes are read, they are OpenAI's, and so is what they are called."""
    data = b"".join(stream_of(answer({"text": "x"})))
    with Loopback() as server:
        server.reset(lambda _: Step(body=data, content_type=EVENT_STREAM))
        client = Portkey(provider="bedrock", Authorization="bedrock-test", custom_host=server.url)
        with client:
            create = client.chat.completions.with_streaming_response.create
            with create(**ask(), stream=True) as response:
                assert response.headers["content-type"] == "text/event-stream"
                lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[0].removeprefix("data: "))["choices"][0]["delta"]["content"] == "x"


def test_native_endpoints_pass_through():
    data = answer({"text": "x"})
    with Loopback() as server:
        client = Portkey(provider="bedrock", Authorization="bedrock-test", custom_host=server.url)
        with client:
            server.reset(lambda _: Step(json=data))
            sent = {"messages": [{"role": "user", "content": [{"text": "x"}]}]}
            path = "/model/amazon.nova-lite-v1%3A0/converse"
            assert client.post(path, body=sent, cast_to=object) == data
            assert server.received[-1].json == sent
            events = stream_of(data)
            server.reset(lambda _: Step(events=events, content_type=EVENT_STREAM))
            told = client.post(
                path + "-stream", body=sent, cast_to=object, stream=True,
                stream_cls=openai.Stream[object],
            )  # fmt: skip
            read = list(told)
    assert [next(iter(each)) for each in read][-2:] == ["messageStop", "metadata"]
    assert len(read) == len(events)


# --- the next turn


@settings(max_examples=100)
@given(blocks)
def test_an_answer_fed_back_is_taken(content):
    """What the codec gave is what it takes, with every signature."""
    told = plain(answer(*content, stop="tool_use"))["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": each["id"], "content": "7"}
        for each in told.get("tool_calls", ())
    ]
    tools = [function("f"), function("g")]
    made = packet(ask(user("go"), told, *results, user("and then?"), tools=tools))
    assert problems(made) == []
    text = (made.content or b"").decode()
    assert text.count('"signature":"sig=="') == content.count(THOUGHT)
    assert text.count('"redactedContent"') == content.count(REDACTED)


# --- whatever comes


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "output", "message", "content", "text", "toolUse", "toolUseId", "name", "input",
            "stopReason", "usage", "inputTokens", "outputTokens", "reasoningContent", "delta",
            "reasoningText", "contentBlockIndex", "start", "embedding", "embeddings", "serviceTier",
            "cacheReadInputTokens", "signature", "redactedContent", "citationsContent", "type",
        ]),
        inner,
        max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=300)
@given(
    json_values,
    st.sampled_from(["output", "message", "content", "usage", "stopReason"]),
    st.integers(200, 599),
)
def test_any_json_as_a_body_is_a_reply_or_a_failure(odd, place, status):
    near = answer({"text": "x"}, USE)
    if place in near:
        near[place] = odd
    elif place == "message":
        near["output"]["message"] = odd
    else:
        near["output"]["message"]["content"] = [odd, odd]
    to = target()
    for data in (odd, near):
        content = json.dumps(data).encode()
        for path in ("/chat/completions", "/embeddings"):
            told = to.codec.decode(to, request(ask(), path), Answer(status, {}, content), 0.0)
            assert isinstance(told, Reply | Failure)


@settings(max_examples=200)
@given(st.binary(max_size=80), st.integers(200, 599))
def test_any_bytes_as_a_body_are_a_failure(content, status):
    to = target()
    told = to.codec.decode(to, request(ask()), Answer(status, {}, content), 0.0)
    assert isinstance(told, Failure)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([
                "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop",
                "messageStop", "metadata", "new",
            ]),
            json_values,
        ),
        max_size=5,
    ),
    sizes,
)  # fmt: skip
def test_any_events_are_chunks_or_malformed(told, cuts):
    data = b"".join(event(name, value) for name, value in told)
    chunks, reader = events_of(data, cuts=cuts)
    assert reader.complete == (DONE in chunks)
    assert all(chunk is DONE or "choices" in chunk or "error" in chunk for chunk in chunks)


def test_an_answer_is_translated_fast():
    """An answer takes far less than the budget of 60 µs, allowed for a busy machine."""
    to, asked = target(), request(ask())
    content = json.dumps(answer(THOUGHT, {"text": "x" * 300}, USE, stop="tool_use")).encode()
    got = Answer(200, {}, content)

    def timed() -> float:
        begin = time.perf_counter()
        to.codec.decode(to, asked, got, 0.0)
        return time.perf_counter() - begin

    assert min(timed() for _ in range(300)) < 240e-6


def test_calls_of_several_turns_keep_their_ids():
    data = answer(USE, stop="tool_use")
    first, second = plain(data), plain(data)
    assert compared(first)["calls"] == compared(second)["calls"] == streamed(data)["calls"]
    again = called("tooluse_1", "f", {})
    assert first["choices"][0]["message"]["tool_calls"][0]["id"] == again["id"]


def test_an_error_without_an_exception_is_an_error_event():
    """A message of the kind "error" has its words in headers."""
    told = frame(
        b"", message_type="error", error_code="internalServerException", error_message="no"
    )
    [first] = events_of(told)[0]
    assert (first["error"]["message"], first["error"]["status"]) == ("no", 500)
    [mute] = events_of(exception("throttlingException", {}))[0]
    assert mute["error"]["message"] == "Bedrock ended the stream: throttlingException"


@pytest.mark.parametrize(
    "told",
    [
        event("messageStop", {"stopReason": 5}),
        event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"name": 1, "toolUseId": 2}}}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{"}}}),
        event("metadata", {"usage": {"inputTokens": "1", "outputTokens": 1}}),
        frame(b"[" * 100_000, message_type="event", event_type="metadata"),
    ],
    ids=["reason", "call", "unbegun", "usage", "deep"],
)  # fmt: skip
def test_events_of_another_shape_are_malformed(told):
    chunks, reader = events_of(told)
    assert (chunks, reader.complete) == ([], False)
    assert reader.malformed


def test_events_nobody_knows_are_passed_over():
    """What Bedrock adds later, and what it says around the content, ends no stream."""
    more = [
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"citation": {}}}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {}}}),
        event("somethingNew", {"x": 1}),
    ]
    assert (
        gathered(events_of(b"".join([*more, *stream_of(answer({"text": "x"}))]))[0])["content"]
        == "x"
    )


def test_a_tier_that_served_is_told():
    told = plain({**answer({"text": "x"}), "serviceTier": {"type": "flex"}})
    assert told["service_tier"] == "flex"
