"""How connections are made, kept, limited and shared out, on every wire."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import trio
from tests.faults.ways import ASYNC_WAYS, WAYS, Client, run, target
from tests.wire.servers import Forwarder, Proxy, Server, certificate

from portkey_local import ConfigError, Connections
from portkey_local.testing import Fault, Loopback, Received, Step, chat, chat_stream

each_way = pytest.mark.parametrize("way", WAYS)
each_async_way = pytest.mark.parametrize("way", ASYNC_WAYS)
each_form = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


class Counting(Loopback):
    """A provider that counts the connections it was opened, and the most it had at once."""

    def __init__(self, *script: Any) -> None:
        super().__init__(*script)
        self.accepted = 0
        self.most = 0

    def _welcome(self, connection: Any) -> None:
        self.accepted += 1
        super()._welcome(connection)
        self.most = max(self.most, self.open_connections)


@pytest.fixture
def provider() -> Iterator[Counting]:
    with Counting() as server:
        yield server


def port_of(provider: Loopback) -> int:
    return int(provider.url.rpartition(":")[2])


# ------------------------------------------------------------------------------- kept and limited


@each_way
@each_form
def test_calls_share_one_connection(stream: bool, way: str, provider: Counting) -> None:
    """Calls one after the other, plain or streams read to their end, use one connection."""

    async def scenario(client: Client) -> None:
        for number in range(12):
            name = f"t{number % 3}"
            again = client.inner.with_options(config=target(provider.target(name)))
            other = Client.__new__(Client)
            other.way, other.inner = way, again
            assert (await other.call(stream=stream)).text == f"from {name}"
        assert provider.accepted == 1

    run(way, scenario, config=target(provider.target("t")))
    assert provider.wait_closed()


@each_way
def test_a_stream_in_pieces_gives_its_connection_back(way: str, provider: Counting) -> None:
    """The end of a chunked body may come after `[DONE]`; the connection is still kept."""
    step = chat_stream(["a", "b"], event_gap=0.01)
    provider.reset({"t": [step]})

    async def scenario(client: Client) -> None:
        for _ in range(4):
            assert (await client.call(stream=True)).text == "ab"
        assert provider.accepted == 1

    run(way, scenario, config=target(provider.target("t")))


@each_way
def test_error_answers_give_their_connection_back(way: str, provider: Counting) -> None:
    """A status that fails a call does not cost its connection."""
    provider.reset({"t": [Step(status=500), Step(status=429), Step(status=404), Step()]})

    async def scenario(client: Client) -> None:
        for _ in range(3):
            assert isinstance((await client.call()).error, openai.APIStatusError)
        assert (await client.call()).text == "from t"
        assert provider.accepted == 1

    run(way, scenario, config=target(provider.target("t")))


@each_way
def test_connection_limit(way: str, provider: Counting) -> None:
    """With two connections at most, ten calls at once take turns and all are answered."""
    provider.reset(lambda received: chat(received.json["user"], delay=0.01))
    texts: list[str] = []

    async def scenario(client: Client) -> None:
        async def ask(number: int) -> None:
            texts.append((await client.call(user=str(number))).text)

        match way:
            case "sync":
                threads = [threading.Thread(target=lambda n=n: _finish(ask(n))) for n in range(10)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(5)
            case "trio":
                async with trio.open_nursery() as nursery:
                    for number in range(10):
                        nursery.start_soon(ask, number)
            case _:
                await asyncio.gather(*(ask(number) for number in range(10)))
        assert sorted(texts) == sorted(str(number) for number in range(10))
        assert provider.most <= 2

    run(
        way,
        scenario,
        config=target(provider.target("t")),
        connections=Connections(max_connections=2),
        timeout=5,
    )


def _finish(coroutine: Any) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return


@each_way
def test_no_connection_in_time(way: str, provider: Counting) -> None:
    """Waiting for a free connection counts towards the limit of a call."""
    provider.reset({"t": [Step(fault=Fault.STALL_STREAM), Step()]})

    async def scenario(client: Client) -> None:
        stream = await client.create(stream=True)
        await client.next(stream)
        outcome = await client.call()
        assert type(outcome.error) is openai.APITimeoutError
        assert outcome.seconds < 2.7
        await client.close(stream)
        assert (await client.call()).text == "from t"

    run(
        way,
        scenario,
        config=target(provider.target("t"), request_timeout=200),
        connections=Connections(max_connections=1),
    )


@each_way
def test_a_connection_that_the_provider_closed(way: str, provider: Counting) -> None:
    """A kept connection that the provider has closed meanwhile does not fail the next call."""
    provider.reset(lambda received: chat("hello", headers={"connection": "keep-alive"}))

    async def scenario(client: Client) -> None:
        assert (await client.call()).text == "hello"
        with provider._changed:
            for connection in provider._connections:
                connection.hang_up()
        assert provider.wait_closed(1)
        await client.sleep(0.02)
        assert (await client.call()).text == "hello"
        assert provider.accepted == 2

    run(way, scenario, config=target(provider.target("t")))


class Talkative(Server):
    """Answers each request, and sends one more answer that nobody asked for."""

    def __init__(self) -> None:
        self.answers = 0
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        while self._whole_request(client):
            self.answers += 1
            client.sendall(answer(f"answer {self.answers}") + answer("nobody asked for this"))

    def _whole_request(self, client: socket.socket) -> bool:
        data = b""
        while not data.endswith(b"}"):
            more = client.recv(65_536)
            if not more:
                return False
            data += more
        return True


def answer(text: str) -> bytes:
    body = chat(text).pieces[0]  # type: ignore[index]
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


@each_way
def test_an_answer_nobody_asked_for_is_never_read(way: str) -> None:
    """Bytes beyond the end of an answer are not taken for the answer of the next call."""

    async def scenario(client: Client) -> None:
        for number in range(1, 4):
            assert (await client.call()).text == f"answer {number}"

    with Talkative() as server:
        run(way, scenario, config=target(f"http://127.0.0.1:{server.port}/v1"))


# ------------------------------------------------------------------------------------- ways out


@each_way
@each_form
def test_proxy_of_the_environment(
    stream: bool, way: str, provider: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY carries a call, which names the whole address; the sign-in stays the proxy's."""

    async def scenario(client: Client) -> None:
        assert (await client.call(stream=stream)).text == "from t"

    with Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:word@127.0.0.1:{proxy.port}")
        run(way, scenario, config=target(provider.target("t")))
        assert proxy.lines == [f"POST {provider.target('t')}/chat/completions HTTP/1.1"]
        assert "proxy-authorization: basic dxnlcjp3b3jk" in proxy.heads[0].lower()


