"""What all vendors with a language of their own share, shown by one that hardly has any."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import openai
import pytest

from portkey_local import AsyncPortkey, Portkey, StreamInterrupted
from portkey_local.model import DONE, Answer, Failure, Fault, Packet, Request, Target
from portkey_local.providers import languages
from portkey_local.providers.completion import Chunks, completion, message
from portkey_local.providers.languages import Spoken
from portkey_local.providers.native import (
    NativeCodec,
)
from portkey_local.providers.sse import SseReader
from portkey_local.providers.translating import (
    Translated,
)
from portkey_local.providers.vendor import (
    Asked,
    Inexpressible,
    Unreadable,
    Unspoken,
    VendorError,
    error_event,
)
from portkey_local.testing import Fault as Misbehaviour, Step, chat as openai_chat

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class ToyStream:
    """Events are {"say": text}, {"end": reason} or {"wrong": message}."""

    def __init__(self) -> None:
        self.complete = self.ended = self.failed = False
        self.usage = None
        self.reason = "stop"
        self.chunks = Chunks("id", 1, "m")

    def take(self, name, data):
        if "wrong" in data:
            self.failed = self.ended = True
            return [error_event(VendorError(data["wrong"]), 529, data)]
        if "end" in data:
            self.complete, self.reason = True, data["end"]
            return []
        if "think" in data:  # and say nothing of it
            return []
        if not data["say"]:
            raise Unreadable("an empty word")
        return [self.chunks.delta({"content": data["say"]})]

    def finish(self):
        return [self.chunks.delta({}, finish=self.reason)]


class Toy:
    """Says the model and nothing else; knows no seed."""

    def chat(self, body):
        if body["model"] == "unsayable":
            raise Inexpressible("there is no such model")
        return Asked("/say", {"model": body["model"]}, ("seed",) if "seed" in body else ())

    def completion(self, data, ask):
        choice = (message(data["say"]), data.get("end", "stop"))
        return completion(id="id", created=1, model=ask.model, choices=[choice], usage=None)

    def translator(self, ask):
        return ToyStream()

    def frames(self):
        return SseReader()

    def embed(self, body):
        raise Unspoken

    def embeddings(self, data, ask):
        raise Unspoken

    def error(self, status, data):
        return VendorError(data["wrong"], "toy_error", retry_after=3.0)

    def limits(self, headers, wall):
        return (
            {"x-ratelimit-limit-requests": headers["toy-limit"]} if "toy-limit" in headers else {}
        )

    def native_reader(self, request):
        return SseReader(terminal_needed=False)


CODEC = NativeCodec(Toy())
TARGET = Target("config", "anthropic", "http://127.0.0.1/v1", CODEC)


def request(path: str = "/chat/completions", stream: bool = False, **body: Any) -> Request:
    return Request("POST", path, {**ASK, **body}, stream=stream)


def events(*told: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in told)


def reader() -> Translated:
    return CODEC.reader(TARGET, request(stream=True), 1.0)


@pytest.fixture
def toy(monkeypatch):
    """Let every target of `anthropic` speak the toy's language."""
    monkeypatch.setattr(
        "portkey_local.compile.targets.speak", lambda _, settings: Spoken(CODEC, settings.url or "")
    )
    return languages


def config(provider, **more: Any) -> dict[str, Any]:
    return {
        "provider": "anthropic",
        "api_key": "toy",
        "custom_host": provider.target("toy"),
        **more,
    }


def falling_back(provider) -> dict[str, Any]:
    other = {"provider": "openai", "api_key": "toy", "custom_host": provider.target("other")}
    return {"strategy": {"mode": "fallback"}, "targets": [config(provider), other]}


# --- requests


def test_chat_is_translated_and_native_endpoints_are_not():
    packet = CODEC.encode(TARGET, request())
    assert (packet.url, packet.content) == ("http://127.0.0.1/v1/say", b'{"model":"m"}')
    packet = CODEC.encode(TARGET, request("/own/endpoint"))
    assert (packet.url, json.loads(packet.content)) == ("http://127.0.0.1/v1/own/endpoint", ASK)


@pytest.mark.parametrize("path", ["/responses", "/images/generations", "/embeddings"])
def test_endpoints_that_a_vendor_lacks_count_as_500(path):
    failure = CODEC.encode(TARGET, request(path))
    assert (failure.fault, failure.status) == (Fault.ROUTING, 500)
    assert failure.message == f"{path} is not supported by anthropic"


def test_a_request_that_cannot_be_said_counts_as_400():
    failure = CODEC.encode(TARGET, request(model="unsayable"))
    assert (failure.fault, failure.status) == (Fault.ROUTING, 400)


