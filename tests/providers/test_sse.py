"""Server-sent events: however the bytes are cut, the same events; and never a false end."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given, settings, strategies as st

from portkey_local.model import DONE
from portkey_local.providers.sse import TERMINAL_TYPES, SseReader, decode_json


def read(chunks: list[bytes], **options: Any) -> tuple[list[tuple[Any, Any]], SseReader]:
    """Feed chunks; return the events as (name, data), and the reader at the end."""
    reader = SseReader(**options)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    reader.finish()
    return [(event.name, event.data) for event in events], reader


def finished(reason: str | None = "stop", index: int = 0) -> dict[str, Any]:
    """Return a chat chunk that ends one choice."""
    return {"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}


def data(value: Any, end: str = "\n\n") -> bytes:
    """Return an event with a JSON value."""
    return f"data: {json.dumps(value, ensure_ascii=False)}{end}".encode()


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at the given places."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


# --- framing

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
endings = st.sampled_from(["\n", "\r", "\r\n"])
noise = st.sampled_from(["", ": keep-alive", ":", "id: 7", "retry: 300", "unknown: x", "event"])


@st.composite
def streams(draw: Any) -> tuple[bytes, list[tuple[Any, Any]]]:
    """Return a stream as bytes, and the events in it."""
    end = draw(endings)
    lines: list[str] = []
    events: list[tuple[Any, Any]] = []
    for value in draw(st.lists(values, min_size=1, max_size=5)):
        if extra := draw(noise):
            lines.append(extra)
        name = draw(st.none() | st.sampled_from(["response.created", "chunk"]))
        if name:
            lines.append(f"event: {name}")
        indent = draw(st.sampled_from([None, 1]))
        text = json.dumps(value, indent=indent, ensure_ascii=draw(st.booleans()))
        space = draw(st.sampled_from(["", " "]))
        lines += [f"data:{space}{line}" for line in text.split("\n")]
        lines.append("")
        events.append((name, value))
    begin = draw(st.sampled_from(["", "\ufeff", end, ":hello" + end * 2]))
    if not begin and lines[0].startswith(("unknown", "event")) and ":" in lines[0][:8]:
        begin = ":" + end
    body = begin + "".join(line + end for line in lines)
    return body.encode(), events


def begins_like_a_stream(stream: bytes) -> bool:
    """Whether a stream begins with a field that the reader takes for one; others are another test."""
    return stream.lstrip(b"\xef\xbb\xbf\r\n").startswith((b"data", b"event", b"id", b"retry", b":"))


@settings(max_examples=400)
@given(made=streams(), places=st.lists(st.integers(0, 10**6), max_size=12))
def test_any_cutting_of_the_bytes_gives_the_same_events(made, places):
    """Events do not depend on how the network cuts the stream, in CRs and in characters too."""
    stream, expected = made
    assume(begins_like_a_stream(stream))
    whole, reader = read([stream], terminal_needed=False)
    assert reader.malformed is None
    assert whole == expected
    assert read(cut(stream, places), terminal_needed=False)[0] == whole
    assert read([stream[i : i + 1] for i in range(len(stream))], terminal_needed=False)[0] == whole


def test_an_empty_chunk_between_cr_and_lf_ends_no_line():
    """A CRLF stays one line end, whatever comes between its halves."""
    chunks = [b"event: a\r", b"", b"\ndata: 1\r\n\r\n"]
    assert read(chunks, terminal_needed=False)[0] == [("a", 1)]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_the_last_event_counts_at_every_kind_of_line_end(end):
    """A stream whose last blank line has come has all of its events, CR line ends included."""
    stream = f"data: 1{end}{end}data: 2{end}{end}".encode()
    assert read([stream], terminal_needed=False)[0] == [(None, 1), (None, 2)]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_an_event_with_crs_is_not_held_back(end):
    """An event is handed over when its blank line is in, not when the next one begins."""
    reader = SseReader()
    assert [event.data for event in reader.feed(f"data: 1{end}{end}".encode())] == [1]


def test_mixed_line_ends():
    """LF, CR and CRLF may follow each other in one stream."""
    assert read([b"data: 1\r\n\ndata: 2\r\rdata: 3\n\r\ndata: 4\n\n"])[0] == [
        (None, 1),
        (None, 2),
        (None, 3),
        (None, 4),
    ]


def test_a_crlf_that_is_cut_in_two_is_one_line_end():
    """A CR at the end of a chunk and the LF at the beginning of the next are one line end."""
    assert read([b"data: 1\r", b"\n\r", b"\ndata: 2\r\n\r\n"])[0] == [(None, 1), (None, 2)]


def test_comments_are_skipped():
    """Keep-alive comments, alone or inside an event, are no events."""
    stream = b": ping\n\n:\n\ndata: 1\n: inside\n\n: ping\n\n"
    assert read([stream])[0] == [(None, 1)]


def test_data_of_several_lines_is_joined():
    """Data lines of one event are joined by a line feed."""
    assert read([b'data: {"a":\ndata:  1}\n\n'])[0] == [(None, {"a": 1})]


def test_only_one_space_after_the_colon_is_taken_off():
    """A value keeps all but its first space."""
    assert read([b'data:  "x"\n\ndata:"y"\n\n'])[0] == [(None, "x"), (None, "y")]


def test_a_byte_order_mark_is_skipped():
    """A BOM at the beginning of the stream does not belong to the first field's name."""
    assert read([b"\xef\xbb\xbfdata: 1\n\ndata: 2\n\n"])[0] == [(None, 1), (None, 2)]
    assert read([b"\xef", b"\xbb", b"\xbf", b"data: 1\n\n"])[0] == [(None, 1)]