@each_way
@pytest.mark.parametrize("exception", ["127.0.0.1", "localhost,127.0.0.1", "*"])
def test_no_proxy(
    exception: str, way: str, provider: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY keeps a host away from the proxy."""

    async def scenario(client: Client) -> None:
        assert (await client.call()).text == "from t"

    with Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", exception)
        run(way, scenario, config=target(provider.target("t")))
        assert proxy.heads == []


@each_way
def test_all_proxy_and_trust_env(
    way: str, provider: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ALL_PROXY stands in for the scheme's own; `trust_env=False` reads none; `proxy` beats all."""

    async def scenario(client: Client) -> None:
        assert (await client.call()).text == "from t"

    config = target(provider.target("t"))
    with Proxy() as named, Proxy() as given:
        monkeypatch.setenv("ALL_PROXY", f"127.0.0.1:{named.port}")
        run(way, scenario, config=config)
        assert len(named.heads) == 1
        run(way, scenario, config=config, connections=Connections(trust_env=False))
        assert len(named.heads) == 1
        address = f"http://127.0.0.1:{given.port}"
        run(way, scenario, config=config, connections=Connections(proxy=address))
        assert (len(named.heads), len(given.heads)) == (1, 1)


@each_way
def test_a_proxy_that_is_gone(way: str, provider: Counting) -> None:
    """A proxy that cannot be reached fails the call as the network does; its password stays hidden."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        proxy = f"http://user:hidden-word@127.0.0.1:{bound.getsockname()[1]}"

        async def scenario(client: Client) -> None:
            outcome = await client.call()
            assert type(outcome.error) is openai.APIConnectionError
            error: BaseException | None = outcome.error
            while error is not None:
                assert "hidden-word" not in f"{error} {error!r}"
                error = error.__cause__
            assert provider.received == []

        config = target(provider.target("t"))
        run(way, scenario, config=config, connections=Connections(proxy=proxy))


@each_way
def test_ipv6_address(way: str, provider: Counting) -> None:
    """An IPv6 address in brackets is called, and named with its brackets in the Host header."""

    async def scenario(client: Client) -> None:
        assert (await client.call()).text == "from t"

    try:
        forwarder = Forwarder(port_of(provider), "::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with forwarder:
        run(way, scenario, config=target(f"http://[::1]:{forwarder.port}/t"))
        assert provider.received[0].headers["host"] == f"[::1]:{forwarder.port}"


@each_way
@pytest.mark.parametrize("end", ["", "/"])
def test_base_url_with_a_path(end: str, way: str, provider: Counting) -> None:
    """A request's path is appended to the address's own, with one slash between them."""

    async def scenario(client: Client) -> None:
        outcome = await client.call()
        assert outcome.text == "from t"
        (received,) = provider.received
        assert received.path == "/a%20b/v1/chat/completions"
        assert received.query == "api-version=1&x=%C3%BC"

    config = target(provider.target("t") + "/a%20b/v1" + end)
    run(way, scenario, config=config, default_query={"api-version": "1", "x": "ü"})


def test_base_url_with_a_query() -> None:
    """An address with a query is refused at construction: parameters are `default_query`'s."""
    for way in ("sync", "aiohttp"):
        with pytest.raises(ConfigError, match="custom_host"):
            Client(way, config=target("http://127.0.0.1:1/v1?api-version=1"))


# ------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure(provider: Counting, files: tuple[Path, Path, Path]) -> Iterator[Forwarder]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[2])
    with Forwarder(port_of(provider), tls=context) as forwarder:
        yield forwarder


@each_way
@pytest.mark.parametrize("kind", ["file", "context", "none"])
def test_own_authority(
    kind: str, way: str, secure: Forwarder, files: tuple[Path, Path, Path]
) -> None:
    """A path or a TLS context is trusted as told, and False checks nothing; calls share a connection."""
    verify = {
        "file": str(files[0]),
        "context": ssl.create_default_context(cafile=str(files[0])),
        "none": False,
    }[kind]

    async def scenario(client: Client) -> None:
        assert (await client.call()).text == "from t"
        assert (await client.call(stream=True)).text == "from t"
        assert secure.accepted == 1

    config = target(f"https://127.0.0.1:{secure.port}/t")
    run(way, scenario, config=config, connections=Connections(verify=verify))


@each_way
def test_an_unknown_authority_is_refused(way: str, secure: Forwarder) -> None:
    """A certificate of an authority nobody trusts fails the call as the network does."""

    async def scenario(client: Client) -> None:
        outcome = await client.call()
        assert type(outcome.error) is openai.APIConnectionError
        assert "certificate" in str(outcome.error).lower()

    config = target(f"https://127.0.0.1:{secure.port}/t")
    run(way, scenario, config=config)


@each_way
def test_a_certificate_of_another_host_is_refused(
    way: str, secure: Forwarder, files: tuple[Path, Path, Path]
) -> None:
    """A trusted authority's certificate does not serve for another name."""

    async def scenario(client: Client) -> None:
        outcome = await client.call()
        assert type(outcome.error) is openai.APIConnectionError

    config = target(f"https://127.0.0.2:{secure.port}/t")
    connections = Connections(verify=str(files[0]))
    if os.name == "nt" or not Path("/proc").exists():
        pytest.skip("127.0.0.2 is an address of this machine on Linux only")
    with Forwarder(secure.port, "127.0.0.2") as other:
        config["custom_host"] = f"https://127.0.0.2:{other.port}/t"
        run(way, scenario, config=config, connections=connections)


@each_way
def test_tls_through_a_proxy(
    way: str, secure: Forwarder, files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY is asked for a tunnel, and sees neither the path nor the key."""

    async def scenario(client: Client) -> None:
        assert (await client.call()).text == "from t"

    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        config = target(f"https://127.0.0.1:{secure.port}/t")
        run(way, scenario, config=config, connections=Connections(verify=str(files[0])))
        assert proxy.lines == [f"CONNECT 127.0.0.1:{secure.port} HTTP/1.1"]
        assert "authorization" not in proxy.heads[0].lower()


# --------------------------------------------------------------------------------- content codings


def raw_deflate(data: bytes) -> bytes:
    press = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return press.compress(data) + press.flush()


CODINGS = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without its header": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
}


@each_way
@each_form
@pytest.mark.parametrize("name", CODINGS)
def test_content_codings(name: str, stream: bool, way: str, provider: Counting) -> None:
    """Pressed answers, plain and streamed, come out as they went in."""
    coding, press = CODINGS[name]
    whole = b"".join(
        (chat_stream(["hello ", "world"]) if stream else chat("hello world")).pieces or ()
    )
    pressed = press(whole)
    pieces = [pressed[at : at + 20] for at in range(0, len(pressed), 20)]
    kind = "text/event-stream" if stream else "application/json"
    headers = {"content-encoding": coding}
    provider.reset({"t": [Step(events=pieces, headers=headers, content_type=kind)]})

    async def scenario(client: Client) -> None:
        for _ in range(2):
            outcome = await client.call(stream=stream)
            assert (outcome.text, outcome.error) == ("hello world", None)
        accepted = provider.received[0].headers["accept-encoding"]
        assert "gzip" in accepted
        assert "deflate" in accepted

    run(way, scenario, config=target(provider.target("t")))


def flushed(parts: list[bytes]) -> list[bytes]:
    """Press each part so that it can be read when it is there, as a streaming server does."""
    press = zlib.compressobj(wbits=31)
    done = [press.compress(part) + press.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    return [*done, press.flush()]


@each_way
def test_pressed_events_come_one_by_one(way: str, provider: Counting) -> None:
    """An event of a pressed stream is given out when it arrives, not at the end."""
    step = chat_stream(["a", "b"])
    pieces = flushed(list(step.pieces or ()))
    headers = {"content-encoding": "gzip"}
    kind = "text/event-stream"
    provider.reset({"t": [Step(events=pieces, headers=headers, content_type=kind, event_gap=0.15)]})

    async def scenario(client: Client) -> None:
        stream = await client.create(stream=True)
        await client.next(stream)
        await client.close(stream)

    limits = {"request_timeout": 140}
    run(way, scenario, config=target(provider.target("t"), **limits))


@each_way
@pytest.mark.parametrize(
    "body",
    [b"not pressed at all", gzip.compress(b'{"a": 1}' * 50)[:-12]],
    ids=["not pressed", "cut short"],
)
def test_a_broken_coding(body: bytes, way: str, provider: Counting) -> None:
    """A body that is not pressed as its header says, or is cut inside, fails the attempt."""
    step = Step(body=body, headers={"content-encoding": "gzip"})
    provider.reset({"t": [step, Step()]})

    async def scenario(client: Client) -> None:
        outcome = await client.call()
        assert isinstance(outcome.error, openai.APIError), repr(outcome.error)
        assert not isinstance(outcome.error, openai.APIStatusError)
        assert (await client.call()).text == "from t"

    run(way, scenario, config=target(provider.target("t")))


@each_way
def test_a_pressed_error(way: str, provider: Counting) -> None:
    """The body of an error is unpressed too."""
    content = gzip.compress(json.dumps({"error": {"message": "too fast"}}).encode())
    step = Step(status=429, body=content, headers={"content-encoding": "gzip"})
    provider.reset({"t": [step]})

    async def scenario(client: Client) -> None:
        outcome = await client.call()
        assert type(outcome.error) is openai.RateLimitError
        assert "too fast" in str(outcome.error)

    run(way, scenario, config=target(provider.target("t")))


def test_received_is_what_was_sent(provider: Counting) -> None:
    """The bytes of a request are the SDK's own: compact JSON, UTF-8, one content-length."""

    async def scenario(client: Client) -> None:
        await client.create(user="Grüße")

    for way in WAYS:
        provider.reset()
        run(way, scenario, config=target(provider.target("t")))
        (received,) = provider.received
        assert isinstance(received, Received)
        assert '"user":"Grüße"'.encode() in received.body
        assert received.headers["content-length"] == str(len(received.body))
        assert received.headers["content-type"] == "application/json"