def test_what_is_dropped_is_named_or_refused():
    packet = CODEC.encode(TARGET, request(seed=1))
    assert isinstance(packet, Packet)
    assert packet.dropped == ("seed",)
    failure = CODEC.encode(replace(TARGET, strict_params=True), request(seed=1))
    assert isinstance(failure, Failure)
    assert "seed" in failure.message


def test_an_unsupported_endpoint_is_not_retried(provider, toy):
    retried = config(provider, retry={"attempts": 3})
    unsupported = pytest.raises(openai.OpenAIError, match="not supported")
    with Portkey(config=retried) as client, unsupported:
        client.embeddings.create(model="m", input="x")
    assert provider.received == []


def test_dropped_parameters_are_an_event(provider, toy):
    provider.reset({"toy": [Step(json={"say": "hi"})]})
    heard = []
    with Portkey(config=config(provider), on_event=heard.append) as client:
        client.chat.completions.create(**ASK, seed=1)
    assert [each.reason for each in heard if each.name == "parameters.dropped"] == ["seed"]


@pytest.mark.anyio
async def test_dropped_parameters_are_an_event_asynchronously(provider, toy):
    provider.reset({"toy": [Step(json={"say": "hi"})]})
    heard = []
    async with AsyncPortkey(config=config(provider), on_event=heard.append) as client:
        await client.chat.completions.create(**ASK, seed=1)
    assert [each.reason for each in heard if each.name == "parameters.dropped"] == ["seed"]


# --- answers


def test_errors_have_openai_s_shape_and_the_vendor_s_own_inside():
    answer = Answer(429, {"toy-limit": "9"}, b'{"wrong": "slow down"}')
    failure = CODEC.decode(TARGET, request(), answer, 1.0)
    told = json.loads(failure.answer.content)["error"]
    assert (told["message"], told["type"]) == ("slow down", "toy_error")
    assert told["provider_error"] == {"wrong": "slow down"}
    assert failure.retry_after == 3.0
    assert failure.answer.headers["x-ratelimit-limit-requests"] == "9"


@pytest.mark.parametrize("content", [b"", b"no json", b"[]", b"7", b'{"other": 1}'])
def test_a_body_that_is_not_the_vendor_s_is_malformed(content):
    failure = CODEC.decode(TARGET, request(), Answer(200, {}, content), 1.0)
    assert (failure.fault, failure.status) == (Fault.MALFORMED, 500)


@pytest.mark.parametrize("end", [{"say": "", "end": "content_filter"}, {"wrong": 1}])
def test_a_fallback_moves_on_from_what_says_nothing(provider, toy, end):
    provider.reset({"toy": [Step(json=end)], "other": [openai_chat("other")]})
    with Portkey(config=falling_back(provider)) as client:
        assert client.chat.completions.create(**ASK).choices[0].message.content == "other"


# --- streams


def test_the_last_words_come_with_the_end():
    """A vendor without a last event of its own is at its end when the bytes are."""
    told = reader()
    [said] = told.feed(events({"say": "hi"}, {"end": "stop"}))
    assert said.data["choices"][0]["delta"]["content"] == "hi"
    assert (told.complete, told.ended) == (True, False)
    finish, done = told.finish()
    assert (finish.data["choices"][0]["finish_reason"], done.data) == ("stop", DONE)
    assert told.ended
    assert told.finish() == []


def test_an_odd_event_makes_the_stream_malformed():
    for odd in (events({"say": ""}), events({"neither": 1}), b"data: [1]\n\n", b"data: {\n\n"):
        told = reader()
        assert told.feed(events({"say": "hi"}) + odd)[0].data["choices"]
        assert told.malformed
        assert not told.complete
        assert told.feed(events({"say": "more"})) == []


def test_an_error_event_ends_the_stream():
    told = reader()
    [event] = told.feed(events({"wrong": "broken"}, {"say": "more"}))
    assert (event.data["error"]["status"], told.failed, told.ended) == (529, True, True)


def test_a_stream_whose_words_were_all_withheld_is_blocked():
    told = reader()
    told.feed(events({"end": "content_filter"}))
    told.finish()
    assert told.blocked


def broken(*told: dict[str, Any]) -> Step:
    return Step(events=[json.dumps(each) for each in told], fault=Misbehaviour.CUT_CHUNKED)


def test_a_connection_may_break_once_all_is_said(provider, toy):
    """Half of the events arrive, the terminal one among them."""
    provider.reset({"toy": [broken({"say": "hi"}, {"end": "stop"}, {"say": "x"}, {"say": "y"})]})
    with Portkey(config=config(provider)) as client:
        said = list(client.chat.completions.create(**ASK, stream=True))
    assert said[-1].choices[0].finish_reason == "stop"


@pytest.mark.anyio
async def test_a_connection_may_break_once_all_is_said_asynchronously(provider, toy):
    provider.reset({"toy": [broken({"say": "hi"}, {"end": "stop"}, {"say": "x"}, {"say": "y"})]})
    async with AsyncPortkey(config=config(provider)) as client:
        stream = await client.chat.completions.create(**ASK, stream=True)
        said = [chunk async for chunk in stream]
    assert said[-1].choices[0].finish_reason == "stop"


