"""OpenAI's wire format: what goes out, how an answer is judged, and what is never told."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from portkey_local.drivers.streams import StreamBroken
from portkey_local.drivers.sync import SyncDriver
from portkey_local.model import (
    Answer,
    Call,
    Failure,
    Fault,
    Packet,
    Reply,
    Request,
    ServerEvent,
    Target,
    merge,
)
from portkey_local.providers.openai import OpenAICodec, encode_json, redact
from portkey_local.strategies.single import Single

CODEC = OpenAICodec()
KEY = "sk-very-secret"
CHAT = "/chat/completions"
NOW = 1_750_000_000.0


def target(**options: Any) -> Target:
    fields = {
        "headers": {"authorization": f"Bearer {KEY}"},
        "secrets": (KEY,),
        "url": "https://host.example/v1",
    }
    return Target("config", "openai", codec=CODEC, **{**fields, **options})


def request(body: Any = None, path: str = CHAT, **options: Any) -> Request:
    body = {"model": "m", "messages": []} if body is None else body
    return Request("POST", path, body, **options)


def answer(status: int = 200, content: bytes = b"{}", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": "application/json", **named}, content)


def sent(target: Target, request: Request) -> Packet:
    packet = CODEC.encode(target, request)
    assert isinstance(packet, Packet)
    return packet


def judged(answer: Answer, request_: Request | None = None, target_: Target | None = None) -> Any:
    return CODEC.decode(target_ or target(), request_ or request(), answer, NOW)


# --- encode


def test_the_body_goes_out_as_it_is():
    """Without overrides the provider receives the caller's body, compact and in UTF-8."""
    packet = sent(
        target(), request({"model": "m", "messages": [{"content": "Größe 😀"}], "foo": 1.0})
    )
    assert packet.content == '{"model":"m","messages":[{"content":"Größe 😀"}],"foo":1.0}'.encode()
    assert (packet.method, packet.url) == ("POST", "https://host.example/v1/chat/completions")


def test_overrides_win():
    """A target's parameters beat the caller's, shallowly; the caller's body is not changed."""
    body = {"model": "m", "messages": [], "metadata": {"a": 1}, "seed": 1}
    override = {"model": "n", "metadata": {"b": 2}}
    packet = sent(target(override=override), request(body))
    expected = {"model": "n", "messages": [], "metadata": {"b": 2}, "seed": 1}
    assert json.loads(packet.content) == expected
    assert body["model"] == "m"


def test_null_in_an_override_removes_a_parameter():
    """None takes a parameter out; the caller's own null is sent."""
    override = {"temperature": None, "absent": None}
    body = {"model": "m", "messages": [], "temperature": 1, "stop": None}
    packet = sent(target(override=override), request(body))
    assert json.loads(packet.content) == {"model": "m", "messages": [], "stop": None}


@given(
    body=st.dictionaries(st.text(max_size=3), st.integers() | st.none(), max_size=5),
    override=st.dictionaries(st.text(max_size=3), st.integers() | st.none(), max_size=5),
)
def test_merge_is_shallow_and_exact(body, override):
    """Every name is the override's where it has one, else the body's; None there removes it."""
    merged = merge(body, override)
    for name in body.keys() | override.keys():
        if name in override:
            assert merged.get(name, None) == override[name]
            assert (name in merged) == (override[name] is not None)
        else:
            assert merged[name] == body[name]


def test_the_target_signs_in():
    """The target's headers beat the caller's: nobody else's key reaches a provider."""
    packet = sent(target(), request(headers={"authorization": "Bearer caller", "x-mine": "1"}))
    assert packet.headers == {"authorization": f"Bearer {KEY}", "x-mine": "1"}


def test_queries_are_appended():
    """A query follows the path; a host that has one already gets an ampersand."""
    assert sent(target(), request(query="a=1")).url.endswith("/completions?a=1")


def test_other_bodies_pass():
    """A raw body goes out untouched, and an absent one stays absent."""
    raw = Request(
        "POST", "/files", None, content=b"\x00\x01", headers={"content-type": "text/plain"}
    )
    assert sent(target(override={"model": "n"}), raw).content == b"\x00\x01"
    assert sent(target(), Request("GET", "/models")).content is None


