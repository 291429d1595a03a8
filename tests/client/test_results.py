"""What comes back from a call: results, streams and exceptions, with the facts of the route."""

from __future__ import annotations

import copy
import gc
import json
import pickle
from collections.abc import Callable
from typing import Any

import openai
import pytest

from portkey_local import AsyncPortkey, Connections, Portkey, StreamInterrupted
from portkey_local.testing import Fault, Loopback, Received, Step, chat, chat_stream, error

KEY = "sk-of-the-target-0123456789"
OURS = "pk-of-the-caller-0123456789"
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
THING = {
    "id": "object-1",
    "object": "list",
    "created_at": 1,
    "created": 1,
    "model": "m",
    "text": "hello",
    "status": "completed",
    "filename": "a.txt",
    "deleted": True,
    "output": [],
    "data": [{"id": "item-1", "object": "item", "embedding": [0.5], "b64_json": "AA"}],
}
WAV = ("talk.wav", b"RIFF", "audio/wav")
PNG = ("dot.png", b"\x89PNG", "image/png")


def target(provider: Loopback, name: str = "t", **fields: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "api_key": KEY,
        "custom_host": provider.target(name),
        **fields,
    }


def anything(received: Received) -> Step:
    """Answer as the endpoint's own provider would, or with something of every shape."""
    if received.path == "/chat/completions":
        return chat_stream(["a", "b"]) if received.wants_stream else chat("a b")
    return Step(json=THING)


def chunk_events(*words: str) -> list[Any]:
    """The events of a stream that has only begun."""
    return list(chat_stream(words, finish=False, done=False).events or ())


# ---------------------------------------------------------------------------- get_headers, results

CALLS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda client: client.chat.completions.create(**ASK),
    "chat stream": lambda client: client.chat.completions.create(**ASK, stream=True),
    "chat parse": lambda client: client.chat.completions.parse(**ASK),
    "own content type": lambda client: client.chat.completions.create(
        **ASK, extra_headers={"content-type": "application/json; charset=utf-8"}
    ),
    "completions": lambda client: client.completions.create(model="m", prompt="x"),
    "embeddings": lambda client: client.embeddings.create(model="m", input="x"),
    "responses": lambda client: client.responses.create(model="m", input="x"),
    "models": lambda client: client.models.retrieve("m"),
    "delete": lambda client: client.models.delete("m"),
    "page": lambda client: client.models.list(),
    "files": lambda client: client.files.create(file=WAV, purpose="batch"),
    "audio": lambda client: client.audio.transcriptions.create(file=WAV, model="m"),
    "images": lambda client: client.images.edit(image=PNG, prompt="x", model="m"),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def told(result: Any) -> None:
    headers = result.get_headers()
    assert headers["provider"] == "openai"
    assert headers["trace-id"] == "trace"
    assert headers["retry-attempt-count"] == "0"
    assert headers["last-used-option-index"] == "config"


@each_call
def test_every_result_knows_its_route(call: Callable[[Any], Any], provider: Loopback) -> None:
    """`get_headers()` is on whatever a call returns, uploads and pages included."""
    provider.reset(anything)
    with Portkey(config=target(provider), trace_id="trace") as client:
        result = call(client)
        told(result)
        if isinstance(result, openai.Stream):
            result.close()


@pytest.mark.anyio
@each_call
async def test_every_result_knows_its_route_async(
    call: Callable[[Any], Any], provider: Loopback, anyio_backend: str
) -> None:
    """The same on every event loop."""
    provider.reset(anything)
    async with AsyncPortkey(config=target(provider), trace_id="trace") as client:
        result = await call(client)
        told(result)
        if isinstance(result, openai.AsyncStream):
            await result.close()


def test_a_raw_response_knows_its_route(provider: Loopback) -> None:
    """A raw response has the headers themselves, of a plain answer and of a stream."""
    provider.reset(anything)
    with Portkey(config=target(provider), trace_id="trace") as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
        assert raw.headers["x-portkey-trace-id"] == "trace"
        assert raw.parse().choices[0].message.content == "a b"
        raw = client.chat.completions.with_raw_response.create(**ASK, stream=True)
        assert raw.headers["x-portkey-trace-id"] == "trace"
        assert len(list(raw.parse())) == 3