def silent(*quiet: bytes) -> Step:
    """Return a stream that is quiet for longer than the limit of the tests below."""
    return Step(events=[events({"say": "a"}), *quiet, events({"say": "b"}, {"end": "stop"})],
                event_gap=0.09)  # fmt: skip


def test_what_is_held_back_resets_the_idle_limit(provider, toy):
    """A vendor that thinks is not one that hangs, though the caller sees nothing of it."""
    provider.reset({"toy": [silent(*[events({"think": 1})] * 3)]})
    with Portkey(config=config(provider, stream_idle_timeout=200)) as client:
        chunks = list(client.chat.completions.create(**ASK, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "ab"


@pytest.mark.parametrize("quiet", [b": waiting\n\n", b'event: ping\ndata: {"think": 1}\n\n'])
def test_what_keeps_a_connection_alive_does_not(provider, toy, quiet):
    """Comments and pings come from a vendor's front door, whatever is behind it."""
    provider.reset({"toy": [silent(*[quiet] * 3)]})
    with (
        Portkey(config=config(provider, stream_idle_timeout=200)) as client,
        pytest.raises(StreamInterrupted, match="stream_idle_timeout"),
    ):
        list(client.chat.completions.create(**ASK, stream=True))


def test_a_connection_that_breaks_before_is_an_interruption(provider, toy):
    provider.reset({"toy": [broken({"say": "hi"}, {"end": "stop"})]})
    with Portkey(config=config(provider)) as client, pytest.raises(StreamInterrupted):
        list(client.chat.completions.create(**ASK, stream=True))


# --- sign-in


class Nobody:
    """Has no credentials, whoever asks."""

    def ready(self) -> bool:
        return False

    def sign(self, target, packet):
        return Failure(target, Fault.SIGN_IN, 401, "no credentials here")


@pytest.fixture
def unsigned(monkeypatch, toy):
    monkeypatch.setattr("portkey_local.compile.targets.signer_of", lambda *_: Nobody())


def keyless(provider) -> dict[str, Any]:
    told = config(provider) | {"provider": "bedrock", "custom_host": provider.target("toy")}
    del told["api_key"]
    return told


def test_a_sign_in_that_fails_is_a_401(provider, unsigned):
    refused = pytest.raises(openai.AuthenticationError, match="no credentials here")
    with Portkey(config=keyless(provider)) as client, refused:
        client.chat.completions.create(**ASK)
    assert provider.received == []


@pytest.mark.anyio
async def test_a_sign_in_that_fails_is_a_401_asynchronously(provider, unsigned):
    async with AsyncPortkey(config=keyless(provider)) as client:
        with pytest.raises(openai.AuthenticationError, match="no credentials here"):
            await client.chat.completions.create(**ASK)
    assert provider.received == []


class Slow(Nobody):
    """Takes longer than anybody waits."""

    def __init__(self):
        self.released = threading.Event()
        self.ended = threading.Event()

    def sign(self, target, packet):
        self.released.wait(30)
        self.ended.set()
        return packet


def test_a_sign_in_is_bounded_by_the_calls_time(provider, unsigned, monkeypatch):
    """A vendor's library cannot be told when to stop, so nobody waits for it."""
    slow = Slow()
    monkeypatch.setattr("portkey_local.compile.targets.signer_of", lambda *_: slow)
    with Portkey(config=keyless(provider)) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**ASK, timeout=0.1)
    assert not slow.ended.is_set()
    slow.released.set()
    assert slow.ended.wait(30)
    assert provider.received == []


def test_a_sign_in_that_fails_closes_no_circuit(provider, unsigned):
    """Nothing was sent, so nothing is known of the provider, unless 401 is listed."""
    for listed, state in (({}, "closed"), ({"failure_status_codes": [401]}, "open")):
        told = keyless(provider) | {"cb_config": {"failure_threshold": 1, **listed}}
        with Portkey(config=told) as client:
            with pytest.raises(openai.AuthenticationError):
                client.chat.completions.create(**ASK)
            status = client.router.status()["config"]
            assert (status["state"], status["attempts"]) == (state, 0)


def test_a_key_that_comes_back_in_a_header_is_not_shown(provider, toy):
    """Of an answer that is not what it must be, too."""
    key = "toy-key-0123456789"
    provider.reset({"toy": [Step(json=[], headers={"x-echo": key})]})
    told = config(provider) | {"api_key": key}
    with Portkey(config=told) as client, pytest.raises(openai.APIError) as caught:
        client.chat.completions.create(**ASK)
    assert caught.value.response.headers["x-echo"] == "[redacted]"
