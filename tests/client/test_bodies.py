"""What can be sent: everything the bare SDK can write, and nothing that HTTP or JSON cannot hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import openai
import pydantic
import pytest

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Loopback, Received, Step, chat, chat_stream, error

KEY = "sk-of-the-target-0123456789"
MESSAGES = [{"role": "user", "content": "hi"}]
ASK: dict[str, Any] = {"model": "m", "messages": MESSAGES}


class Note(pydantic.BaseModel):
    text: str
    made: date | None = None


def target(provider: Loopback, name: str = "t", **fields: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "api_key": KEY,
        "custom_host": provider.target(name),
        **fields,
    }


def anything(received: Received) -> Step:
    """Answer a chat call as a chat, and any other with something of every shape."""
    if received.path == "/chat/completions":
        return chat_stream(["a", "b"]) if received.wants_stream else chat("a b")
    data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
    choices = [{"index": 0, "text": "x", "finish_reason": "stop"}]
    return Step(json={"id": "i", "model": "m", "data": data, "choices": choices})


# ------------------------------------------------------------------------------ as the SDK writes


BODIES: dict[str, Callable[[Any], Any]] = {
    "datetime": lambda client: client.chat.completions.create(
        **ASK, metadata={"at": datetime(2020, 1, 1, tzinfo=UTC)}
    ),
    "date": lambda client: client.chat.completions.create(
        **ASK, extra_body={"on": date(2020, 1, 1)}
    ),
    "date of another endpoint": lambda client: client.embeddings.create(
        model="m", input="x", encoding_format="float", extra_body={"on": date(2020, 1, 1)}
    ),
    "model": lambda client: client.chat.completions.create(
        **ASK, extra_body={"note": Note(text="é")}
    ),
    "nested model": lambda client: client.chat.completions.create(
        **ASK, extra_body={"notes": [{"note": Note(text="x", made=date(2020, 1, 1))}]}
    ),
    "generator": lambda client: client.chat.completions.create(
        model="m", messages=(each for each in MESSAGES)
    ),
    "tuple": lambda client: client.chat.completions.create(model="m", messages=tuple(MESSAGES)),
    "not given": lambda client: client.chat.completions.create(
        **ASK, seed=openai.NOT_GIVEN, stop=openai.omit, user=None
    ),
    "not ascii": lambda client: client.chat.completions.create(**ASK, user="é\u2028"),
}


@pytest.mark.parametrize("call", BODIES.values(), ids=BODIES)
def test_a_body_is_written_as_the_sdk_writes_it(call: Any, provider: Loopback) -> None:
    """Dates, models and iterators arrive as the bare SDK sends them, or fail as there."""
    provider.reset(anything)
    with (
        openai.OpenAI(api_key=KEY, base_url=provider.target("bare"), max_retries=0) as bare,
        Portkey(config=target(provider)) as ours,
    ):
        try:
            call(bare)
        except TypeError:  # an older SDK cannot write it
            with pytest.raises(TypeError):
                call(ours)
            return
        call(ours)
    theirs, own = provider.received
    assert own.json == theirs.json
    assert own.json is not None


@pytest.mark.anyio
async def test_messages_may_be_a_generator(provider: Loopback, anyio_backend: str) -> None:
    """An iterator of messages is read once, also where a second target is asked."""
    provider.reset({"a": [error(400)]})
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [target(provider, "a"), target(provider, "b")],
    }
    async with AsyncPortkey(config=config) as client:
        await client.chat.completions.create(model="m", messages=(each for each in MESSAGES))
    assert [each.json["messages"] for each in provider.received] == [MESSAGES] * 2


@pytest.mark.parametrize("stream", [False, True])
def test_arguments_the_sdk_does_not_know_are_sent(stream: bool, provider: Loopback) -> None:
    """A provider's own parameters go along, whichever way the body is made."""
    with Portkey(config=target(provider)) as client:
        for messages in (MESSAGES, iter(MESSAGES)):
            result = client.chat.completions.create(
                model="m", messages=messages, top_k=5, extra_body={"min_p": 0.5}, stream=stream
            )
            if stream:
                list(result)
    bodies = [each.json for each in provider.received]
    assert [(each["top_k"], each["min_p"]) for each in bodies] == [(5, 0.5)] * 2


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "call",
    [
        lambda client, number: client.chat.completions.create(**ASK, temperature=number),
        lambda client, number: client.embeddings.create(
            model="m", input="x", extra_body={"x": number}
        ),
        lambda client, number: client.post("/things", x=number),
    ],
    ids=["chat", "embeddings", "post"],
)
def test_numbers_json_cannot_hold_are_refused(call: Any, number: float, provider: Loopback) -> None:
    """NaN and infinity are refused as the SDK refuses them, and nothing is sent."""
    with Portkey(config=target(provider)) as client, pytest.raises(ValueError, match="JSON"):
        call(client, number)
    assert provider.received == []


# ------------------------------------------------------------------------------------------ headers

CONTROL = ["two\nlines", "end\r\n", "nul\x00", "del\x7f", "wide \u4e2d"]


