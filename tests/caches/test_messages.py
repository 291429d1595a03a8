"""Whole messages and the streams of their events become each other, and say the same."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter
from tests.providers.anthropic.replies import events_of, messages

from portkey_local.caches.messages import message_events, whole_message
from portkey_local.model import ServerEvent

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
CITED = {
    "type": "text", "text": "Paris.",
    "citations": [{"type": "char_location", "cited_text": "Paris", "document_index": 0,
                   "document_title": None, "start_char_index": 0, "end_char_index": 5}],
}  # fmt: skip
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8",
    "content": [CITED], "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 4},
}  # fmt: skip


def named(*events: dict[str, Any]) -> list[ServerEvent]:
    return [ServerEvent(event.get("type"), event, b"") for event in events]


@settings(max_examples=50)
@given(message=messages(), size=st.integers(1, 9))
def test_there_and_back(message, size):
    events = message_events(message)
    assert events is not None
    assert whole_message(events) == message
    assert whole_message(named(*events_of(message, size))) == message


@pytest.mark.parametrize("content", [[CITED], [], [{"type": "text", "text": "x"}]])
def test_the_sdk_makes_the_same_message_of_the_events(content):
    message = {**MESSAGE, "content": content}
    made: Any = None
    buffers: dict[int, bytes] = {}
    for event in message_events(message) or ():
        assert event.name == event.data["type"]
        known = EVENT.validate_python(event.data)
        made = accumulate_event(event=known, current_snapshot=made, json_bufs=buffers)
    assert made.to_dict()["content"] == content
    assert (made.stop_reason, made.usage.output_tokens) == ("end_turn", 4)
    assert whole_message(message_events(message) or []) == message


@pytest.mark.parametrize("kind", ["message_new", "content_block_delta", "message_delta"])
def test_what_nobody_knows_has_no_whole(kind):
    begun, *rest = message_events(MESSAGE) or ()
    odd = {"type": kind, "index": 7, "delta": {"type": "odd_delta"}, "usage": 3}
    assert whole_message([begun, *named(odd), *rest]) is None
    assert whole_message(named(odd)) is None


@pytest.mark.parametrize("data", [None, [], {}, {"type": "message"}, {"choices": []}])
def test_what_is_no_message_has_no_stream(data):
    assert message_events(data) is None