@pytest.mark.parametrize(
    "copied",
    [lambda result: pickle.loads(pickle.dumps(result)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
@pytest.mark.parametrize("call", [CALLS["chat"], CALLS["files"]], ids=["chat", "files"])
def test_a_result_can_be_copied(call: Any, copied: Any, provider: Loopback) -> None:
    """A copy, pickled or not, is equal and still knows its route."""
    provider.reset(anything)
    with Portkey(config=target(provider), trace_id="trace") as client:
        result = call(client)
    twin = copied(result)
    assert twin == result
    assert type(twin) is type(result)
    told(twin)


@pytest.mark.parametrize("name", ["chat", "embeddings", "files", "models"])
def test_a_result_is_the_sdks_own(name: str, provider: Loopback) -> None:
    """A result equals the bare SDK's, and no form of it shows what we put on it."""
    provider.reset(anything)
    with (
        openai.OpenAI(api_key=KEY, base_url=provider.target("t")) as bare,
        Portkey(config=target(provider)) as ours,
    ):
        expected, result = CALLS[name](bare), CALLS[name](ours)
    assert type(result) is type(expected)
    assert result == expected
    assert expected == result
    assert result.to_dict() == expected.to_dict()
    assert result.model_dump() == expected.model_dump()
    assert result.to_json() == expected.to_json()
    assert repr(result) == repr(expected)
    assert str(result) == str(expected)


# -------------------------------------------------------------------------------------- exceptions

DOORS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda client: client.chat.completions.create,
    "raw": lambda client: client.chat.completions.with_raw_response.create,
}
each_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


@each_door
@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (error(401), openai.AuthenticationError),
        (error(429), openai.RateLimitError),
        (Step(fault=Fault.RESET), openai.APIConnectionError),
        (Step(fault=Fault.SILENCE), openai.APITimeoutError),
        (Step(body=b"no json"), openai.APIError),
    ],
    ids=["401", "429", "reset", "silence", "malformed"],
)
def test_an_exception_has_its_facts_and_no_key(
    step: Step, expected: type[Exception], door: Any, provider: Loopback
) -> None:
    """`response` carries the route, `request` carries nobody's key."""
    provider.reset({"t": [step]})
    limit = 0.1 if step.fault is Fault.SILENCE else 10
    with (
        Portkey(config=target(provider), trace_id="trace", api_key=OURS, timeout=limit) as client,
        pytest.raises(expected) as raised,
    ):
        door(client)(**ASK)
    failure: Any = raised.value
    assert failure.response.headers["x-portkey-trace-id"] == "trace"
    assert failure.response.headers["x-portkey-provider"] == "openai"
    for request in (failure.request, failure.response.request):
        assert "authorization" not in request.headers
    assert "tried: config openai" in str(failure)


NOT_ASCII = {"x-note": "caf\xe9"}


@each_door
def test_headers_that_are_not_ascii_in_an_error(door: Any, provider: Loopback) -> None:
    """A provider's header may hold any byte; the error stays the provider's own."""
    provider.reset({"t": [error(429, "slow", headers=NOT_ASCII)]})
    with (
        Portkey(config=target(provider)) as client,
        pytest.raises(openai.RateLimitError, match="slow") as raised,
    ):
        door(client)(**ASK)
    assert raised.value.response.headers["x-note"] == "caf\xe9"


@each_door
def test_headers_that_are_not_ascii_in_an_answer(door: Any, provider: Loopback) -> None:
    """The same in an answer."""
    provider.reset({"t": [chat(headers=NOT_ASCII)]})
    with Portkey(config=target(provider)) as client:
        result = door(client)(**ASK)
    assert getattr(result, "headers", NOT_ASCII)["x-note"] == "caf\xe9"


@each_door
@pytest.mark.parametrize("trace_id", ["höhe", "高さ"])
def test_a_trace_id_that_is_not_ascii(trace_id: str, door: Any, provider: Loopback) -> None:
    """A trace id in any script fails no call and hides no failure."""
    provider.reset({"t": [chat(), error(429)]})
    with Portkey(config=target(provider), trace_id=trace_id) as client:
        door(client)(**ASK)
        with pytest.raises(openai.RateLimitError):
            door(client)(**ASK)


