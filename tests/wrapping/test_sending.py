"""What can be seen of an HTTP client's way is there on the short one, too."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from portkey_local import wrap
from portkey_local.testing import Fault, Loopback, Received, Step, chat, error

KEY = "sk-test-key-of-the-short-way"
ASK: dict[str, Any] = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hello!"}]}
HTTP = importlib.import_module(openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0])


@pytest.fixture(params=["bare", "wrapped"])
def client(request: pytest.FixtureRequest, provider: Loopback) -> Iterator[openai.OpenAI]:
    """A bare client, and a wrapped one: each test holds for both."""
    home = provider.target("home")
    with openai.OpenAI(api_key=KEY, base_url=home, max_retries=0) as bare:
        if request.param == "bare":
            yield bare
        else:
            with wrap(bare) as wrapped:
                yield wrapped


def test_a_redirect_is_followed(client: openai.OpenAI, provider: Loopback) -> None:
    there = {"location": f"{provider.target('there')}/chat/completions"}
    provider.reset({"home": [Step(status=307, headers=there, body=b"")], "there": [chat("there")]})
    answer = client.chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "there"
    assert provider.received[1].json == ASK


def test_cookies_come_back(client: openai.OpenAI, provider: Loopback) -> None:
    provider.reset(lambda _: Step(headers={"set-cookie": "lane=7; Path=/"}))
    client.chat.completions.create(**ASK)
    client.chat.completions.create(**ASK)
    assert [r.headers.get("cookie") for r in provider.received] == [None, "lane=7"]


def test_the_time_and_the_log_are_told(
    client: openai.OpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger=HTTP.__name__):
        raw = client.chat.completions.with_raw_response.create(**ASK)
    assert raw.elapsed.total_seconds() > 0
    told = [record.getMessage() for record in caplog.records if record.name == HTTP.__name__]
    assert len(told) == 1
    assert told[0].startswith("HTTP Request: POST http://127.0.0.1:")
    assert told[0].endswith('/home/chat/completions "HTTP/1.1 200 OK"')


def test_an_error_knows_its_request(client: openai.OpenAI, provider: Loopback) -> None:
    provider.reset(lambda _: Step(fault=Fault.NO_RESPONSE))
    with pytest.raises(openai.APIConnectionError) as caught:
        client.chat.completions.create(**ASK)
    assert caught.value.request.url.path == "/home/chat/completions"
    cause = caught.value.__cause__
    assert isinstance(cause, HTTP.RequestError)
    assert cause.request.method == "POST"


def test_an_answers_text_and_request_are_there(client: openai.OpenAI, provider: Loopback) -> None:
    provider.reset(lambda _: error(400))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**ASK)
    response = caught.value.response
    assert "boom" in response.text
    assert (response.request.method, response.is_closed) == ("POST", True)


def test_a_name_in_the_address_signs_in(client: openai.OpenAI, provider: Loopback) -> None:
    """As httpx has it: a name and a password in a URL become a header."""
    asked: list[Received] = provider.received
    named = client.with_options(base_url=provider.target("home").replace("://", "://ada:secret@"))
    named.chat.completions.create(**ASK)
    assert asked[0].headers["authorization"].startswith("Basic ")


def test_a_host_of_its_own_choice_is_named(client: openai.OpenAI, provider: Loopback) -> None:
    client.chat.completions.create(**ASK, extra_headers={"Host": "models.internal"})
    assert provider.received[0].headers["host"] == "models.internal"


def test_a_header_that_cannot_be_sent_is_the_sdks_own_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIConnectionError) as caught:
        client.chat.completions.create(**ASK, extra_headers={"x-bad": "a\nb"})
    assert isinstance(caught.value.__cause__, HTTP.LocalProtocolError)