@pytest.mark.parametrize("value", CONTROL)
@pytest.mark.parametrize("where", ["extra_headers", "default_headers"])
def test_a_header_that_http_cannot_carry(where: str, value: str, provider: Loopback) -> None:
    """A caller's header that cannot be sent is refused by its name, before anybody is asked."""
    headers = {"x-note": value}
    own = {"default_headers": headers} if where == "default_headers" else {}
    extra = {"extra_headers": headers} if where == "extra_headers" else {}
    with (
        Portkey(config=target(provider), **own) as client,
        pytest.raises(ValueError, match="x-note") as raised,
    ):
        client.chat.completions.create(**ASK, **extra)
    assert value not in str(raised.value)
    assert provider.received == []


@pytest.mark.anyio
@pytest.mark.parametrize("value", CONTROL)
async def test_a_header_that_http_cannot_carry_async(
    value: str, provider: Loopback, anyio_backend: str
) -> None:
    """The same on every event loop, in the same words."""
    async with AsyncPortkey(config=target(provider)) as client:
        with pytest.raises(ValueError, match="x-note"):
            await client.chat.completions.create(**ASK, extra_headers={"x-note": value})
    assert provider.received == []


# ------------------------------------------------------------------------------------------- models

WITHOUT_MODEL: dict[str, Callable[[Any], Any]] = {
    "create": lambda client: client.chat.completions.create(messages=MESSAGES),
    "generator": lambda client: client.chat.completions.create(messages=iter(MESSAGES)),
    "parse": lambda client: client.chat.completions.parse(messages=MESSAGES),
    "completions": lambda client: client.completions.create(prompt="x"),
    "embeddings": lambda client: client.embeddings.create(input="x"),
    "responses": lambda client: client.responses.create(input="x"),
}
each_without_model = pytest.mark.parametrize("call", WITHOUT_MODEL.values(), ids=WITHOUT_MODEL)


@each_without_model
def test_a_model_of_the_targets_can_be_left_out(call: Any, provider: Loopback) -> None:
    """Where every target brings its model, no call needs to name one."""
    provider.reset(anything)
    with Portkey(config=target(provider, override_params={"model": "own"})) as client:
        call(client)
    assert [each.json["model"] for each in provider.received] == ["own"]


@pytest.mark.anyio
@each_without_model
async def test_a_model_of_the_targets_can_be_left_out_async(
    call: Any, provider: Loopback, anyio_backend: str
) -> None:
    """The same on every event loop."""
    provider.reset(anything)
    config = target(provider, override_params={"model": "own"})
    async with AsyncPortkey(config=config) as client:
        await call(client)
    assert [each.json["model"] for each in provider.received] == ["own"]


def test_a_streaming_helper_without_a_model(provider: Loopback) -> None:
    """The SDK's streaming helper may leave the model out as well."""
    provider.reset(anything)
    with (
        Portkey(config=target(provider, override_params={"model": "own"})) as client,
        client.chat.completions.stream(messages=MESSAGES) as stream,
    ):
        assert stream.get_final_completion().choices[0].message.content == "ab"
    assert [each.json["model"] for each in provider.received] == ["own"]


@pytest.mark.anyio
async def test_a_streaming_helper_without_a_model_async(
    provider: Loopback, anyio_backend: str
) -> None:
    """The same on every event loop."""
    provider.reset(anything)
    config = target(provider, override_params={"model": "own"})
    async with (
        AsyncPortkey(config=config) as client,
        client.chat.completions.stream(messages=MESSAGES) as stream,
    ):
        completion = await stream.get_final_completion()
    assert completion.choices[0].message.content == "ab"
    assert [each.json["model"] for each in provider.received] == ["own"]


@pytest.mark.parametrize("name", ["create", "completions", "embeddings"])
def test_a_model_that_nobody_names(name: str, provider: Loopback) -> None:
    """Where some target brings no model, a call without one is refused and says what to do."""
    with (
        Portkey(config=target(provider)) as client,
        pytest.raises(openai.BadRequestError, match=r"override_params\.model"),
    ):
        WITHOUT_MODEL[name](client)
    assert provider.received == []


# -------------------------------------------------------------------------------------------- forms


def test_overrides_of_a_form_are_written_as_the_sdk_writes_fields(provider: Loopback) -> None:
    """Objects become `name[inner]` fields, lists `name[]`; no name can break the form."""
    provider.reset(lambda received: Step(json={"text": "x"}))
    override = {"d": {"k": 1, "l": [True]}, 'q"\r\nx': "v", "prompt": None}
    with Portkey(config=target(provider, override_params=override)) as client:
        client.audio.transcriptions.create(file=("a.wav", b"RIFF"), model="m", prompt="gone")
    [received] = provider.received
    fields = dict(re.findall(rb'name="([^"]*)"\r\n\r\n(.*?)\r\n--', received.body, flags=re.DOTALL))
    assert fields == {b"model": b"m", b"d[k]": b"1", b"d[l][]": b"true", b"q%22%0D%0Ax": b"v"} | {
        name: value for name, value in fields.items() if name == b"response_format"
    }
