"""Completions as messages: valid by Anthropic's own types, and the same whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError
from tests.providers.conversations import names, texts
from tests.providers.messages.doors import call, chunk, completion

from portkey_local.model import DONE, Answer, Failure, Outcome, Packet, Reply, Request, Target
from portkey_local.providers.completion import ANTHROPIC
from portkey_local.providers.languages import Settings, speak
from portkey_local.providers.messages.carried import MARK
from portkey_local.providers.messages.front import MessagesDoor
from portkey_local.providers.openai import OpenAICodec

WALL = 1_700_000_000.0
JSON = {"content-type": "application/json"}
DOOR = MessagesDoor(OpenAICodec())
THINKING = {"type": "adaptive"}
ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hi"}],
}
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def target(door: MessagesDoor = DOOR, provider: str = "groq") -> Target:
    return Target("config", provider, "http://127.0.0.1/v1", door)


def asked(*, stream: bool = False, **more: Any) -> Request:
    return Request("POST", "/messages", {**ASK, "stream": stream, **more}, stream=stream)


def decoded(data: Any, **more: Any) -> Outcome:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return DOOR.decode(target(), asked(**more), Answer(200, JSON, content), WALL)


def whole(data: Any, **more: Any) -> dict[str, Any]:
    """The message that a completion comes to; Anthropic's own types find nothing wrong with it."""
    outcome = decoded(data, **more)
    assert isinstance(outcome, Reply), outcome
    Message.model_validate(outcome.data, strict=True)
    return outcome.data


def read(chunks: list[Any], size: int = 4096, **more: Any) -> tuple[list[Any], Any]:
    """The events that chunks come to, and who read them."""
    parts = [f"data: {json.dumps(each)}\n\n" for each in chunks]
    content = "".join([*parts, "data: [DONE]\n\n"]).encode()
    reader = DOOR.reader(target(), asked(stream=True, **more), WALL)
    events = []
    for start in range(0, len(content), size):
        events += reader.feed(content[start : start + size])
    return [*events, *reader.finish()], reader


def streamed(chunks: list[Any], size: int = 4096, **more: Any) -> dict[str, Any]:
    """The message that the SDK makes of a stream; its events come in their order."""
    events, reader = read(chunks, size, **more)
    assert (reader.malformed, reader.complete, reader.ended) == (None, True, True)
    assert all(event.name == event.data["type"] for event in events)
    in_order([event.data for event in events])
    message: Any = None
    buffers: dict[int, bytes] = {}
    for event in events:
        known = EVENT.validate_python(event.data)
        message = accumulate_event(event=known, current_snapshot=message, json_bufs=buffers)
    return message.to_dict()


def in_order(events: list[dict[str, Any]]) -> None:
    """Each block begins, is told, and stops, one after the other, within the message."""
    first, *inner, delta, stop = events
    assert [each["type"] for each in (first, delta, stop)] == [
        "message_start", "message_delta", "message_stop",
    ]  # fmt: skip
    current, index = None, -1
    for event in inner:
        match event["type"]:
            case "content_block_start":
                assert current is None
                index += 1
                current = index
            case "content_block_delta":
                assert event["index"] == current
            case "content_block_stop":
                assert event["index"] == current
                current = None
            case kind:
                pytest.fail(f"{kind} within a message")
    assert current is None


def meaning(message: dict[str, Any]) -> dict[str, Any]:
    """A message without the fields that only one of its forms has."""
    kept = ("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage")
    return {name: message.get(name) for name in kept}


# ------------------------------------------------------------------------- whole = streamed

objects = st.dictionaries(names, texts | st.integers() | st.none(), max_size=2)
details = st.builds(
    lambda text, sign: [{"type": "reasoning.encrypted", "index": 0, "data": text, "id": sign}],
    texts,
    names,
)


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    """A completion as hosts give it, with all that a message can hold of it."""
    message: dict[str, Any] = {}
    if draw(st.booleans()):
        message["reasoning_content"] = draw(texts)
    if draw(st.booleans()):
        message["reasoning_details"] = draw(details)
    if draw(st.booleans()):
        message["content"] = draw(texts)
    calls = draw(st.lists(st.tuples(names, objects), max_size=3))
    if calls:
        message["tool_calls"] = [
            call(f"call_{number}", name, json.dumps(given))
            for number, (name, given) in enumerate(calls)
        ]
    finish = draw(st.sampled_from(["stop", "length", "content_filter", "tool_calls"]))
    return completion(message, finish)


