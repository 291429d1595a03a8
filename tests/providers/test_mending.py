"""Ollama and Hugging Face: what is mended, and that all else is left alone byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from openai.types.chat import ChatCompletion
from tests.providers.accumulating import accumulated

from portkey_local import AsyncPortkey, Portkey
from portkey_local.model import DONE, Answer, Failure, Fault, Packet, Reply, Request, Target
from portkey_local.providers import huggingface, ollama
from portkey_local.providers.languages import Settings, WrongSetting, speak
from portkey_local.testing import Step

CODECS = {"ollama": ollama.CODEC, "huggingface": huggingface.CODEC}
JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

both = pytest.mark.parametrize("vendor", CODECS)


def target(vendor: str, **options: Any) -> Target:
    return Target("config", vendor, "http://h.example/v1", CODECS[vendor], **options)


def request(path: str = "/chat/completions", *, stream: bool = False, **fields: Any) -> Request:
    return Request("POST", path, {**ASKED, **fields}, stream=stream)


def answer(message: dict[str, Any], finish: str | None = "stop", **choice: Any) -> dict[str, Any]:
    told = {
        "index": 0,
        "message": {"role": "assistant", **message},
        "finish_reason": finish,
        **choice,
    }
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [told],
        "usage": usage,
    }


def reply(vendor: str, data: Any, **options: Any) -> Reply:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    made = CODECS[vendor].decode(
        target(vendor, **options), request(), Answer(200, JSON, content), 0.0
    )
    assert isinstance(made, Reply)
    return made


def mended(
    vendor: str, message: dict[str, Any], finish: str | None = "stop", **options: Any
) -> dict[str, Any]:
    made = reply(vendor, answer(message, finish), **options)
    assert made.answer.content == b""  # a mended answer has no bytes: its data is the body
    ChatCompletion.model_validate(made.data)
    return made.data["choices"][0]


def stream(vendor: str, *deltas: dict[str, Any], finish: str = "stop", **options: Any) -> list[Any]:
    """The chunks that a stream of deltas comes to."""
    reader = CODECS[vendor].reader(target(vendor, **options), request(stream=True), 0.0)
    events = []
    for delta in (*deltas, None):
        choice = {"index": 0, "delta": delta or {}, "finish_reason": None if delta else finish}
        chunk = {
            "id": "c-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
        events += reader.feed(f"data: {json.dumps(chunk)}\n\n".encode())
    events += reader.feed(b"data: [DONE]\n\n") + reader.finish()
    assert (reader.complete, reader.ended, reader.malformed) == (True, True, None)
    assert events[-1].data is DONE
    return [event.data for event in events[:-1]]


# --- what is left alone

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@both
@pytest.mark.parametrize(
    ("message", "finish"),
    [
        ({"content": "hello"}, "stop"),
        ({"content": "hello", "reasoning_content": "hm", "reasoning": "hm"}, "length"),
        ({"content": None, "tool_calls": [CALL]}, "tool_calls"),
        ({"content": "x", "tool_calls": []}, "stop"),
        ({"content": "x", "tool_calls": None, "reasoning": None}, "stop"),
    ],
)
def test_a_clean_answer_comes_back_byte_for_byte(vendor, message, finish):
    content = json.dumps(answer(message, finish), indent=1).encode()
    assert reply(vendor, content).answer.content == content


@both
def test_a_clean_stream_is_the_same_bytes(vendor):
    begun = {**CALL, "index": 0, "function": {"name": "f", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": "{}"}}
    deltas = [
        {"role": "assistant", "content": "a"},
        {"tool_calls": [begun]},
        {"tool_calls": [more]},
    ]
    chunks = [
        {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    chunks.append(
        {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    )
    raw = b"".join(b"data: %b\n\n" % json.dumps(chunk, indent=None).encode() for chunk in chunks)
    reader = CODECS[vendor].reader(target(vendor), request(stream=True), 0.0)
    assert (
        b"".join(event.raw for event in reader.feed(raw + b"data: [DONE]\n\n"))
        == raw + b"data: [DONE]\n\n"
    )


@both
def test_other_endpoints_are_left_alone(vendor):
    body = {"choices": [{"index": 0, "text": "x", "finish_reason": "eos_token"}]}
    there, asked = target(vendor), request("/completions")
    made = CODECS[vendor].decode(there, asked, Answer(200, JSON, json.dumps(body).encode()), 0.0)
    assert made.data == body


# --- what is mended


@pytest.mark.parametrize(
    ("vendor", "name"),
    [("ollama", "reasoning"), ("ollama", "thinking"), ("huggingface", "reasoning")],
)
def test_reasoning_has_the_name_that_callers_look_for(vendor, name):
    assert mended(vendor, {"content": "x", name: "hm"})["message"] == {
        "role": "assistant", "content": "x", name: "hm", "reasoning_content": "hm",
    }  # fmt: skip
    chunks = stream(vendor, {"role": "assistant", name: "h"}, {name: "m"}, {"content": "x"})
    assert accumulated(chunks)["choices"][0]["message"]["reasoning_content"] == "hm"


@both
def test_arguments_given_as_objects_are_text(vendor):
    call = {**CALL, "function": {"name": "f", "arguments": {"city": "Oslo"}}}
    (told,) = mended(vendor, {"content": None, "tool_calls": [call]}, "tool_calls")["message"][
        "tool_calls"
    ]
    assert told["function"]["arguments"] == '{"city":"Oslo"}'
    chunks = stream(vendor, {"tool_calls": [{"index": 0, **call}]}, finish="tool_calls")
    assert (
        chunks[0]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]
        == '{"city":"Oslo"}'
    )


@both
def test_a_single_call_that_is_no_list_is_one(vendor):
    chunks = stream(vendor, {"tool_calls": {"index": 0, **CALL}}, finish="tool_calls")
    assert accumulated(chunks)["choices"][0]["message"]["tool_calls"][0]["id"] == "call_1"


@both
def test_calls_without_ids_get_the_same_streamed_or_not(vendor):
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in ("f", "g")]
    whole = mended(vendor, {"content": None, "tool_calls": calls}, "tool_calls")
    chunks = stream(vendor, *({"tool_calls": [call]} for call in calls), finish="tool_calls")
    streamed = accumulated(chunks)["choices"][0]
    for told in (whole, streamed):
        assert [each["id"] for each in told["message"]["tool_calls"]] == [
            "call_c-1_0_0",
            "call_c-1_0_1",
        ]
        assert [each["function"]["name"] for each in told["message"]["tool_calls"]] == ["f", "g"]


@both
def test_calls_that_share_an_index_are_told_apart_by_their_ids(vendor):
    """Else the SDK would paste the arguments of one behind those of the other."""
    calls = [
        {
            "index": 0,
            "id": f"call_{name}",
            "type": "function",
            "function": {"name": name, "arguments": '{"n":1}'},
        }
        for name in ("f", "g")
    ]
    told = accumulated(
        stream(vendor, *({"tool_calls": [call]} for call in calls), finish="tool_calls")
    )
    calls = told["choices"][0]["message"]["tool_calls"]
    functions = [(each["function"]["name"], each["function"]["arguments"]) for each in calls]
    assert functions == [("f", '{"n":1}'), ("g", '{"n":1}')]


@both
def test_fragments_without_an_index_belong_to_the_last_call(vendor):
    begun = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
    told = accumulated(
        stream(
            vendor, {"tool_calls": [begun]}, {"tool_calls": [{"function": {"arguments": ":1}"}}]}
        )
    )
    (call,) = told["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == '{"a":1}'


@both
def test_calls_that_end_with_stop_end_with_tool_calls(vendor):
    assert (
        mended(vendor, {"content": "", "tool_calls": [CALL]}, "stop")["finish_reason"]
        == "tool_calls"
    )
    chunks = stream(vendor, {"tool_calls": [{"index": 0, **CALL}]}, finish="stop")
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert (
        stream(vendor, {"tool_calls": [{"index": 0, **CALL}]}, strict=False)[-1]["choices"][0][
            "finish_reason"
        ]
        == "stop"
    )


@pytest.mark.parametrize(("told", "expected"), [("eos_token", "stop"), ("stop_sequence", "stop")])
def test_finish_reasons_of_hugging_face(told, expected):
    assert mended("huggingface", {"content": "x"}, told)["finish_reason"] == expected
    assert (
        stream("huggingface", {"content": "x"}, finish=told)[-1]["choices"][0]["finish_reason"]
        == expected
    )
    loose = reply("huggingface", answer({"content": "x"}, told), strict=False)
    assert loose.data["choices"][0]["finish_reason"] == told


def test_ollamas_done_reason_is_a_finish_reason():
    told = reply("ollama", answer({"content": "x"}, None, done_reason="length")).data
    assert told["choices"][0]["finish_reason"] == "length"


# --- addresses, and what goes out


def test_ollamas_own_api_stands_beside_openais():
    made = CODECS["ollama"].encode(target("ollama"), request("/api/chat"))
    assert made.url == "http://h.example/api/chat"


def test_options_that_do_nothing_at_this_api_are_named():
    made = CODECS["ollama"].encode(
        target("ollama"), request(num_ctx=8192, options={"top_k": 1}, seed=1)
    )
    assert isinstance(made, Packet)
    assert made.dropped == ("num_ctx", "options")
    assert json.loads(made.content) == {**ASKED, "seed": 1}
    failure = CODECS["ollama"].encode(target("ollama", strict_params=True), request(num_ctx=8192))
    assert (failure.fault, failure.status) == (Fault.ROUTING, 400)
    overridden = CODECS["ollama"].encode(target("ollama", override={"num_ctx": 1}), request())
    assert (overridden.dropped, json.loads(overridden.content)) == (("num_ctx",), ASKED)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"url": "https://router.huggingface.co/v1"}, "https://router.huggingface.co/v1"),
        (
            {"url": "http://127.0.0.1:1/together/v1", "custom": True},
            "http://127.0.0.1:1/together/v1",
        ),
        (
            {"url": None, "fields": {"huggingface_base_url": "https://x.endpoints.hf.co"}},
            "https://x.endpoints.hf.co/v1",
        ),
        (
            {"url": None, "fields": {"huggingface_base_url": "https://x.hf.co/v1/"}},
            "https://x.hf.co/v1",
        ),
    ],
)
def test_where_hugging_face_is(settings, expected):
    assert speak("huggingface", Settings("huggingface", **settings)).url == expected


def test_a_base_url_is_a_url():
    with pytest.raises(WrongSetting) as caught:
        speak("huggingface", Settings("huggingface", None, fields={"huggingface_base_url": "x"}))
    assert caught.value.field == "huggingface_base_url"


def test_a_routers_suffix_goes_out_as_it_is():
    made = CODECS["huggingface"].encode(target("huggingface"), request(model="org/m:together"))
    assert json.loads(made.content)["model"] == "org/m:together"


# --- anything at all

WORDS = ("choices", "message", "delta", "tool_calls", "function", "arguments", "index", "id", "name",
         "finish_reason", "reasoning", "content", "done_reason")  # fmt: skip
near = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=14,
)
choices = st.builds(
    lambda part, inner: {"choices": [{part: inner}]}, st.sampled_from(["message", "delta"]), near
)


@both
@given(st.lists(near | choices, max_size=4), st.binary(max_size=20))
@settings(max_examples=100)
def test_any_answer_is_a_reply_or_a_typed_failure_and_any_stream_is_read(vendor, values, tail):
    codec, there = CODECS[vendor], target(vendor)
    reader = codec.reader(there, request(stream=True), 0.0)
    for value in values:
        content = json.dumps(value).encode()
        assert isinstance(
            codec.decode(there, request(), Answer(200, JSON, content), 0.0), Reply | Failure
        )
        reader.feed(b"data: " + content + b"\n\n")
    reader.feed(tail)
    reader.finish()


# --- recorded


def recorded(shared: Any, vendor: str) -> list[dict[str, Any]]:
    lines = (shared / "recordings" / f"{vendor}.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["status"] == 200]


def step(row: dict[str, Any]) -> Step:
    if row["body_encoding"] == "text":
        return Step(body=row["body"].encode(), content_type=row["content_type"])
    return Step(json=row["body"], content_type=row["content_type"])


def options(server: Any, vendor: str) -> dict[str, Any]:
    return {
        "provider": vendor,
        "api_key": "key",
        "Authorization": "key",
        "custom_host": f"{server.url}/v1",
    }


def check(told: Any, row: dict[str, Any]) -> None:
    """A whole answer holds what was recorded, and its reasoning under its name."""
    (choice,) = row["body"]["choices"]
    message = dict(choice["message"])
    if "reasoning" in message:
        message["reasoning_content"] = message["reasoning"]
    expected = {**row["body"], "choices": [{**choice, "message": message}]}
    assert told.to_dict(warnings=False) == expected


@both
def test_recorded_answers_come_out_whole(shared, provider, vendor):
    rows = recorded(shared, vendor)
    assert rows
    with Portkey(**options(provider, vendor)) as client:
        for row in rows:
            provider.reset(lambda _, row=row: step(row))
            told = client.chat.completions.create(**row["request"])
            if row["request"].get("stream"):
                assert accumulated([chunk.to_dict(warnings=False) for chunk in told])["choices"]
            else:
                check(told, row)


@both
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_recorded_answers_come_out_whole_asynchronously(shared, provider, vendor):
    async with AsyncPortkey(**options(provider, vendor)) as client:
        for row in recorded(shared, vendor):
            if not row["request"].get("stream"):
                provider.reset(lambda _, row=row: step(row))
                check(await client.chat.completions.create(**row["request"]), row)


@both
@pytest.mark.parametrize("arguments", [None, ""])
def test_a_call_without_arguments_gets_none_in_json(vendor, arguments):
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    told = mended(vendor, {"content": None, "tool_calls": [call]})
    assert told["message"]["tool_calls"][0]["function"]["arguments"] == "{}"