def test_names_belong_to_their_event():
    """An event's name does not go over to the next one."""
    assert read([b"event: a\ndata: 1\n\ndata: 2\n\n"])[0] == [("a", 1), (None, 2)]


def test_an_event_without_data_is_none():
    """A name, an id or a retry time alone is no event."""
    assert read([b"event: ping\n\nid: 3\n\nretry: 10\n\ndata: 1\n\n"])[0] == [(None, 1)]


def test_unknown_fields_are_ignored():
    """A field that the specification does not know is skipped."""
    assert read([b"data: 1\nfoo: bar\n\n"])[0] == [(None, 1)]


def test_an_unfinished_last_event_is_dropped():
    """An event without its blank line has not come."""
    events, reader = read([data(1), b'data: {"choices": ['])
    assert events == [(None, 1)]
    assert not reader.complete


def test_raw_bytes_are_an_event_again():
    """What an event's `raw` holds is read as the same event: the transport passes it on."""
    reader = SseReader()
    stream = b"event: a\r\ndata: 1\r\n\r\ndata: [DONE]\r\n\r\n"
    raw = b"".join(event.raw for event in reader.feed(stream))
    assert read([raw])[0] == [("a", 1), (None, DONE)]


# --- what is malformed


@pytest.mark.parametrize(
    "payload", [b"{", b"hello", b'{"a": 1', b"{'a': 1}", b"\xff\xfe", b'{"a":1} x']
)
def test_data_that_is_not_json_is_malformed(payload):
    """An event that is no JSON ends the parsing; what came before it stands."""
    events, reader = read([data(1) + b"data: " + payload + b"\n\n" + data(2)])
    assert events == [(None, 1)]
    assert reader.malformed
    assert not reader.complete
    assert reader.feed(data(3)) == []


def test_the_reason_does_not_quote_the_data():
    """What was malformed may be an answer: the reason does not hold it."""
    _, reader = read([b"data: secret answer\n\n"])
    assert "secret" not in (reader.malformed or "")


def test_malformed_data_takes_completeness_back():
    """A stream with a broken event is not whole, although a finish_reason came before."""
    _, reader = read([data(finished()) + b"data: {\n\n"])
    assert reader.malformed
    assert not reader.complete


@pytest.mark.parametrize(
    "stream", [b"<html>\n\n", b'{"error": {}}', b"Internal error\n", b"HTTP/1.1 200\n\n"]
)
def test_bytes_that_are_no_event_stream_are_malformed(stream):
    """A page or a JSON body under the content type of a stream is told at once."""
    _, reader = read([stream])
    assert reader.malformed == "the answer is not an event stream"


@settings(max_examples=300)
@given(stream=st.binary(max_size=60), places=st.lists(st.integers(0, 60), max_size=5))
@example(stream=b"\r", places=[])
@example(stream=b"data", places=[2])
def test_no_bytes_raise(stream, places):
    """Whatever comes, the reader returns events or says that it is malformed."""
    _, reader = read(cut(stream, places))
    assert reader.malformed is None or reader.malformed


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity", "123456789012345678901234567890"])
def test_numbers_that_only_some_parsers_take(number):
    """Numbers that a lenient vendor writes are read as the standard library reads them."""
    assert repr(decode_json(number.encode())) == repr(json.loads(number))


