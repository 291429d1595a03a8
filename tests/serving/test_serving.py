"""The server over HTTP: SDKs, plain sockets, and what must be refused."""

from __future__ import annotations

import asyncio
import json
import queue
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import anthropic
import httpx
import openai
import pytest
from tests.serving.running import running

from portkey_local import createHeaders
from portkey_local.errors import ConfigError
from portkey_local.serving import Guard, Settings, service
from portkey_local.serving.running import bind
from portkey_local.testing import Fault, Loopback, Step, chat, chat_stream, error

KEY = "sk-test-key-of-a-provider"
HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]
ASK: dict[str, Any] = {"model": "gpt-x", "messages": HELLO}


def target(provider: Loopback, name: str, **fields: Any) -> dict[str, Any]:
    return {"provider": "openai", "api_key": KEY, "custom_host": provider.target(name), **fields}


def fallback(provider: Loopback) -> dict[str, Any]:
    targets = [target(provider, "first"), target(provider, "second")]
    return {"strategy": {"mode": "fallback"}, "targets": targets}


@pytest.fixture
def url(provider: Loopback) -> Iterator[str]:
    """A server that falls back from the first target to the second."""
    made = service(fallback(provider), max_body=4096)
    with running(made.app) as address:
        yield address


def sdk(url: str, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, **options)


def headers(given: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name.startswith("x-portkey-")}


def test_its_own_config_routes_what_says_nothing(url: str, provider: Loopback) -> None:
    provider.reset({"first": [error(503)]})
    with sdk(url) as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
        stream = client.chat.completions.create(**ASK, stream=True)
        words = [chunk.choices[0].delta.content for chunk in stream]
    assert raw.parse().choices[0].message.content == "from second"
    assert raw.headers["x-portkey-last-used-option-index"] == "config.targets[1]"
    assert raw.headers["x-portkey-provider"] == "openai"
    assert "".join(word or "" for word in words) == "from second"
    assert {r.headers["authorization"] for r in provider.received} == {f"Bearer {KEY}"}


def test_a_request_says_who_is_asked(url: str, provider: Loopback) -> None:
    told = createHeaders(provider="openai", custom_host=provider.target("own"), trace_id="t-1")
    with sdk(url, default_headers=told) as client:
        raw = client.with_options(api_key="sk-own").models.with_raw_response.list()
    seen = provider.received[0]
    assert (seen.target, seen.method, seen.path) == ("own", "GET", "/models")
    assert seen.headers["authorization"] == "Bearer sk-own"
    assert headers(seen.headers) == {}
    assert raw.headers["x-portkey-trace-id"] == "t-1"


def test_what_else_a_request_says_holds_beside_the_servers_config(
    url: str, provider: Loopback
) -> None:
    provider.reset({"first": [Step(fault=Fault.SILENCE)]})
    told = createHeaders(request_timeout=100, metadata={"user": "u-1"})
    with sdk(url, default_headers=told) as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
    assert raw.headers["x-portkey-last-used-option-index"] == "config.targets[1]"
    assert json.loads(raw.headers["x-portkey-metadata"]) == {"user": "u-1"}


def test_the_asynchronous_client(url: str, provider: Loopback) -> None:
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client:
            whole = await client.chat.completions.create(**ASK)
            stream = await client.chat.completions.create(**ASK, stream=True)
            words = [chunk.choices[0].delta.content or "" async for chunk in stream]
            return [whole.choices[0].message.content or "", "".join(words)]

    assert asyncio.run(ask()) == ["from first", "from first"]


def test_anthropics_client_is_answered_by_another_vendor(url: str, provider: Loopback) -> None:
    provider.reset({"first": [error(500)]})
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client:
        message = client.messages.create(model="m", max_tokens=9, messages=HELLO)
        with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
            streamed = stream.get_final_message()
        provider.reset({name: [Step(fault=Fault.RESET)] for name in ("first", "second")})
        with pytest.raises(anthropic.InternalServerError) as caught:
            client.messages.create(model="m", max_tokens=9, messages=HELLO)
    assert [block.text for block in (*message.content, *streamed.content)] == ["from second"] * 2
    assert caught.value.body["error"]["type"] == "api_error"


def test_forms_and_binary_answers_pass(url: str, provider: Loopback) -> None:
    sound = bytes(range(256))
    provider.reset(lambda r: (
        Step(body=sound, content_type="audio/mpeg") if r.path.endswith("speech")
        else Step(json={"text": "words"})
    ))  # fmt: skip
    with sdk(url) as client:
        heard = client.audio.transcriptions.create(model="w", file=("a.wav", sound))
        spoken = client.audio.speech.create(model="t", voice="alloy", input="words").read()
    assert (heard.text, spoken) == ("words", sound)
    assert sound in provider.received[0].body