@pytest.mark.anyio
async def test_a_large_header(provider: Loopback, anyio_backend: str) -> None:
    """Both clients take an answer with a long header."""
    provider.reset({"t": [chat(headers={"x-long": "x" * 20_000})]})
    with Portkey(config=target(provider)) as client:
        one = client.chat.completions.create(**ASK)
    async with AsyncPortkey(config=target(provider)) as client:
        other = await client.chat.completions.create(**ASK)
    assert one == other
    assert one.choices[0].message.content == "hello"


@each_door
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_is_a_failed_attempt(status: int, door: Any, provider: Loopback) -> None:
    """A redirect is followed by neither way in: each target is asked once, then the next."""
    away = Step(status=status, headers={"location": provider.target("c") + "/chat/completions"})
    provider.reset({"a": [away], "b": [chat("from b")]})
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [target(provider, "a"), target(provider, "b")],
    }
    with Portkey(config=config) as client:
        door(client)(**ASK)
        with pytest.raises(openai.APIStatusError) as raised:
            door(client.with_options(config=target(provider, "a")))(**ASK)
    assert raised.value.status_code == status
    assert [each.target for each in provider.received] == ["a", "b", "a"]


# ----------------------------------------------------------------------------------------- streams


def test_an_error_event_is_an_exception_with_its_facts(provider: Loopback) -> None:
    """An error within a stream carries the route as every failure does, and is told as one."""
    late = json.dumps({"error": {"message": f"late {KEY}", "code": "z"}})
    provider.reset({"t": [Step(events=[*chunk_events("one"), late])]})
    seen: list[Any] = []
    with Portkey(config=target(provider), trace_id="trace", on_event=seen.append) as client:
        stream = client.chat.completions.create(**ASK, stream=True)
        assert next(stream).choices[0].delta.content == "one"
        with pytest.raises(openai.APIError, match="late") as raised:
            next(stream)
    failure: Any = raised.value
    assert failure.response.headers["x-portkey-trace-id"] == "trace"
    assert failure.body["code"] == "z"
    assert KEY not in f"{failure} {failure.body}"
    assert [(each.name, each.reason) for each in seen][-1] == ("stream.interrupted", "error event")


@pytest.mark.anyio
async def test_an_error_event_is_an_exception_with_its_facts_async(
    provider: Loopback, anyio_backend: str
) -> None:
    """The same on every event loop."""
    late = json.dumps({"error": {"message": f"late {KEY}", "code": "z"}})
    provider.reset({"t": [Step(events=[*chunk_events("one"), late])]})
    async with AsyncPortkey(config=target(provider), trace_id="trace") as client:
        stream = await client.chat.completions.create(**ASK, stream=True)
        assert (await anext(stream)).choices[0].delta.content == "one"
        with pytest.raises(openai.APIError, match="late") as raised:
            await anext(stream)
    failure: Any = raised.value
    assert failure.response.headers["x-portkey-trace-id"] == "trace"
    assert KEY not in f"{failure} {failure.body}"


def test_an_error_event_of_a_raw_stream_hides_the_key(provider: Loopback) -> None:
    """The SDK decodes a raw stream itself; what it raises holds no key either."""
    late = json.dumps({"error": {"message": f"late {KEY}", "code": "z"}})
    provider.reset({"t": [Step(events=[*chunk_events("one"), late])]})
    with Portkey(config=target(provider), trace_id="trace") as client:
        raw = client.chat.completions.with_raw_response.create(**ASK, stream=True)
        with pytest.raises(openai.APIError, match="late") as raised:
            list(raw.parse())
    assert KEY not in f"{raised.value} {raised.value.body}"


def test_leaving_a_stream_early_gives_its_connection_back(provider: Loopback) -> None:
    """A stream that was left by `break` and dropped is closed at once, not by the collector."""
    provider.reset({"t": [chat_stream(["a", "b"], fault=Fault.STALL_STREAM)]})
    one = Connections(max_connections=1)
    gc.disable()
    try:
        with Portkey(config=target(provider), connections=one, timeout=5) as client:
            for _ in range(3):
                for _chunk in client.chat.completions.create(**ASK, stream=True):
                    break
    finally:
        gc.enable()
    assert len(provider.received) == 3


