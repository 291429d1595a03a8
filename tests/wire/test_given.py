"""A user's own HTTP client or transport carries the calls, with its own settings."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import openai
import pytest
from tests.faults.ways import Client, Outcome, run, run_together, target

from portkey_local import AsyncPortkey, Portkey, StreamInterrupted
from portkey_local.testing import Fault, Loopback, Step, chat, chat_stream

LIBRARIES = [name for name in ("httpx", "httpx2") if importlib.util.find_spec(name)]
each_library = pytest.mark.parametrize("name", LIBRARIES)
each_way = pytest.mark.parametrize("way", ["sync", "aiohttp", "trio"])
each_form = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


def own_client(name: str, way: str, **options: Any) -> Any:
    library = importlib.import_module(name)
    kind = library.Client if way == "sync" else library.AsyncClient
    return kind(verify=False, trust_env=False, **options)


def with_own(
    name: str,
    way: str,
    scenario: Callable[[Client, Any], Any],
    config: Any,
    tidy: bool = True,
    **options: Any,
) -> None:
    """Run a scenario with the user's own client, which the user closes."""

    async def whole(client: Client) -> None:
        own = client.inner._driver.wire._client
        try:
            await scenario(client, own)
            await client.close()
            assert not own.is_closed
        finally:
            if way == "sync":
                own.close()
            else:
                await own.aclose()

    own = own_client(name, way, **options)
    run(way, whole, tidy=tidy, config=config, http_client=own)


@each_library
@each_way
@each_form
def test_own_client(stream: bool, way: str, name: str, provider: Loopback) -> None:
    """A client of httpx or httpx2 carries the calls with its headers; it stays the user's to close."""

    async def scenario(client: Client, own: Any) -> None:
        outcome = await client.call(stream=stream)
        assert (outcome.text, outcome.error) == ("from t", None)
        assert provider.received[0].headers["x-mine"] == "yes"
        assert provider.received[0].headers["authorization"].startswith("Bearer sk-")

    config = target(provider.target("t"))
    with_own(name, way, scenario, config, headers={"x-mine": "yes"})
    assert provider.wait_closed()


@pytest.mark.parametrize(
    ("fault", "stream", "kind"),
    [
        (Fault.SILENCE, False, openai.APITimeoutError),
        (Fault.SILENCE, True, openai.APITimeoutError),
        (Fault.HEADERS_THEN_SILENCE, False, openai.APITimeoutError),
        (Fault.HEADERS_THEN_SILENCE, True, openai.APITimeoutError),
        (Fault.DRIP_BODY, False, openai.APITimeoutError),
        (Fault.RESET, False, openai.APIConnectionError),
        (Fault.CUT_BODY, False, openai.APIConnectionError),
        (Fault.CUT_CHUNKED, True, StreamInterrupted),
        (Fault.STALL_STREAM, True, StreamInterrupted),
        (Fault.COMMENTS_STREAM, True, StreamInterrupted),
    ],
)
def test_faults_with_an_own_client(fault: Fault, stream: bool, kind: type) -> None:
    """Time limits hold and failures are the same over a user's own client; its connections close."""

    def check(way: str, name: str) -> None:
        async def scenario(client: Client, own: Any) -> None:
            outcome = await client.call(stream=stream)
            assert type(outcome.error) is kind, repr(outcome.error)
            assert outcome.seconds < 2.7
            assert await client.until(lambda: provider.open_connections == 0)

        with Loopback({"t": [Step(fault=fault)]}) as provider:
            late = kind is openai.APITimeoutError  # else a busy machine must not meet that limit
            limits = {"request_timeout": 200 if late else 20_000, "stream_idle_timeout": 200}
            with_own(name, way, scenario, target(provider.target("t"), **limits), tidy=False)

    run_together(check, ("sync", "aiohttp", "trio"), LIBRARIES, tidy=False)


def test_a_long_stream_with_an_own_client(provider: Loopback) -> None:
    """After its first event a stream has the idle limit, not what was left of the request's."""
    provider.reset({"t": [chat_stream(["a", "b"], done=False, event_gap=0.25)]})

    async def scenario(client: Client, own: Any) -> None:
        outcome = await client.call(stream=True)
        assert (outcome.text, outcome.error) == ("ab", None)

    limits = {"request_timeout": 200, "stream_idle_timeout": 1000}
    config = target(provider.target("t"), **limits)
    run_together(
        lambda way, name: with_own(name, way, scenario, config),
        ("sync", "aiohttp", "trio"),
        LIBRARIES,
    )