def test_an_answer_that_is_not_json_falls_back_for_curl_too(url: str, provider: Loopback) -> None:
    provider.reset({"first": [Step(body=b"<html>", content_type="text/html")]})
    answer = httpx.post(f"{url}/v1/chat/completions", json=ASK)  # which accepts anything
    assert answer.json()["choices"][0]["message"]["content"] == "from second"


def test_a_providers_error_and_its_headers_come_through(url: str, provider: Loopback) -> None:
    provider.reset({
        "first": [error(500)],
        "second": [error(429, "slow down", headers={"retry-after": "7", "connection": "close"})],
    })  # fmt: skip
    answer = httpx.post(f"{url}/v1/chat/completions", json=ASK)
    assert (answer.status_code, answer.json()["error"]["message"]) == (429, "slow down")
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers.get_list("date") == answer.headers.get_list("date")[:1]


def test_a_stream_that_breaks_says_so_and_does_not_end(url: str, provider: Loopback) -> None:
    provider.reset({"first": [Step(fault=Fault.CUT_CHUNKED)]})
    words: list[Any] = []
    with sdk(url) as client, pytest.raises(openai.APIError, match="connection broke") as caught:
        words.extend(client.chat.completions.create(**ASK, stream=True))
    assert caught.value.type == "stream_interrupted"
    assert words
    texts: list[bytes] = []
    body = {**ASK, "stream": True}
    url = f"{url}/v1/chat/completions"
    cut = pytest.raises(httpx.RemoteProtocolError)
    with httpx.stream("POST", url, json=body) as raw, cut:
        texts.extend(raw.iter_bytes())
    assert texts
    assert b"[DONE]" not in b"".join(texts)


def test_a_broken_stream_in_anthropics_words(url: str, provider: Loopback) -> None:
    provider.reset({"first": [Step(fault=Fault.CUT_CHUNKED)]})
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client:
        stream = client.messages.create(model="m", max_tokens=9, messages=HELLO, stream=True)
        events: list[Any] = []
        with pytest.raises(anthropic.APIStatusError, match="connection broke"):
            events.extend(stream)
    assert "message_stop" not in [event.type for event in events]


def test_a_broken_stream_of_responses(url: str, provider: Loopback) -> None:
    delta = {"type": "response.output_text.delta", "delta": "a", "sequence_number": 1}
    events = [f"event: {delta['type']}\ndata: {json.dumps(delta)}\n\n".encode()] * 4
    provider.reset({"first": [Step(events=events, fault=Fault.CLEAN_CUT)]})
    with sdk(url) as client:
        stream = client.responses.create(model="m", input="Hello!", stream=True)
        with pytest.raises(openai.APIError, match="terminal event"):
            list(stream)


def test_the_first_event_does_not_wait_for_the_second(url: str, provider: Loopback) -> None:
    provider.reset({"first": [Step(fault=Fault.STALL_STREAM)]})
    body = {**ASK, "stream": True}
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body) as answer:
        chunks = answer.iter_bytes()
        assert b"one " in next(chunks)
        assert provider.open_connections == 1
    assert provider.wait_closed(), "who leaves ends the provider's call, too"


def test_nor_does_the_first_piece_of_speech(url: str, provider: Loopback) -> None:
    pieces = [b"\x00\x01", b"\xff"]
    speech = Step(events=pieces, content_type="audio/mpeg", fault=Fault.STALL_STREAM)
    provider.reset({"first": [speech]})
    body = {"model": "tts", "voice": "alloy", "input": "Hello!"}
    with httpx.stream("POST", f"{url}/v1/audio/speech", json=body) as answer:
        assert next(answer.iter_bytes()) == pieces[0]
    assert provider.wait_closed()


def test_who_leaves_before_the_answer_ends_the_call(provider: Loopback) -> None:
    asked = threading.Event()
    ended: queue.Queue[Any] = queue.Queue()

    def silent(_: Any) -> Step:
        asked.set()
        return Step(fault=Fault.SILENCE)

    provider.reset(silent)
    with running(service(fallback(provider), log=ended.put).app) as url:
        body = json.dumps(ASK).encode()
        with connected(url) as connection:
            connection.sendall(raw_post(body, f"content-length: {len(body)}"))
            assert asked.wait(10)
        left = ended.get(timeout=10)
    assert provider.wait_closed()
    assert [received.target for received in provider.received] == ["first"]
    assert (left.status, left.note) == (None, "the caller left")


