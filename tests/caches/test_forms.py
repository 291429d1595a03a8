"""Entries, and a whole answer and a stream that become each other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from portkey_local.caches.entries import Entry, cut_short, decoded, encoded, fit
from portkey_local.caches.forms import chunks_of, fitted, whole_of
from portkey_local.model import DONE, Answer, ServerEvent

OK = Answer(200, {"content-type": "application/json", "x-request-id": "r", "set-cookie": "no"})
CHAT = "/chat/completions"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def whole(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    choices = [
        {"index": at, "finish_reason": "stop", "logprobs": None, "message": message}
        for at, message in enumerate(messages)
    ]
    frame = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return {**frame, "choices": choices, "usage": USAGE, **fields}


def message(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "refusal": None, **fields}


def chunk(delta: Any, reason: str | None = None, **fields: Any) -> ServerEvent:
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    return ServerEvent(None, {**frame, "choices": choices, **fields}, b"")


LAST = ServerEvent(None, DONE, b"")
TOOL = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
WHOLES = {
    "text": whole(message(content="Grüße")),
    "two choices": whole(message(content="a"), message(content="b")),
    "tool calls": whole(message(tool_calls=[TOOL, {**TOOL, "id": "u"}])),
    "reasoning": whole(message(content="a", reasoning_content="because")),
}


@pytest.mark.parametrize("name", WHOLES)
def test_a_whole_answer_survives_being_streamed(name):
    data = WHOLES[name]
    events = chunks_of(data, chat=True, usage=True)
    for event in events[:-1]:
        ChatCompletionChunk.model_validate(event.data)
    assert events[-1].data is DONE
    again = whole_of(events)
    ChatCompletion.model_validate(again)
    assert again == data


texts = st.text(min_size=1, max_size=10)


@given(st.lists(st.tuples(texts, st.none() | texts), min_size=1, max_size=3), st.booleans())
def test_any_whole_answer_survives_being_streamed(said, usage):
    messages = [
        message(content=content, **({"tool_calls": [TOOL]} if call else {}))
        for content, call in said
    ]
    data = whole(*messages)
    again = whole_of(chunks_of(data, chat=True, usage=usage))
    assert again == (data if usage else {k: v for k, v in data.items() if k != "usage"})


def test_usage_is_streamed_only_where_it_is_asked_for_and_known():
    data = WHOLES["text"]
    asked = chunks_of(data, chat=True, usage=True)
    assert (asked[-2].data["choices"], asked[-2].data["usage"]) == ([], USAGE)
    assert all(event.data["usage"] is None for event in asked[:-2])
    assert not any("usage" in e.data for e in chunks_of(data, chat=True, usage=False)[:-1])
    assert chunks_of({**data, "usage": None}, chat=True, usage=True) is None


def test_a_completion_of_a_prompt_survives_being_streamed():
    choice = {"index": 0, "text": "and so on", "finish_reason": "length", "logprobs": None}
    frame = {"id": "c", "object": "text_completion", "created": 1, "model": "m"}
    data = {**frame, "choices": [choice], "usage": USAGE}
    events = chunks_of(data, chat=False, usage=True)
    Completion.model_validate(events[0].data)
    assert whole_of(events) == data


def test_a_stream_is_put_together_as_it_was_cut():
    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}
    events = [
        chunk({"role": "assistant", "content": "Gr", "refusal": None}),
        chunk({"role": "assistant", "content": "üße"}),
        chunk({"tool_calls": [call]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
        chunk({}, "tool_calls"),
        LAST,
    ]
    data = whole_of(events)
    ChatCompletion.model_validate(data)
    (choice,) = data["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == message(content="Grüße", tool_calls=[TOOL])
    assert "usage" not in data


def test_logprobs_go_on():
    event = chunk({"content": "a"})
    event.data["choices"][0]["logprobs"] = {"content": [{"token": "a"}], "refusal": None}
    other = chunk({"content": "b"}, "stop")
    other.data["choices"][0]["logprobs"] = {"content": [{"token": "b"}], "refusal": None}
    (choice,) = whole_of([event, other])["choices"]
    assert [part["token"] for part in choice["logprobs"]["content"]] == ["a", "b"]


@pytest.mark.parametrize("data", [[], "x", {"type": "message_start"}, {"object": "thread.run"}])
def test_any_other_stream_is_no_whole_answer(data):
    assert whole_of([ServerEvent(None, data, b"")]) is None
    assert chunks_of(data, chat=True, usage=False) is None


def entry(*events: ServerEvent) -> Entry:
    return Entry(0.0, 0, 200, {}, events=list(events))


def test_a_stream_is_replayed_with_its_usage_only_where_that_is_asked_for():
    usage = ServerEvent(
        None, {"object": "chat.completion.chunk", "choices": [], "usage": USAGE}, b""
    )
    kept = entry(chunk({"content": "a"}, "stop", usage=None), usage, LAST)
    path = "/chat/completions"
    assert fitted(kept, path, stream=True, usage=True).events == kept.events
    without = fitted(kept, path, stream=True, usage=False)
    assert len(without.events) == 2
    assert "usage" not in without.events[0].data
    asked = replace(without, usage=True)
    assert fitted(asked, path, stream=True, usage=True).events == without.events
    silent = entry(chunk({"content": "a"}, "stop"), LAST)
    assert fitted(silent, path, stream=True, usage=True) is None
    assert fitted(silent, path, stream=True, usage=False).events == silent.events
    assert fitted(silent, path, stream=False, usage=False).data["choices"]


# --- entries


@pytest.mark.parametrize(
    "data", [{"a": float("inf")}, {"a": 2**70}, {"a": "\u2028 ü"}, {"a": [1.5, None, True]}]
)
def test_an_entry_comes_back_as_it_was(data):
    value = encoded(12.5, 3, OK, data)
    found = decoded(value)
    kept = {"content-type": "application/json", "x-request-id": "r"}
    assert found == Entry(12.5, 3, 200, kept, data)
    again = decoded(value)
    assert again.data is not found.data


def test_a_stream_comes_back_as_it_was():
    events = [ServerEvent("delta", {"a": 1}, b"raw"), ServerEvent(None, "text", b""), LAST]
    found = decoded(encoded(0.0, 0, OK, None, events))
    assert [(e.name, e.data) for e in found.events] == [(e.name, e.data) for e in events]
    assert found.events[-1].data is DONE


def test_what_json_cannot_hold_is_refused():
    with pytest.raises((TypeError, ValueError)):
        encoded(0.0, 0, OK, {"a": object()})
    with pytest.raises(UnicodeEncodeError):
        encoded(0.0, 0, OK, {"a": "\ud800"})


@given(st.binary(max_size=40) | st.sampled_from([b"[]", b"null", b"{}", b'[1,2,3,"x",5,6,7]']))
def test_what_is_no_entry_is_read_as_none(value):
    found = decoded(value)
    assert found is None or isinstance(found, Entry)


@pytest.mark.parametrize("name", WHOLES)
def test_good_answers_are_fit_to_be_kept(name):
    assert fit(OK, [WHOLES[name]], CHAT)
    streamed = [event.data for event in chunks_of(WHOLES[name], chat=True, usage=False)]
    assert fit(OK, streamed, CHAT)


UNFIT = {
    "an error in a 200": {"error": {"message": "x"}},
    "a refusal": whole(message(refusal="I cannot")),
    "a filter": {"choices": [{"finish_reason": "content_filter", "message": {"content": "a"}}]},
    "a filter in Google's words": {"choices": [{"finish_reason": "SAFETY", "message": {}}]},
    "a filter of images": {"choices": [{"finish_reason": "IMAGE_SAFETY", "message": {}}]},
    "a filter in Bedrock's words": {"choices": [{"finish_reason": "guardrail_intervened"}]},
    "a refusal of Anthropic's": {"type": "message", "stop_reason": "refusal", "content": []},
    "a refusal at a stream's end": {"type": "message_delta", "delta": {"stop_reason": "refusal"}},
    "a refusal in a chunk": {"choices": [{"delta": {"refusal": "I"}}]},
    "responses, incomplete": {"object": "response", "status": "incomplete", "output": []},
    "responses, in a stream": {"type": "response.incomplete", "response": {"object": "response"}},
    "responses, refused": {
        "object": "response",
        "status": "completed",
        "output": [{"content": [{"type": "refusal", "refusal": "I cannot"}]}],
    },
    "no object": ["a"],
    "nothing": None,
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_not_good_and_whole_is_not(name):
    assert not fit(OK, [UNFIT[name]], CHAT)
    assert not fit(OK, [WHOLES["text"], UNFIT[name]], CHAT)


@pytest.mark.parametrize(
    "half",
    [
        whole(message(content="and")) | {"choices": [{"finish_reason": "length"}]},
        {"choices": [{"finish_reason": "MAX_TOKENS", "delta": {}}]},
        {"type": "message", "stop_reason": "max_tokens", "content": []},
        {"type": "message_delta", "delta": {"stop_reason": "model_context_window_exceeded"}},
    ],
)
def test_what_a_limit_ended_is_cut_short(half):
    assert cut_short([WHOLES["text"], half])
    assert not cut_short([WHOLES["text"], DONE, None])


NOTHING: Any = [{}, {"message": "Too many requests"}, {"object": "list", "data": []}]


@pytest.mark.parametrize("data", NOTHING)
@pytest.mark.parametrize("path", [CHAT, "/embeddings", "/messages", "/moderations", "/responses"])
def test_what_holds_no_answer_is_not_fit(path, data):
    assert not fit(OK, [data], path)


@pytest.mark.parametrize(
    ("path", "holds"),
    [("/embeddings", "data"), ("/messages", "content"), ("/moderations", "results")],
)
def test_an_answer_of_each_kind_is_fit(path, holds):
    assert fit(OK, [{holds: [{"index": 0}]}], path)


def test_a_stream_of_events_ends_with_an_event_of_its_own():
    assert fit(
        OK, [{"type": "message_start", "message": {}}, {"type": "message_stop"}], "/messages"
    )


@pytest.mark.parametrize("status", [202, 204, 206, 226, 246, 400, 446, 500])
def test_only_complete_answers_are_fit(status):
    assert not fit(Answer(status, {}), [WHOLES["text"]], CHAT)
    assert not fit(OK, [], CHAT)


def test_a_completed_response_is_fit():
    done = {"object": "response", "status": "completed", "output": [{"content": [{"type": "x"}]}]}
    begun = {"type": "response.created", "response": {**done, "status": "in_progress"}}
    assert fit(OK, [done], "/responses")
    assert fit(OK, [begun, {"type": "response.completed", "response": done}], "/responses")
    assert json.dumps(done)