def chunks_of(data: dict[str, Any], size: int, *, together: bool) -> list[dict[str, Any]]:
    """The chunks that a completion comes as; `together`: its calls are told all at once."""
    message = data["choices"][0]["message"]
    made: list[dict[str, Any]] = [chunk({"role": "assistant", "content": ""})]
    for name in ("reasoning_content", "content"):
        text = message.get(name) or ""
        made += [chunk({name: text[at : at + size]}) for at in range(0, len(text), size)]
    if "reasoning_details" in message:
        made.append(chunk({"reasoning_details": message["reasoning_details"]}))
    told: list[list[dict[str, Any]]] = []
    for index, each in enumerate(message.get("tool_calls", ())):
        text = each["function"]["arguments"]
        begun = call(each["id"], each["function"]["name"], "", index)
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        told.append(
            [begun, *({"index": index, "function": {"arguments": piece}} for piece in pieces)]
        )
    if together:
        longest = max(map(len, told), default=0)
        told = [[pieces[at] for pieces in told if at < len(pieces)] for at in range(longest)]
    made += [chunk({"tool_calls": [piece]}) for pieces in told for piece in pieces]
    made.append(chunk({}, data["choices"][0]["finish_reason"]))
    return [*made, {**chunk({}), "choices": [], "usage": data["usage"]}]


@settings(max_examples=40)
@given(
    data=completions(), size=st.integers(1, 9), together=st.booleans(), shown=st.booleans()
)  # fmt: skip
def test_streams_say_what_whole_answers_say(data, size, together, shown):
    asks = {"thinking": THINKING} if shown else {}
    message = whole(data, **asks)
    stream = streamed(chunks_of(data, size, together=together), size * 50, **asks)
    assert meaning(stream) == meaning(message)
    kinds = [block["type"] for block in message["content"]]
    said = data["choices"][0]["message"]
    assert ("thinking" in kinds) is (shown and "reasoning_content" in said)
    assert kinds.count("tool_use") == len(said.get("tool_calls", ()))


def test_hosts_tell_calls_in_their_own_ways():
    """All with one index; without any; with the id and the name told again each time."""
    first, second = call("a", "f", '{"x":1}', 0), call("b", "g", '{"y":2}', 0)
    wanted = [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {"y": 2}},
    ]
    bare = [{name: each[name] for name in each if name != "index"} for each in (first, second)]
    again = [call("a", "f", '{"x"', 0), call("a", "f", ":1}", 0), call("b", "g", '{"y":2}', 1)]
    late = [*again, {"index": 0, "function": {"arguments": " "}}]
    for told in ([first, second], bare, again, late):
        made = [chunk({"tool_calls": [each]}) for each in told]
        assert streamed([*made, chunk({}, "tool_calls")])["content"] == wanted


def test_a_call_that_is_cut_short_is_whole_only_at_the_limit_of_tokens():
    cut = completion({"tool_calls": [call("a", "f", '{"city": "Os')]}, "length")
    assert whole(cut)["content"][0]["input"] == {"city": "Os"}
    assert whole(cut)["stop_reason"] == "max_tokens"
    broken = completion({"tool_calls": [call("a", "f", '{"city": "Os')]}, "tool_calls")
    assert isinstance(decoded(broken), Failure)
    _, reader = read([chunk({"tool_calls": [call("a", "f", '{"city"', 0)]}, "tool_calls")])
    assert "no JSON object" in reader.malformed
    assert not reader.complete


@pytest.mark.parametrize(
    ("finish", "message", "stop"),
    [
        ("stop", {"content": "x"}, "end_turn"),
        ("length", {"content": "x"}, "max_tokens"),
        ("content_filter", {"content": ""}, "refusal"),
        ("stop", {"content": None, "refusal": "No."}, "refusal"),
        ("stop", {"tool_calls": [call("a", "f", "{}")]}, "tool_use"),
        ("tool_calls", {"content": "x"}, "end_turn"),
        (None, {"content": "x"}, "end_turn"),
    ],
)
def test_why_an_answer_ended(finish, message, stop):
    assert whole(completion(message, finish))["stop_reason"] == stop