def test_two_hundred_streams_at_a_time(provider: Loopback) -> None:
    together = threading.Barrier(200, timeout=20)

    def answer(_: Any) -> Step:
        together.wait()  # nobody is answered before all have asked
        return chat_stream(["from ", "all"])

    provider.reset(answer)

    async def ask(session: aiohttp.ClientSession, url: str) -> bytes:
        body = {**ASK, "stream": True}
        async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
            return await answer.read()  # raises for a stream without HTTP's end

    async def all_ask(url: str) -> list[bytes]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            return await asyncio.gather(*(ask(session, url) for _ in range(200)))

    with running(service(target(provider, "all")).app) as url:
        answers = asyncio.run(all_ask(url))
    texts = [re.findall(rb'"content":"([^"]*)"', answer) for answer in answers]
    assert texts == [[b"from ", b"all"]] * 200
    assert all(answer.endswith(b"data: [DONE]\n\n") for answer in answers)


def connected(url: str) -> socket.socket:
    """Return a connection to a server."""
    address = httpx.URL(url)
    return socket.create_connection((address.host, address.port), timeout=10)


def exchange(url: str, *sent: bytes) -> bytes:
    """Send bytes on one connection, and read until the server hangs up."""
    heard = b""
    with connected(url) as connection:
        for data in sent:
            connection.sendall(data)
        while data := connection.recv(65_536):
            heard += data
    return heard


def raw_post(body: bytes, *lines: str, path: str = "/v1/chat/completions") -> bytes:
    head = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


def test_requests_follow_each_other_on_one_connection(url: str) -> None:
    body = json.dumps(ASK).encode()
    length = f"content-length: {len(body)}"
    heard = exchange(url, raw_post(body, length) + raw_post(body, length, "connection: close"), b"")
    assert heard.count(b"HTTP/1.1 200 OK") == 2
    assert heard.count(b"from first") == 2


def test_a_body_may_come_in_chunks_and_wait_to_be_asked_for(url: str, provider: Loopback) -> None:
    body = json.dumps(ASK).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = raw_post(b"", "transfer-encoding: chunked", "expect: 100-continue", "connection: close")
    assert b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK" in exchange(url, head, chunks)
    assert provider.received[0].json == ASK
    assert "expect" not in provider.received[0].headers


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused(url: str, provider: Loopback, announced: bool) -> None:
    body = b'{"messages": "' + b"x" * 5000 + b'"}'
    content = body if announced else iter([body[:2500], body[2500:]])
    kind = {"content-type": "application/json"}
    answer = httpx.post(f"{url}/v1/chat/completions", content=content, headers=kind)
    assert (answer.status_code, answer.json()["status"]) == (413, "failure")
    assert "4096 bytes" in answer.json()["message"]
    assert provider.received == []


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "words"),
    [
        ("POST", "/v1/chat/completions", {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "not JSON"),
        ("POST", "/v1/chat/completions", {"json": ASK, "headers": {"x-portkey-config": '{"provider": "opnai"}'}}, 400, "did you mean 'openai'"),
        ("POST", "/v1/chat/completions", {"json": ASK, "headers": {"x-portkey-config": "/etc/hosts"}}, 400, "config id"),
        ("POST", "/v1/chat/completions", {"json": ASK, "headers": {"x-portkey-request-timeout": "soon"}}, 400, "milliseconds"),
        ("POST", "/v1/chat/completions", {"json": ASK, "headers": {"origin": "https://page.example"}}, 403, "--allow-origin"),
        ("GET", "/v1/models", {"headers": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}}, 403, "origin"),
        ("POST", "/v1/chat/completions", {"json": ASK, "headers": {"host": "rebound.example:80"}}, 403, "localhost"),
        ("TRACE", "/v1/models", {}, 405, "Ask by"),
        ("POST", "/chat/completions", {"json": ASK}, 404, "below /v1"),
        ("POST", "/", {}, 405, "below /v1"),
    ],
)  # fmt: skip
def test_what_is_refused(
    url: str, provider: Loopback, method: str, path: str, given: Any, status: int, words: str
) -> None:
    answer = httpx.request(method, f"{url}{path}", **given)
    assert (answer.status_code, answer.json()["status"]) == (status, "failure")
    assert words in answer.json()["message"]
    assert provider.received == []


def test_a_log_that_fails_fails_no_call(
    provider: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any) -> None:
        raise BrokenPipeError

    body = json.dumps(ASK).encode()
    length = f"content-length: {len(body)}"
    with running(service(fallback(provider), log=fail).app) as url:
        heard = exchange(url, raw_post(body, length) + raw_post(body, length, "connection: close"))
    assert heard.count(b"HTTP/1.1 200 OK") == 2
    assert "BrokenPipeError in" in caplog.text


