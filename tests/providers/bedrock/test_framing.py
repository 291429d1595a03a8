"""AWS's event stream is read as botocore reads it, and no bytes at all do harm."""

from __future__ import annotations

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given, settings, strategies as st
from tests.providers.bedrock.helpers import chunked, event, exception, frame

from portkey_local.providers.bedrock.events import BinaryEvents, NativeEvents
from portkey_local.providers.bedrock.framing import MAX_HEADERS, MAX_PAYLOAD, Framing

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=4)
names = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=9)
frames = st.builds(
    lambda payload, headers: frame(payload, **headers),
    st.binary(max_size=60),
    st.dictionaries(names, st.text(max_size=9), max_size=3),
)


def ours(data: bytes, cuts: list[int]) -> tuple[list[tuple[dict, bytes]], str | None]:
    framing = Framing()
    read = [message for chunk in chunked(data, cuts) for message in framing.feed(chunk)]
    return [(each.headers, each.payload) for each in read], framing.malformed


def theirs(data: bytes) -> tuple[list[tuple[dict, bytes]], str | None]:
    """What botocore reads, up to the first thing it refuses."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    read: list[tuple[dict, bytes]] = []
    try:
        for message in buffer:
            texts = {n: v for n, v in message.headers.items() if isinstance(v, str)}
            read.append((texts, message.payload))
    except (ParserError, UnicodeDecodeError, struct.error, IndexError, KeyError) as error:
        return read, type(error).__name__
    return read, None


@settings(max_examples=200)
@given(st.lists(frames, max_size=4), sizes)
def test_every_cutting_gives_what_botocore_reads(written, cuts):
    data = b"".join(written)
    assert ours(data, cuts) == theirs(data)
    assert len(ours(data, cuts)[0]) == len(written)


@settings(max_examples=300)
@given(st.lists(frames, min_size=1, max_size=3), sizes, st.data())
def test_a_flipped_bit_is_found(written, cuts, data):
    """Wherever a bit flips, what came before stands, and nothing after it is believed."""
    whole = bytearray(b"".join(written))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    intact = 0
    while len(b"".join(written[: intact + 1])) <= at:
        intact += 1
    read, malformed = ours(bytes(whole), cuts)
    assert malformed is not None
    assert read == theirs(b"".join(written[:intact]))[0]
    assert theirs(bytes(whole))[1] is not None


@settings(max_examples=300)
@given(st.binary(max_size=300), sizes)
def test_any_bytes_end_in_a_word(data, cuts):
    """Bytes that are no stream are called malformed, or are a message that has not ended."""
    for reader in (BinaryEvents(), NativeEvents()):
        for chunk in chunked(data, cuts):
            reader.feed(chunk)
        reader.finish()
        assert not reader.complete
        assert (reader.malformed is not None) == (len(data) >= 12)  # a prelude, and a wrong one


@settings(max_examples=300)
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_headers_under_right_checksums(headers, payload):
    """Headers that are none are malformed exactly where botocore says so, too."""
    prelude = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    data = body + struct.pack("!I", zlib.crc32(body))
    read, malformed = ours(data, [len(data)])
    expected, refused = theirs(data)
    if refused == "DuplicateHeader":  # the last one stands
        return
    assert (malformed is None) == (refused is None)
    if malformed is None:
        assert [each[1] for each in read] == [each[1] for each in expected]


@pytest.mark.parametrize(
    ("total", "headers"),
    [(15, 0), (0, 0), (20, 10), (2**32 - 1, 0), (MAX_PAYLOAD + 17, 0), (2**20, MAX_HEADERS + 1)],
)
def test_impossible_lengths_wait_for_nothing(total, headers):
    prelude = struct.pack("!II", total, headers)
    framing = Framing()
    assert framing.feed(prelude + struct.pack("!I", zlib.crc32(prelude))) == []
    assert framing.malformed == "a message of an impossible length"
    assert framing.feed(event("messageStop", {})) == []
    assert not framing.begun


def test_every_type_of_header_is_passed_over():
    """Headers that are no texts are skipped, whatever their size."""
    values = [
        b"\x00", b"\x01", b"\x02\x07", b"\x03\x00\x07", b"\x04" + bytes(4), b"\x05" + bytes(8),
        b"\x06\x00\x03abc", b"\x08" + bytes(8), b"\x09" + bytes(16), b"\x07\x00\x02ok",
    ]  # fmt: skip
    headers = b"".join(b"\x01" + bytes([97 + at]) + value for at, value in enumerate(values))
    prelude = struct.pack("!II", len(headers) + 16, len(headers))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers
    framing = Framing()
    [message] = framing.feed(body + struct.pack("!I", zlib.crc32(body)))
    assert message.headers == {"j": "ok"}


def test_a_large_message_in_small_pieces_costs_little():
    """A megabyte in pieces of a hundred bytes is read in one go at its end."""
    framing = Framing()
    data = event("chunk", {"bytes": "x" * 2**20})
    read = [message for chunk in chunked(data, [100]) for message in framing.feed(chunk)]
    assert [message.raw for message in read] == [data]


# --- events


@pytest.mark.parametrize(
    "message",
    [
        frame(b"no json", message_type="event", event_type="metadata"),
        frame(b"{}", message_type="event"),
        frame(b"{}", event_type="metadata"),
        frame(b"{}", message_type="other", event_type="metadata"),
    ],
)
def test_messages_that_are_no_events_are_malformed(message):
    reader = BinaryEvents()
    first = event("messageStart", {"role": "assistant"})
    assert [each.name for each in reader.feed(first + message)] == ["messageStart"]
    assert reader.malformed
    assert reader.feed(first) == []


def test_native_streams_have_each_events_data_under_its_name():
    reader = NativeEvents()
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    stop = event("messageStop", {"stopReason": "end_turn"})
    [first] = reader.feed(stop)
    assert (first.data, first.raw) == ({"messageStop": {"stopReason": "end_turn"}}, stop)
    assert (reader.complete, reader.ended) == (True, False)
    reader.feed(event("metadata", {"usage": usage}))
    assert (reader.ended, reader.usage) == (True, {"prompt_tokens": 1, "completion_tokens": 2})


def test_native_streams_of_an_invocation_end_with_its_metrics():
    reader = NativeEvents()
    reader.feed(event("chunk", {"bytes": "e30="}))
    assert not reader.complete
    reader.feed(
        event("chunk", {"bytes": "eyJhbWF6b24tYmVkcm9jay1pbnZvY2F0aW9uTWV0cmljcyI6IHt9fQ=="})
    )
    assert reader.complete


def test_native_streams_tell_exceptions_in_openais_shape():
    reader = NativeEvents()
    [failed] = reader.feed(exception("throttlingException", {"message": "slow down"}))
    assert failed.data["error"]["message"] == "slow down"
    assert (reader.failed, reader.ended, reader.complete) == (True, True, False)
