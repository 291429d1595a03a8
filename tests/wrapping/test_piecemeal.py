"""Speech, and whatever else is neither JSON nor events, is handed on as it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from portkey_local import AsyncPortkey, Portkey, transport, wrap
from portkey_local.testing import Fault, Loopback, Step

PIECES = [b"\x00\x01", b"\xff\xfe\r\n\r\n"]
SAY: dict[str, Any] = {"model": "tts", "voice": "alloy", "input": "Hello!"}
ALL = b"".join(PIECES)


def speech(fault: Fault | None = None) -> Step:
    return Step(events=PIECES, content_type="audio/mpeg", fault=fault)


def target(provider: Loopback, name: str = "home") -> dict[str, Any]:
    return {"provider": "openai", "api_key": "sk-test", "custom_host": provider.target(name)}


def client_of(kind: Any, provider: Loopback) -> Any:
    return kind(api_key="sk-test", base_url=provider.target("home"), max_retries=0)


@pytest.fixture(params=["bare", "wrapped", "ours"])
def client(request: pytest.FixtureRequest, provider: Loopback) -> Iterator[Any]:
    """One client after another, the SDK's own first: the others must do as it does."""
    with client_of(openai.OpenAI, provider) as bare:
        match request.param:
            case "ours":
                yield Portkey(config=target(provider))
            case "wrapped":
                yield wrap(bare)
            case _:
                yield bare


def test_a_piece_does_not_wait_for_the_next(client: Any, provider: Loopback) -> None:
    provider.reset({"home": [speech(Fault.STALL_STREAM)]})
    with client, client.audio.speech.with_streaming_response.create(**SAY) as answer:
        assert next(answer.iter_bytes()) == PIECES[0]
        assert answer.headers["content-type"] == "audio/mpeg"
    assert provider.wait_closed(), "who leaves ends the provider's call, too"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK's, on trio
@pytest.mark.anyio
@pytest.mark.parametrize("ours", [True, False])
async def test_nor_with_an_asynchronous_client(ours: bool, provider: Loopback) -> None:
    provider.reset({"home": [speech(Fault.STALL_STREAM)]})
    async with client_of(openai.AsyncOpenAI, provider) as bare:
        made: Any = AsyncPortkey(config=target(provider)) if ours else wrap(bare)
        async with made, made.audio.speech.with_streaming_response.create(**SAY) as answer:
            assert await anext(answer.iter_bytes()) == PIECES[0]


def test_nor_with_an_http_client_of_ones_own(provider: Loopback) -> None:
    provider.reset({"home": [speech(Fault.STALL_STREAM)]})
    url = "https://api.openai.com/v1/audio/speech"
    with (
        httpx.Client(transport=transport(target(provider), library=httpx)) as http,
        http.stream("POST", url, json=SAY) as answer,
    ):
        assert next(answer.iter_bytes()) == PIECES[0]


def read(answer: Any) -> Any:
    return answer.read(), answer.headers.get("content-length"), answer.headers["content-type"]


@pytest.mark.parametrize("body", [ALL, b""])
def test_the_whole_of_it_is_what_the_bare_client_gets(
    body: bytes, client: Any, provider: Loopback
) -> None:
    provider.reset(lambda _: Step(body=body, content_type="audio/mpeg"))
    with client:
        with client.audio.speech.with_streaming_response.create(**SAY) as answer:
            assert read(answer) == (body, str(len(body)), "audio/mpeg")
        assert client.files.content("f").content == body


def test_a_cut_is_no_end(client: Any, provider: Loopback) -> None:
    provider.reset({"home": [speech(Fault.CUT_CHUNKED)]})
    with (
        client,
        client.audio.speech.with_streaming_response.create(**SAY) as answer,
        pytest.raises(Exception, match=r"peer closed connection|connection broke"),
    ):
        answer.read()


def test_who_waits_for_the_whole_gets_it_from_the_next_target(provider: Loopback) -> None:
    provider.reset({"home": [speech(Fault.CUT_CHUNKED)], "other": [speech()]})
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [{"provider": "self"}, target(provider, "other")],
    }
    ways: list[Callable[[Any], Any]] = [
        lambda speak: speak.create(**SAY).content,
        lambda speak: speak.with_raw_response.create(**SAY).parse().content,
    ]
    with client_of(openai.OpenAI, provider) as bare, wrap(bare, config) as client:
        assert [way(client.audio.speech) for way in ways] == [ALL, ALL]