def test_a_path_cannot_pose_as_a_line_of_the_log(provider: Loopback) -> None:
    ended: queue.Queue[Any] = queue.Queue()
    with running(service(fallback(provider), log=ended.put).app) as url:
        httpx.get(f"{url}/v1/models%1b%5b2K%c2%9b")
    assert ended.get(timeout=10).path == "/v1/models%1b%5b2K%c2%9b"


def test_what_is_asked_of_the_server_itself(url: str, provider: Loopback) -> None:
    assert httpx.get(f"{url}/v1/health").json() == {"status": "success"}
    assert "/v1/chat/completions" in httpx.get(url).text
    assert httpx.head(url).status_code == 200
    options = httpx.options(f"{url}/v1/models")
    assert (options.status_code, "POST" in options.headers["allow"]) == (204, True)
    assert not any(name.startswith("access-control") for name in options.headers)
    assert provider.received == []


def test_without_a_config_and_without_headers_it_says_what_to_give(provider: Loopback) -> None:
    with running(service().app) as url:
        answer = httpx.post(f"{url}/v1/chat/completions", json=ASK)
    assert (answer.status_code, answer.json()["status"]) == (400, "failure")
    assert "provider" in answer.json()["message"]


def test_a_page_that_is_let_in_can_read_its_answer(provider: Loopback) -> None:
    page = "https://page.example"
    made = service(target(provider, "only"), guard=Guard(origins=(page,)))
    with running(made.app) as url:
        asked = {
            "origin": page,
            "access-control-request-method": "POST",
            "access-control-request-private-network": "true",
        }
        before = httpx.options(f"{url}/v1/chat/completions", headers=asked)
        answer = httpx.post(f"{url}/v1/chat/completions", json=ASK, headers={"origin": page})
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == page
    assert before.headers["access-control-allow-private-network"] == "true"
    assert answer.headers["access-control-allow-origin"] == page
    assert "origin" not in provider.received[0].headers


def test_a_bug_is_one_calls_and_quotes_nothing(
    provider: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    made = service(target(provider, "only"))

    async def fail(_: Any) -> Any:
        raise RuntimeError(KEY)

    usual = made.door.handle_async_request
    made.door.handle_async_request = fail
    with running(made.app) as url:
        answer = httpx.post(f"{url}/v1/chat/completions", json=ASK)
        made.door.handle_async_request = usual
        assert httpx.post(f"{url}/v1/chat/completions", json=ASK).status_code == 200
    assert (answer.status_code, "RuntimeError" in answer.text) == (500, True)
    assert KEY not in answer.text + caplog.text
    assert "test_serving.py:" in caplog.text


def test_a_bug_in_a_stream_cuts_it(provider: Loopback, caplog: pytest.LogCaptureFixture) -> None:
    served: list[Any] = []
    made = service(target(provider, "only"), log=served.append)

    class Failing(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield b"data: 1\n\n"
            raise RuntimeError(KEY)

    async def fail(_: Any) -> Any:
        return httpx.Response(200, stream=Failing())

    made.door.handle_async_request = fail
    with running(made.app) as url, pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{url}/v1/chat/completions", json=ASK)
    assert [each.note for each in served] == ["RuntimeError"]
    assert KEY not in caplog.text
    assert "test_serving.py:" in caplog.text


def test_a_wrong_config_is_refused_before_anything_listens() -> None:
    with pytest.raises(ConfigError, match="did you mean 'openai'"):
        service({"provider": "opnai"})


def test_where_it_does_not_listen() -> None:
    with pytest.raises(ConfigError, match="--allow-remote"):
        bind(Settings(host="0.0.0.0", port=0))
    with pytest.raises(ConfigError, match="no address of this machine"):
        bind(Settings(host="192.0.2.1", port=0, remote=True))
    with bind(Settings(port=0)) as taken, pytest.raises(ConfigError, match="taken"):
        bind(Settings(port=taken.getsockname()[1]))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_it_answers_without_nagles_delay(host: str) -> None:
    """asyncio turns the delay off for sockets whose protocol is said to be TCP."""
    with bind(Settings(host, port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_an_exact_hit_over_http(provider: Loopback) -> None:
    provider.reset({"only": [chat("kept")]})
    made = service(target(provider, "only", cache={"mode": "simple"}))
    with running(made.app) as url:
        told = [httpx.post(f"{url}/v1/chat/completions", json=ASK).headers for _ in range(2)]
    assert [each["x-portkey-cache-status"] for each in told] == ["MISS", "HIT"]
    assert len(provider.received) == 1