def test_idle_limit_alone_with_an_own_client(provider: Loopback) -> None:
    """A stalled stream breaks by its idle limit, however long the request's own limit is."""
    provider.reset({"t": [Step(fault=Fault.STALL_STREAM)]})

    async def scenario(client: Client, own: Any) -> None:
        outcome = await client.call(stream=True)
        assert type(outcome.error) is StreamInterrupted
        assert outcome.seconds < 2.7

    limits = {"request_timeout": 9000, "stream_idle_timeout": 150}
    config = target(provider.target("t"), **limits)
    run_together(
        lambda way, name: with_own(name, way, scenario, config),
        ("sync", "aiohttp", "trio"),
        LIBRARIES,
    )


@each_library
@each_form
def test_bare_transports(stream: bool, name: str) -> None:
    """A transport alone, such as MockTransport, is a wire too, for both clients."""
    library = importlib.import_module(name)
    step = chat_stream(["hel", "lo"]) if stream else chat("hello")
    kind = "text/event-stream" if stream else "application/json"

    def handler(request: Any) -> Any:
        assert str(request.url) == "https://host.example/v1/chat/completions"
        content = b"".join(step.pieces or ())
        return library.Response(200, headers={"content-type": kind}, content=content)

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=stream)
        assert (outcome.text, outcome.error) == ("hello", None)

    for way in ("sync", "aiohttp", "trio"):
        config = target("https://host.example/v1")
        run(way, scenario, config=config, http_client=library.MockTransport(handler))


@each_library
@each_way
def test_a_transport_that_raises(way: str, name: str) -> None:
    """The library's own errors become ours, and the next target is asked."""
    library = importlib.import_module(name)

    def handler(request: Any) -> Any:
        match request.url.host:
            case "refused.example":
                raise library.ConnectError("nobody there")
            case "slow.example":
                raise library.ReadTimeout("too slow")
        return library.Response(200, content=(chat("hello").pieces or (b"",))[0])

    async def refused(client: Client) -> None:
        outcome = await client.call()
        assert type(outcome.error) is openai.APIConnectionError
        assert "nobody there" in str(outcome.error)

    async def slow(client: Client) -> None:
        assert type((await client.call()).error) is openai.APITimeoutError

    async def moves_on(client: Client) -> None:
        outcome = await client.call()
        assert (outcome.text, outcome.error) == ("hello", None)

    transport = library.MockTransport(handler)
    run(way, refused, config=target("https://refused.example"), http_client=transport)
    run(way, slow, config=target("https://slow.example"), http_client=transport)
    names = ("refused", "slow", "good")
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [target(f"https://{name}.example") for name in names],
    }
    run(way, moves_on, config=config, http_client=transport)


@each_library
def test_wrong_kinds(name: str) -> None:
    """What is no client, or the other kind of client, is refused at construction with its name."""
    library = importlib.import_module(name)
    config = target("https://host.example/v1")
    for wrong in (object(), "httpx", library.Client, 3.5):
        for kind in (Portkey, AsyncPortkey):
            with pytest.raises(TypeError, match="http_client"):
                kind(config=config, http_client=wrong)
    blocking = library.Client(verify=False)
    with blocking, pytest.raises(TypeError, match="AsyncClient"):
        AsyncPortkey(config=config, http_client=blocking)
    with pytest.raises(TypeError, match="Client"):
        Portkey(config=config, http_client=library.AsyncClient(verify=False))


def test_unused_own_client_is_left_alone(provider: Loopback) -> None:
    """Closing our client never closes the user's."""
    own = own_client(LIBRARIES[0], "sync")
    Portkey(config=target(provider.target("t")), http_client=own).close()
    assert own.get(provider.target("t")).status_code == 200
    own.close()


def test_outcome_of_an_unread_stream(provider: Loopback) -> None:
    """A stream over an own client that is left early closes its connection."""
    provider.reset({"t": [chat_stream(["a"] * 100, event_gap=0.02)]})

    async def scenario(client: Client, own: Any) -> None:
        stream = await client.create(stream=True)
        outcome = Outcome(texts=[(await client.next(stream)).choices[0].delta.content])
        await client.close(stream)
        assert outcome.text == "a"
        assert await client.until(lambda: provider.open_connections == 0)

    for way in ("sync", "aiohttp", "trio"):
        # httpx leaves its inner generators to the collector, whoever closes the outer one.
        with_own(LIBRARIES[0], way, scenario, target(provider.target("t")), tidy=False)