def test_a_forms_model_is_overridden():
    """An upload's form takes the target's model."""
    content = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    form = Request("POST", "/audio/transcriptions", None, content=content, headers=headers)
    assert b"whisper" in sent(target(override={"model": "whisper"}), form).content


@pytest.mark.parametrize("path", [CHAT, "/completions", "/embeddings"])
def test_no_model_is_a_failure_of_routing(path):
    """A model is never made up: without one the target cannot take the request."""
    outcome = CODEC.encode(target(), request({"messages": []}, path))
    assert isinstance(outcome, Failure)
    assert (outcome.fault, outcome.status) == (Fault.ROUTING, 400)
    assert "model" in outcome.message


def test_the_targets_model_will_do():
    """A model from the target's overrides is enough; one that they remove is missing."""
    assert (
        json.loads(sent(target(override={"model": "n"}), request({"messages": []})).content)[
            "model"
        ]
        == "n"
    )
    assert isinstance(CODEC.encode(target(override={"model": None}), request()), Failure)


def test_other_endpoints_need_no_model():
    """Moderations, images and responses are sent without a model."""
    for path in ("/moderations", "/images/generations", "/responses"):
        assert json.loads(sent(target(), request({"input": "x"}, path)).content) == {"input": "x"}


def test_nan_is_refused():
    """What is no JSON is not sent."""
    with pytest.raises(ValueError, match="JSON"):
        encode_json({"temperature": float("nan")})


# --- decode


def test_json_is_decoded():
    """A 2xx with JSON is a reply, its body untouched."""
    outcome = judged(answer(content=b'{"a": [1, 2.5, null]}'))
    assert isinstance(outcome, Reply)
    assert outcome.data == {"a": [1, 2.5, None]}
    assert outcome.answer.content == b'{"a": [1, 2.5, null]}'
    assert outcome.retries == 0


@pytest.mark.parametrize("status", [200, 201, 206, 226, 246])
def test_every_2xx_is_a_reply(status):
    """Statuses from 200 to 299 are replies, and are kept."""
    assert judged(answer(status)).status == status


@pytest.mark.parametrize("status", [199, 302, 304, 400, 401, 404, 408, 429, 446, 500, 529, 599])
def test_every_other_status_is_a_failure(status):
    """Any other status is a failure with the provider's own answer."""
    outcome = judged(answer(status, b'{"error": {"message": "boom"}}'))
    assert isinstance(outcome, Failure)
    assert (outcome.fault, outcome.status) == (Fault.STATUS, status)
    assert outcome.answer.content == b'{"error": {"message": "boom"}}'


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"a":', b"\xff", b"null"])
def test_a_2xx_without_json_is_malformed(content):
    """An empty body, a page, half a body or null where JSON must come is a failed attempt."""
    outcome = judged(answer(content=content))
    assert isinstance(outcome, Failure)
    assert (outcome.fault, outcome.status) == (Fault.MALFORMED, 500)
    assert outcome.answer is not None
    assert "html" not in outcome.message


def test_204_is_malformed_where_json_must_come():
    """No content is no answer."""
    assert judged(answer(204, b"")).fault is Fault.MALFORMED


def test_binary_answers_are_not_decoded():
    """Where no JSON is expected the bytes are the answer, none of them too."""
    plain = request({"input": "x"}, "/audio/speech", json_expected=False)
    for content in (b"RIFF", b""):
        outcome = judged(answer(content=content), plain)
        assert isinstance(outcome, Reply)
        assert outcome.data is None


def test_transcriptions_may_be_text():
    """An audio answer in plain text is a reply; an empty one is not, and JSON is decoded."""
    audio = request({"model": "w"}, "/audio/transcriptions")
    text = Answer(200, {"content-type": "text/plain"}, b"hello")
    assert isinstance(judged(text, audio), Reply)
    assert isinstance(judged(Answer(200, {"content-type": "text/plain"}, b""), audio), Failure)
    assert judged(answer(content=b'{"text": "x"}'), audio).data == {"text": "x"}
    assert isinstance(judged(Answer(200, {"content-type": "text/plain"}, b"hello")), Failure)