def stream_of(*events: dict[str, Any], done: bool = False) -> Step:
    lines = [json.dumps(each) for each in events]
    return Step(events=[*lines, *(["[DONE]"] if done else [])])


def text(index: int, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": index, "text": "x", "finish_reason": finish, "logprobs": None}
    return {
        "id": "c",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


HALF: dict[str, tuple[Step, Step, Callable[[Any], Any]]] = {
    "transcript": (
        stream_of({"type": "transcript.text.delta", "delta": "x"}),
        stream_of({"type": "transcript.text.done", "text": "x"}),
        lambda client: client.audio.transcriptions.create(file=WAV, model="m", stream=True),
    ),
    "image": (
        stream_of({"type": "image_generation.partial_image", "b64_json": "AA"}),
        stream_of({"type": "image_generation.completed", "b64_json": "AA"}),
        lambda client: client.images.generate(prompt="x", model="m", stream=True),
    ),
    "prompts": (
        stream_of(text(0, "stop"), text(1)),
        stream_of(text(0, "stop"), text(1, "stop")),
        lambda client: client.completions.create(model="m", prompt=["a", "b"], stream=True),
    ),
    "choices": (
        stream_of(text(0, "stop"), text(1)),
        stream_of(text(0, "stop"), text(1, "stop")),
        lambda client: client.completions.create(model="m", prompt="a", n=2, stream=True),
    ),
}


@pytest.mark.parametrize(("half", "whole", "call"), HALF.values(), ids=HALF)
def test_half_an_answer_never_looks_whole(
    half: Step, whole: Step, call: Callable[[Any], Any], provider: Loopback
) -> None:
    """A stream that ends cleanly but before its last event is interrupted."""
    provider.reset({"half": [half], "whole": [whole]})
    with Portkey(config=target(provider, "half")) as client:
        with pytest.raises(StreamInterrupted):
            list(call(client))
        assert list(call(client.with_options(config=target(provider, "whole"))))


# --------------------------------------------------------------------------------------- raw verbs

each_verb = pytest.mark.parametrize("verb", ["post", "put", "patch"])


@each_verb
def test_a_verb_with_a_body(verb: str, provider: Loopback) -> None:
    """Arguments are the body's fields; `body` alone is the body; both at once are refused."""
    provider.reset(anything)
    with Portkey(config=target(provider)) as client:
        send = getattr(client, verb)
        assert send("/things", a=1, b=2)["id"] == "object-1"
        send("/things", body={"a": 1})
        with pytest.raises(TypeError, match="not both"):
            send("/things", body={"a": 1}, b=2)
    first, second = provider.received
    assert (first.method, first.path, first.json) == (verb.upper(), "/things", {"a": 1, "b": 2})
    assert second.json == {"a": 1}


@pytest.mark.anyio
@each_verb
async def test_a_verb_with_a_body_async(verb: str, provider: Loopback, anyio_backend: str) -> None:
    """The same on every event loop."""
    provider.reset(anything)
    async with AsyncPortkey(config=target(provider)) as client:
        send = getattr(client, verb)
        assert (await send("/things", a=1, b=2))["id"] == "object-1"
        await send("/things", body={"a": 1})
        with pytest.raises(TypeError, match="not both"):
            await send("/things", body={"a": 1}, b=2)
    assert [each.json for each in provider.received] == [{"a": 1, "b": 2}, {"a": 1}]


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_a_verb_without_a_body(verb: str, provider: Loopback) -> None:
    """The decoded JSON comes back, and nothing is sent along."""
    provider.reset(anything)
    with Portkey(config=target(provider)) as client:
        assert getattr(client, verb)("/things")["id"] == "object-1"
    [received] = provider.received
    assert (received.method, received.path) == (verb.upper(), "/things")
    assert received.body == b""


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
def test_an_address_of_another_host_is_refused(verb: str, provider: Loopback) -> None:
    """An absolute address is neither followed nor mistaken for a path of the target."""
    with Portkey(config=target(provider)) as client, pytest.raises(ValueError, match="other"):
        getattr(client, verb)("https://other.example/v1/zap")
    assert provider.received == []
