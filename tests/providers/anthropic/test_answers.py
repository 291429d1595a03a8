"""What Anthropic answers, in OpenAI's words; whole and streamed answers agree, and any bytes will do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from tests.providers.anthropic.decoding import (
    TARGET,
    WALL,
    accumulated,
    chat,
    chunks,
    decoded,
    plain,
    told,
)
from tests.providers.anthropic.replies import messages, streamed

from portkey_local.model import DONE, Failure, Fault, Reply, Target
from portkey_local.providers.anthropic import CODEC

JSON = {"response_format": {"type": "json_object"}}
LOOSE = Target("config", "anthropic", "http://127.0.0.1/v1", CODEC, strict=False)
USAGE = {"input_tokens": 5, "output_tokens": 3}


def message(*content: dict[str, Any], stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": list(content), "stop_reason": stop, "usage": USAGE, **more,
    }  # fmt: skip


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def use(name: str = "f", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": given}


# --- whole answers and streams agree


@settings(max_examples=150)
@given(messages(), st.integers(1, 30), st.integers(1, 300))
def test_streams_say_what_whole_answers_say(reply, size, chunk):
    assert told(accumulated(streamed(reply, size), chunk)) == told(plain(reply))


@settings(max_examples=80)
@given(messages(), st.dictionaries(st.text(max_size=5), st.integers(), max_size=3), st.booleans())
def test_a_hidden_answer_is_the_same_in_both(reply, answer, answered):
    """Text, calls and thinking may stand around the tool that nobody sees."""
    if answered:
        reply["content"] += [use("answer_in_json", **answer), use("answer_in_json", again=1)]
        reply["stop_reason"] = "tool_use"
    one, other = told(plain(reply, **JSON)), told(accumulated(streamed(reply, 3), 50, **JSON))
    if answered:
        contents = [each["message"].pop("content") for each in (one, other)]
        assert [json.loads(each) for each in contents] == [answer, answer]
    assert one == other


# --- what is said


def test_a_hidden_answer_looks_like_json_content():
    choice = plain(message(use("answer_in_json", city="Ósló"), stop="tool_use"), **JSON)["choices"][
        0
    ]
    assert choice["finish_reason"] == "stop"
    assert choice["message"] == {
        "role": "assistant", "content": '{"city":"Ósló"}', "refusal": None
    }  # fmt: skip


def test_a_hidden_answer_is_streamed_as_it_comes():
    said = chunks(streamed(message(use("answer_in_json", a=1), stop="tool_use"), 3), **JSON)
    deltas = [each["choices"][0]["delta"] for each in said[:-2]]
    assert [each.get("content") for each in deltas] == ['{"a', '": ', "1}", None]
    assert not any("tool_calls" in each for each in deltas)
    assert said[-3]["choices"][0]["finish_reason"] == "stop"


def test_the_caller_s_own_tools_are_seen_beside_a_hidden_one():
    choice = plain(message(use("f", a=1), stop="tool_use"), **JSON)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "f"


def test_text_is_the_answer_where_the_hidden_tool_was_not_called():
    assert plain(message(text("no")), **JSON)["choices"][0]["message"]["content"] == "no"
    assert (
        accumulated(streamed(message(text("no"))), **JSON)["choices"][0]["message"]["content"]
        == "no"
    )


def test_usage_has_openai_s_meaning():
    counts = {
        "input_tokens": 10, "cache_read_input_tokens": 200, "cache_creation_input_tokens": 3000,
        "output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30},
    }  # fmt: skip
    wanted = {
        "prompt_tokens": 3210, "completion_tokens": 40, "total_tokens": 3250,
        "prompt_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 3000},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }  # fmt: skip
    told_usage = plain(message(text("a"), usage=counts))["usage"]
    assert told_usage == wanted
    assert chunks(streamed(message(text("a"), usage=counts)))[-2]["usage"] == wanted


def test_usage_comes_last_and_only_when_asked_for():
    stream = streamed(message(text("a")))
    *_, finish, usage, done = chunks(stream)
    assert (finish["choices"][0]["finish_reason"], usage["choices"], done) == ("stop", [], DONE)
    unasked = chunks(stream, stream_options={})
    assert unasked[-1] is DONE
    assert all(each["choices"] for each in unasked[:-1])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("pause_turn", "stop"),
     ("max_tokens", "length"), ("model_context_window_exceeded", "length"),
     ("refusal", "content_filter"), ("something_new", "stop")],
)  # fmt: skip
def test_finish_reasons(theirs, ours):
    reply = message(text("a"), stop=theirs)
    assert plain(reply)["choices"][0]["finish_reason"] == ours
    assert accumulated(streamed(reply))["choices"][0]["finish_reason"] == ours
    loose = decoded(json.dumps(reply).encode(), target=LOOSE).data
    assert loose["choices"][0]["finish_reason"] == theirs


def test_a_refusal_without_a_word_is_blocked():
    details = {"type": "refusal", "category": "cyber", "explanation": "I cannot."}
    reply = message(stop="refusal", stop_details=details)
    outcome = decoded(json.dumps(reply).encode())
    assert outcome.blocked
    assert outcome.data["choices"][0]["message"]["refusal"] == "I cannot."
    reader = CODEC.reader(TARGET, chat(stream=True), WALL)
    reader.feed(streamed(reply))
    assert reader.blocked
    assert accumulated(streamed(reply))["choices"][0]["message"]["refusal"] == "I cannot."


def test_a_refusal_without_a_word_is_blocked_whatever_the_strictness():
    reply = message(stop="refusal")
    assert decoded(json.dumps(reply).encode(), target=LOOSE).blocked
    reader = CODEC.reader(LOOSE, chat(stream=True), WALL)
    reader.feed(streamed(reply))
    assert reader.blocked


def test_counts_that_are_null_are_not_told():
    counts = {**USAGE, "cache_read_input_tokens": None, "cache_creation_input_tokens": None}
    reply = message(text("a"), usage=counts)
    assert "prompt_tokens_details" not in plain(reply)["usage"]
    assert told(plain(reply)) == told(accumulated(streamed(reply)))


def test_thinking_and_its_signatures():
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    hidden = {"type": "redacted_thinking", "data": "ZGF0YQ"}
    told_message = plain(message(thought, hidden, text("4")))["choices"][0]["message"]
    assert told_message["reasoning_content"] == "Hm."
    assert told_message["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1", "text": "Hm.",
         "signature": "c2ln"},
        {"type": "reasoning.encrypted", "index": 1, "format": "anthropic-claude-v1",
         "data": "ZGF0YQ"},
    ]  # fmt: skip


def test_nothing_is_said_before_there_is_something_to_say():
    reader = CODEC.reader(TARGET, chat(stream=True), WALL)
    events = streamed(message(text("hello"), stop="end_turn")).split(b"\n\n")
    before = b"\n\n".join(events[:3]) + b"\n\n"  # the message, a ping, and the block's beginning
    assert reader.feed(before) == []
    first = reader.feed(events[3] + b"\n\n")
    assert first[0].data["choices"][0]["delta"] == {"role": "assistant", "content": "hello"}


def test_a_stream_without_message_stop_is_not_complete():
    reader = CODEC.reader(TARGET, chat(stream=True), WALL)
    reader.feed(streamed(message(text("hello"))).rpartition(b"event:")[0])
    reader.finish()
    assert not reader.complete


@pytest.mark.parametrize(
    ("kind", "status"),
    [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 500),
     ("invalid_request_error", 400), ("some_new_error", 500)],
)  # fmt: skip
def test_error_events(kind, status):
    event = {"type": "error", "error": {"type": kind, "message": "not now"}}
    reader = CODEC.reader(TARGET, chat(stream=True), WALL)
    [told_event] = reader.feed(b"event: error\ndata: " + json.dumps(event).encode() + b"\n\n")
    error = told_event.data["error"]
    assert (error["message"], error["type"], error["status"]) == ("not now", kind, status)
    assert error["provider_error"] == event
    assert (reader.failed, reader.ended) == (True, True)


# --- any bytes


def judged(outcome: Any) -> None:
    if isinstance(outcome, Failure):
        assert (outcome.fault, outcome.status) == (Fault.MALFORMED, 500)
    else:
        assert isinstance(outcome, Reply)
        assert isinstance(outcome.data["choices"], list)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "text", "content", "input", "usage", "name", "id", "error"]),
        inner, max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip
KINDS = ["text", "tool_use", "thinking", "redacted_thinking", "server_tool_use", "new"]
near_blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional=dict.fromkeys(("text", "input", "name", "id", "thinking", "data"), anything),
)
near = st.fixed_dictionaries(
    {"content": st.lists(near_blocks, max_size=3) | anything},
    optional=dict.fromkeys(("id", "model", "stop_reason", "usage", "stop_details"), anything),
)


@settings(max_examples=150)
@given(st.binary(max_size=80) | (near | anything).map(lambda told: json.dumps(told).encode()))
def test_any_body_is_a_reply_or_a_typed_failure(content):
    judged(decoded(content))


@settings(max_examples=80)
@given(st.binary(max_size=80) | anything.map(lambda told: json.dumps(told).encode()),
       st.sampled_from([301, 400, 429, 500, 529]))  # fmt: skip
def test_any_error_body_is_a_failure_with_its_status(content, status):
    outcome = decoded(content, status)
    assert (outcome.fault, outcome.status) == (Fault.STATUS, status)
    assert isinstance(json.loads(outcome.answer.content)["error"]["message"], str)


deltas = st.fixed_dictionaries(
    {"type": st.sampled_from(["text_delta", "input_json_delta", "thinking_delta",
                              "signature_delta", "citations_delta", "new"])},
    optional=dict.fromkeys(("text", "partial_json", "thinking", "signature"), anything),
)  # fmt: skip
near_events = st.one_of(
    anything,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["message_start", "message_delta", "message_stop", "ping",
                                  "content_block_start", "content_block_delta",
                                  "content_block_stop", "error"])},
        optional={"index": st.integers(0, 2) | anything, "delta": deltas | anything,
                  "content_block": near_blocks, "message": near, "usage": anything,
                  "error": anything},
    ),
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(near_events.map(lambda told: b"data: " + json.dumps(told).encode() + b"\n\n")
                | st.binary(max_size=30), max_size=8),
       st.integers(1, 40), st.sampled_from([{}, JSON]))  # fmt: skip
def test_any_stream_is_chunks_or_says_what_is_wrong(parts, size, asked):
    reader = CODEC.reader(TARGET, chat(stream=True, **asked), WALL)
    content, events = b"".join(parts), []
    for start in range(0, len(content), size):
        events += reader.feed(content[start : start + size])
    events += reader.finish()
    for event in events:
        assert (
            event.data is DONE or "error" in event.data or isinstance(event.data["choices"], list)
        )
    assert isinstance(reader.complete, bool)
    assert reader.usage is None or isinstance(reader.usage["prompt_tokens"], int)