def test_retry_after_is_read_from_errors():
    """A failure knows how long the provider asks to wait."""
    assert judged(answer(429, b"{}", retry_after="7")).retry_after == 7.0
    assert judged(answer(503, b"{}", retry_after_ms="1500")).retry_after == 1.5
    assert judged(answer(429, b"{}")).retry_after is None


def test_json_where_a_stream_was_asked_for_is_malformed():
    """A stream request that is answered by JSON is a failed attempt."""
    outcome = judged(answer(content=b'{"choices": []}'), request(stream=True))
    assert outcome.fault is Fault.MALFORMED


# --- streams


@pytest.mark.parametrize(
    ("asked", "content_type", "streams"),
    [
        (True, "text/event-stream", True),
        (True, "text/event-stream; charset=utf-8", True),
        (True, "text/plain", True),  # some hosts forget the type; the reader judges the bytes
        (True, "", True),
        (True, "application/json", False),
        (False, "text/event-stream", False),  # a JSON body says itself whether it asks for a stream
        (False, "application/json", False),
        (False, "text/plain", False),
    ],
)
def test_what_is_read_event_by_event(asked, content_type, streams):
    """A stream request is read as one, unless JSON came."""
    head = Answer(200, {"content-type": content_type} if content_type else {})
    assert CODEC.streams(request(stream=asked), head) is streams


def test_the_answer_to_a_form_may_be_a_stream():
    """Whether a form asks for a stream is seen from the answer's content type."""
    form = Request("POST", "/audio/transcriptions", None, content=b"--b--")
    assert CODEC.streams(form, Answer(200, {"content-type": "text/event-stream"}))
    assert not CODEC.streams(form, Answer(200, {"content-type": "application/json"}))


@pytest.mark.parametrize(("n", "choices"), [(None, 1), (1, 1), (3, 3), (0, 1), (-2, 1), ("3", 1)])
def test_a_reader_knows_how_many_choices_were_asked_for(n, choices):
    """`n` says how many finish reasons make a chat whole; nonsense counts as one."""
    reader = CODEC.reader(target(), request({"model": "m", "n": n}, stream=True), 0.0)
    for index in range(choices):
        assert not reader.complete
        chunk = json.dumps({"choices": [{"index": index, "finish_reason": "stop"}]})
        reader.feed(f"data: {chunk}\n\n".encode())
    assert reader.complete


def test_a_stream_with_an_overridden_n_needs_every_choice():
    """The choices that must finish are those the provider was asked for, overrides included."""

    class Wire:
        """Answers with a stream that is cut after its first choice."""

        head = Answer(200, {"content-type": "text/event-stream"})

        def __init__(self) -> None:
            self.chunks = [b'data: {"choices": [{"index": 0, "finish_reason": "stop"}]}\n\n', None]

        def open(self, packet: Any, deadline: float) -> Any:
            assert json.loads(packet.content)["n"] == 2
            return self

        def chunk(self, deadline: float) -> bytes | None:
            return self.chunks.pop(0) if self.chunks else None

        def close(self) -> None:
            """Do nothing."""

    call = Call(request(stream=True), float("inf"), time.monotonic, random.Random(0))
    outcome = SyncDriver(Wire()).run(Single(target(override={"n": 2})).route(call))
    with pytest.raises(StreamBroken):
        list(outcome.stream)


@pytest.mark.parametrize("path", [CHAT, "/completions", "/responses", "/threads/t/runs"])
def test_where_a_terminal_event_is_needed(path):
    """Chats, completions, responses and threads end with an event; others may just end."""
    assert CODEC.reader(target(), request(path=path, stream=True), 0.0).complete is False
    assert CODEC.reader(target(), request(path="/batches", stream=True), 0.0).complete is True


def first(data: Any, name: str | None = None) -> Any:
    return CODEC.judge_first(target(), answer(), ServerEvent(name, data, b""))


@pytest.mark.parametrize(
    "data",
    [
        {"choices": []},
        {"type": "response.created"},
        {"error": None},
        {"error": {}},
        [],
        "text",
        1,
        None,
    ],
)
def test_an_ordinary_first_event_is_no_failure(data):
    """Whatever is not an error begins the stream."""
    assert first(data) is None