def test_claude_s_thoughts_keep_their_signatures_on_another_s_host():
    claude = {"model": "anthropic/claude-opus-4.8"}
    kept = [
        {
            "type": "reasoning.text",
            "text": "Hm.",
            "signature": "s",
            "format": ANTHROPIC,
            "index": 0,
        },
        {"type": "reasoning.encrypted", "data": "d", "format": ANTHROPIC, "index": 1},
    ]
    said = {"reasoning": "Hm.", "reasoning_details": kept, "content": "Hi."}
    wanted = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "Hi."},
    ]
    assert whole(completion(said), **claude)["content"] == wanted
    begun = {"type": "reasoning.text", "text": "", "format": ANTHROPIC, "index": 0}
    more = [{**begun, "text": "Hm."}, {**begun, "signature": "s"}, kept[1]]
    made = [chunk({"reasoning": "Hm.", "reasoning_details": [each]}) for each in (begun, *more)]
    assert streamed([*made, chunk({"content": "Hi."}, "stop")], **claude)["content"] == wanted
    assert whole(completion({**said, "reasoning_details": []}), **claude, thinking=THINKING)[
        "content"
    ][0] == {"type": "thinking", "thinking": "Hm.", "signature": MARK}


# ------------------------------------------------------------------------------------- any JSON

scalars = st.none() | st.booleans() | st.integers(-3, 600) | st.floats() | st.text(max_size=6)
words = st.sampled_from(
    ["type", "text", "tool_use", "tool_result", "content", "role", "user", "assistant", "source",
     "base64", "document", "image", "name", "input", "input_schema", "custom", "auto", "any",
     "choices", "message", "delta", "tool_calls", "function", "arguments", "id", "index", "error",
     "usage", "finish_reason", "reasoning_details", "model", "max_tokens"]
)  # fmt: skip
anything = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["messages", "system", "tools", "tool_choice", "thinking", "output_config", "metadata",
     "stop_sequences", "model", "max_tokens", "service_tier", "stream", "top_k", "x"]
)  # fmt: skip
bodies = st.builds(
    lambda more, turns: {**ASK, **more, **({} if turns is None else {"messages": turns})},
    st.dictionaries(FIELDS, anything, max_size=4),
    st.none()
    | st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": anything})
    ),
)
DOORS = [
    target(DOOR),
    target(MessagesDoor(OpenAICodec(own_fields=False)), "openai"),
    *(
        target(MessagesDoor(speak(each, Settings(each, "http://127.0.0.1")).codec), each)
        for each in ("bedrock", "cohere", "google")
    ),
]


@settings(max_examples=80)
@given(body=bodies, to=st.sampled_from(DOORS))
def test_any_request_is_sent_or_refused(body, to):
    made = to.codec.encode(to, Request("POST", "/messages", body, stream=False))
    if isinstance(made, Failure):
        assert (made.status, made.target) == (400, to)
    else:
        assert isinstance(made, Packet)
        json.loads(made.content or b"")


def test_a_request_that_is_no_object_or_too_deep_is_refused():
    to = target()
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    call_of_it = {"type": "tool_use", "id": "a", "name": "f", "input": deep}
    turn = {"role": "assistant", "content": [call_of_it]}
    for request in (
        Request("POST", "/messages", None, content=b"[1]"),
        Request("POST", "/messages", {**ASK, "messages": [turn]}),
    ):
        made = DOOR.encode(to, request)
        assert isinstance(made, Failure)
        assert made.status == 400


@settings(max_examples=80)
@given(data=anything, said=anything)
def test_any_answer_is_a_message_or_a_failure(data, said):
    for each in (data, {"choices": [{"message": said}]}):
        content = json.dumps(each).encode()
        outcome = DOOR.decode(target(), asked(thinking=THINKING), Answer(200, JSON, content), WALL)
        if isinstance(outcome, Reply):
            try:
                Message.model_validate(outcome.data)
            except ValidationError as error:
                pytest.fail(str(error))
        else:
            assert outcome.status == 500


@settings(max_examples=80)
@given(chunks=st.lists(anything | st.builds(chunk, anything), max_size=4))
def test_any_stream_is_a_message_or_says_what_is_wrong(chunks):
    events, reader = read(chunks, thinking=THINKING)
    for event in events:
        assert event.data is DONE or event.name is None or event.name == event.data["type"]
    if reader.complete and not reader.failed and events and events[0].name:
        in_order([event.data for event in events])


@given(content=st.binary(max_size=80) | anything.map(lambda v: json.dumps(v).encode()),
       status=st.sampled_from([400, 429, 500, 529]))  # fmt: skip
@settings(max_examples=50)
def test_any_error_is_anthropic_s(content, status):
    outcome = DOOR.decode(target(), asked(), Answer(status, JSON, content), WALL)
    assert isinstance(outcome, Failure)
    assert outcome.answer is not None
    body = json.loads(outcome.answer.content)
    assert body["type"] == "error"
    assert isinstance(body["error"]["message"], str)