# --- when a stream is whole


def test_done_ends_a_stream():
    """After [DONE] the stream is complete and ended, and nothing more is read."""
    events, reader = read([data(1) + b"data: [DONE]\n\n" + data(2)])
    assert events == [(None, 1), (None, DONE)]
    assert events[-1][1] is DONE
    assert reader.complete
    assert reader.ended
    assert reader.feed(data(3)) == []


@pytest.mark.parametrize(
    "last", [b"data: [DONE]", b"data:[DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n"]
)
def test_done_counts_without_its_blank_line(last):
    """Some providers leave out the last blank line: [DONE] counts all the same."""
    _, reader = read([data(1) + last])
    assert reader.complete
    assert reader.ended


def test_the_text_done_in_an_answer_is_not_the_end():
    """A provider's JSON string "[DONE]" is data, and no end."""
    events, reader = read([b'data: "[DONE]"\n\n'])
    assert events[0][1] is not DONE
    assert not reader.complete


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter"])
def test_a_finish_reason_completes_a_chat(reason):
    """A chat whose choice has its finish_reason is whole without [DONE]."""
    _, reader = read([data(finished(None)), data(finished(reason))])
    assert reader.complete
    assert not reader.ended


def test_a_stream_that_only_stops_is_not_whole():
    """Without a finish_reason or [DONE], a stream is cut, however politely it ends."""
    _, reader = read([data(finished(None))])
    assert not reader.complete


def test_every_choice_must_finish():
    """With n = 3, all three choices must have a finish_reason."""
    reader = SseReader(choices=3)
    for index in (2, 0):
        reader.feed(data(finished(index=index)))
        assert not reader.complete
    reader.feed(data(finished(index=0)))  # again: still two
    assert not reader.complete
    reader.feed(data(finished(index=1)))
    assert reader.complete


def test_choices_may_finish_in_one_chunk():
    """Several choices in one chunk count each."""
    both = {"choices": [*finished(index=0)["choices"], *finished(index=1)["choices"]]}
    _, reader = read([data(both)], choices=2)
    assert reader.complete


@pytest.mark.parametrize("kind", sorted(TERMINAL_TYPES))
def test_the_responses_types_complete_a_stream(kind):
    """The closing event types of the other endpoints complete their streams."""
    _, reader = read([data({"type": "response.created"}), data({"type": kind})])
    assert reader.complete


@pytest.mark.parametrize(
    "kind", ["response.created", "response.output_text.delta", "response.in_progress"]
)
def test_other_types_do_not(kind):
    """An event in the middle of a response is no end."""
    _, reader = read([data({"type": kind})])
    assert not reader.complete


def test_without_a_terminal_event_a_clean_end_will_do():
    """Where no terminal event exists the end of the bytes is the end."""
    _, reader = read([data(1)], terminal_needed=False)
    assert reader.complete


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [], "usage": {"prompt_tokens": 1}},
        {"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 1}},
        {"type": "response.completed", "response": {"usage": {"prompt_tokens": 1}}},
    ],
)
def test_usage_is_noted(chunk):
    """The token counts are found in a chat's last chunk and in a response's closing event."""
    _, reader = read([data(chunk)])
    assert reader.usage == {"prompt_tokens": 1}


@pytest.mark.parametrize("usage", [7, "many", [1], True])
def test_usage_of_another_shape_is_not_passed_on(usage):
    """A vendor's odd `usage` does not break the stream."""
    _, reader = read([data({"choices": [{"finish_reason": "stop"}], "usage": usage})])
    assert reader.complete


@pytest.mark.parametrize(
    "choices", ["stop", {"a": 1}, [None], [[]], [{"finish_reason": "stop", "index": [0]}], 7]
)
def test_choices_of_another_shape_do_not_raise(choices):
    """A vendor's odd `choices` is read without an exception."""
    read([data({"choices": choices})])


def test_an_event_nested_without_end_is_malformed():
    """It must not exhaust the stack of whoever reads it."""
    reader = SseReader()
    assert reader.feed(b"data: " + b"[" * 100_000 + b"\n\n") == []
    assert reader.malformed == "data that is not JSON"