def test_an_error_as_the_first_event_is_a_failed_attempt():
    """An error event before anything else counts as 500, or as the status it names."""
    failure = first({"error": {"message": "overloaded"}})
    assert (failure.fault, failure.status, failure.message) == (
        Fault.ERROR_EVENT,
        500,
        "overloaded",
    )
    assert failure.error == {"message": "overloaded"}
    assert first({"error": {"code": 429}}).status == 429
    assert first({"error": {"status_code": 529, "code": "x"}}).status == 529
    assert first({"error": {"code": 200}}).status == 500
    assert first({"error": {"code": True}}).status == 500
    assert first({"error": "plain"}).message


def test_the_responses_kind_of_error_event():
    """`{"type": "error", "message": ...}` is an error event too."""
    failure = first({"type": "error", "message": "no", "code": "rate_limit"}, "error")
    assert failure.message == "no"
    assert failure.error["code"] == "rate_limit"


def test_a_stream_of_nothing_but_done_is_malformed():
    """[DONE] as the first event is an answer without content."""
    assert first("[DONE]").fault is Fault.MALFORMED


# --- secrets


def test_a_key_that_a_provider_echoes_is_taken_out_of_its_answer():
    """An error body that quotes the key is redacted, byte for byte; the rest stays."""
    content = f'{{"error": {{"message": "Incorrect API key provided: {KEY}."}}}}'.encode()
    outcome = judged(answer(401, content))
    assert KEY.encode() not in outcome.answer.content
    assert b"Incorrect API key provided: [redacted]." in outcome.answer.content


def test_a_key_in_an_error_event_is_taken_out():
    """An error event's message and its body hold no key."""
    failure = first({"error": {"message": f"bad key {KEY}"}})
    assert KEY not in failure.message
    assert KEY not in json.dumps(failure.error)


def test_a_key_in_an_errors_headers_is_taken_out():
    """A header that quotes the key is redacted like the body."""
    outcome = judged(answer(401, b"{}", x_debug=f"key={KEY}"))
    assert KEY not in str(dict(outcome.answer.headers))


@pytest.mark.parametrize("text", ["", "nothing", f"{KEY}{KEY}", f"Bearer {KEY}"])
def test_redact(text):
    """No secret of the target's survives in a text."""
    assert KEY not in redact(text, target())


def test_nothing_that_is_printed_shows_a_key():
    """Targets, packets and failures have no key in their text."""
    this = target(override={"model": KEY})
    outcome = judged(answer(401, KEY.encode()), target_=this)
    for thing in (this, sent(this, request()), outcome, judged(answer(), target_=this)):
        assert KEY not in repr(thing)


# --- fields of other vendors' answers

REASONED = {
    "role": "assistant",
    "content": "x",
    "reasoning_content": "hm",
    "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
    "citations": [],
}


def test_openais_own_hosts_get_no_fields_of_other_vendors():
    """A conversation that another vendor has answered goes on at OpenAI, which refuses them."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}, REASONED]}
    request_ = request(body, encoded=encode_json(body))
    packet = OpenAICodec(own_fields=False).encode(target(), request_)
    told = json.loads(packet.content)["messages"]
    assert told == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]
    assert body["messages"][1] is REASONED
    assert CODEC.encode(target(), request_).content == request_.encoded


def test_without_such_fields_the_bytes_are_the_callers_own():
    """The words may stand in a text: they are no fields there."""
    body = {"model": "m", "messages": [{"role": "user", "content": '"reasoning_content"'}]}
    encoded = encode_json(body)
    packet = OpenAICodec(own_fields=False).encode(target(), request(body, encoded=encoded))
    assert packet.content is encoded


@pytest.mark.parametrize("messages", [None, "x", [1, None, "x"], {"reasoning_content": 1}])
def test_odd_messages_go_out_as_they_are(messages):
    """They are the provider's to refuse."""
    body = {"model": "m", "messages": messages, "reasoning_content": "x"}
    packet = OpenAICodec(own_fields=False).encode(target(), request(body))
    assert json.loads(packet.content) == body
