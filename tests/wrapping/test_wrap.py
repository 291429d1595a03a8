"""A wrapped client is the client it was: routed where it asks a model, and else untouched."""

from __future__ import annotations

import copy
import importlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import anthropic
import anyio
import openai
import pytest
from pydantic import BaseModel

from portkey_local import ConfigError, Portkey, wrap
from portkey_local.testing import Fault, Loopback, Received, Step, chat, error

KEY = "sk-test-key-of-its-own"
OTHER_KEY = "gsk-test-key-of-the-other"
ASK: dict[str, Any] = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hello!"}]}
HTTP = importlib.import_module(openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0])


def fallback(server: Loopback, **own: Any) -> dict[str, Any]:
    """Return a config that asks the client itself, then another provider."""
    other = {"provider": "groq", "api_key": OTHER_KEY, "custom_host": server.target("other")}
    targets = [{"provider": "self", **own}, {**other, "override_params": {"model": "llama"}}]
    return {"strategy": {"mode": "fallback"}, "targets": targets}


@pytest.fixture
def bare(provider: Loopback) -> Iterator[openai.OpenAI]:
    """A bare client at home."""
    with openai.OpenAI(api_key=KEY, base_url=provider.target("home"), timeout=7) as client:
        yield client


@pytest.fixture
def wrapped(bare: openai.OpenAI) -> Iterator[openai.OpenAI]:
    """The same client, wrapped, without a config."""
    with wrap(bare) as client:
        yield client


def test_it_is_a_client_of_the_same_class_with_the_same_settings(bare: openai.OpenAI) -> None:
    with wrap(bare) as client:
        assert type(client) is openai.OpenAI
        assert (client.api_key, client.base_url, client.timeout) == (KEY, bare.base_url, 7)
        assert (client.max_retries, bare.max_retries) == (0, openai.DEFAULT_MAX_RETRIES)


def test_it_falls_back_and_tells_the_other_provider_none_of_its_own_secrets(
    bare: openai.OpenAI, provider: Loopback
) -> None:
    provider.reset({"home": [error(503)], "other": [chat("from the other")]})
    told = bare.with_options(default_headers={"helicone-auth": "mine", "x-team": "blue"})
    with wrap(told, fallback(provider)) as client:
        answer = client.chat.completions.create(**ASK)
        assert answer.choices[0].message.content == "from the other"
    first, second = provider.received
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert second.headers["authorization"] == f"Bearer {OTHER_KEY}"
    assert second.json["model"] == "llama"
    assert (first.headers["helicone-auth"], second.headers["x-team"]) == ("mine", "blue")
    assert KEY not in str(second)
    assert "helicone-auth" not in second.headers


def test_another_provider_steers_none_of_the_clients_requests(
    bare: openai.OpenAI, provider: Loopback
) -> None:
    """Its redirect would take the client's key along, its cookie would go to the client's host."""
    there = {"location": f"{provider.target('there')}/chat/completions"}
    moved = Step(status=307, headers=there, body=b"")
    baked = Step(headers={"set-cookie": "lane=7; Path=/"})
    provider.reset({"home": [error(503), error(503), Step()], "other": [moved, baked]})
    with wrap(bare, fallback(provider)) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(**ASK)
        client.chat.completions.create(**ASK)
        client.files.list()
    assert caught.value.status_code == 307
    assert [r.target for r in provider.received] == ["home", "other", "home", "other", "home"]
    assert "cookie" not in provider.received[-1].headers


def test_another_provider_sees_no_secret_of_the_address(
    bare: openai.OpenAI, provider: Loopback
) -> None:
    provider.reset({"home": [error(503)]})
    told = bare.with_options(default_query={"subscription-key": "mine", "team": "blue"})
    with wrap(told, fallback(provider)) as client:
        client.chat.completions.create(**ASK)
    assert [r.query for r in provider.received] == ["subscription-key=mine&team=blue", "team=blue"]


def test_it_retries_as_the_config_says_and_raises_the_sdks_own_error(
    bare: openai.OpenAI, provider: Loopback
) -> None:
    provider.reset({"home": [error(429)]})
    config = {"provider": "self", "retry": {"attempts": 1, "on_status_codes": [429]}}
    with wrap(bare, config) as client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**ASK)
    assert len(provider.received) == 2
    assert caught.value.response.headers["x-portkey-retry-attempt-count"] == "-1"


def test_self_may_stand_anywhere_in_the_tree(bare: openai.OpenAI, provider: Loopback) -> None:
    inner = fallback(provider, override_params={"temperature": 0})
    config = {
        "strategy": {
            "mode": "conditional",
            "conditions": [{"query": {"params.model": "gpt-x"}, "then": "group"}],
        },
        "targets": [{"name": "group", **inner}, {"name": "plain", "provider": "self"}],
    }
    with wrap(bare, config) as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
    assert raw.headers["x-portkey-last-used-option-index"] == "config.targets[0].targets[0]"
    assert provider.received[0].json == {**ASK, "temperature": 0}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_lives_at_its_provider_is_never_routed(
    bare: openai.OpenAI, provider: Loopback
) -> None:
    other = fallback(provider)["targets"][1]
    with wrap(bare, other) as client:
        client.files.list()
        client.beta.threads.messages.create("thread_1", role="user", content="Hello!")
        client.chat.completions.create(**ASK)
    assert [r.target for r in provider.received] == ["home", "home", "other"]


def test_an_api_root_may_have_any_name(bare: openai.OpenAI, provider: Loopback) -> None:
    home = f"{provider.target('organization')}/acme/v1"
    with wrap(bare.with_options(base_url=home)) as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
    assert raw.headers["x-portkey-provider"] == "self"


def test_azure_keeps_its_addresses_and_others_get_none_of_them(provider: Loopback) -> None:
    provider.reset({"openai": [error(500)], "other": [chat("from the other")]})
    config = fallback(provider, override_params={"model": "small"})
    with (
        openai.AzureOpenAI(
            api_key=KEY, azure_endpoint=provider.url, api_version="2024-10-21"
        ) as bare,
        wrap(bare, config) as client,
    ):
        client.chat.completions.create(**ASK)
    first, second = provider.received
    assert first.path == "/deployments/small/chat/completions"
    assert (first.query, first.headers["api-key"]) == ("api-version=2024-10-21", KEY)
    assert (second.path, second.query) == ("/chat/completions", "")
    assert "api-key" not in second.headers


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (Step(fault=Fault.RESET), openai.APIConnectionError),
        (Step(fault=Fault.SILENCE), openai.APITimeoutError),
        (error(401), openai.AuthenticationError),
        (error(500), openai.InternalServerError),
    ],
)
def test_failures_are_the_sdks_own(
    step: Step, kind: type[Exception], bare: openai.OpenAI, provider: Loopback
) -> None:
    provider.reset(lambda _: step)
    with wrap(bare) as client, pytest.raises(openai.APIError) as caught:
        client.with_options(timeout=0.2).chat.completions.create(**ASK)
    assert type(caught.value) is kind


@pytest.mark.parametrize("fault", [Fault.CUT_CHUNKED, Fault.CLEAN_CUT])
def test_a_stream_that_breaks_is_never_taken_for_whole(
    fault: Fault, wrapped: openai.OpenAI, provider: Loopback
) -> None:
    one = '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}'
    provider.reset(lambda _: Step(events=[one] * 6 + ["[DONE]"], fault=fault))
    read = []
    # The library's own error, which openai 2 lets out, and openai 3 makes its own of.
    with pytest.raises((HTTP.RemoteProtocolError, openai.APIConnectionError)):
        read.extend(wrapped.chat.completions.create(**ASK, stream=True))
    assert read


def test_an_error_event_is_the_sdks_own_error(bare: openai.OpenAI, provider: Loopback) -> None:
    event = '{"error": {"message": "no more", "type": "server_error", "code": "x"}}'
    provider.reset(lambda _: Step(events=[event]))

    def raised(client: openai.OpenAI) -> openai.APIError:
        with pytest.raises(openai.APIError) as caught:
            list(client.chat.completions.create(**ASK, stream=True))
        return caught.value

    with wrap(bare) as client:
        ours, theirs = raised(client), raised(bare)
    assert type(ours) is type(theirs)
    assert (ours.message, ours.body, ours.code) == (theirs.message, theirs.body, theirs.code)


def test_anthropic_streams_errors_and_falls_back_among_its_own(provider: Loopback) -> None:
    overloaded = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    provider.reset({"home": [Step(events=[overloaded])], "second": [error(529)]})
    ask = {"model": "claude-x", "max_tokens": 9, "messages": ASK["messages"]}
    second = {
        "provider": "anthropic",
        "api_key": OTHER_KEY,
        "custom_host": provider.target("second"),
    }
    config = {"strategy": {"mode": "fallback"}, "targets": [{"provider": "self"}, second]}
    with anthropic.Anthropic(api_key=KEY, base_url=provider.target("home"), max_retries=0) as bare:
        with wrap(bare) as client:
            for each in (bare, client):
                with pytest.raises(anthropic.APIStatusError, match="busy"):
                    list(each.messages.create(**ask, stream=True))
        with wrap(bare, config) as client, pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.create(**ask, stream=True)
    assert caught.value.status_code == 529
    last = provider.received[-1]
    assert (last.target, last.path, last.headers["x-api-key"]) == ("second", "/messages", OTHER_KEY)


class Answer(BaseModel):
    """What is asked for."""

    name: str


def by_parse(client: openai.OpenAI) -> Any:
    return client.chat.completions.parse(**ASK, response_format=Answer).choices[0].message.parsed


def by_stream(client: openai.OpenAI) -> Any:
    with client.chat.completions.stream(**ASK) as stream:
        return stream.get_final_completion().choices[0].message.content


def by_streaming_response(client: openai.OpenAI) -> Any:
    with client.chat.completions.with_streaming_response.create(**ASK) as response:
        return b"".join(response.iter_bytes())


def by_download(client: openai.OpenAI) -> Any:
    with client.files.with_streaming_response.content("f") as response:
        return response.read()


def by_pages(client: openai.OpenAI) -> Any:
    return [entry.id for entry in client.batches.list(limit=1)]


WAYS = [by_parse, by_stream, by_streaming_response, by_download, by_pages]


def script(received: Received) -> Step:
    if received.path == "/batches":
        after = "after=" in received.query
        entry = {"id": "b2" if after else "b1", "object": "batch"}
        return Step(json={"object": "list", "data": [entry], "has_more": not after})
    if received.path.startswith("/files"):
        return Step(body=b"\x00\x01", content_type="application/octet-stream")
    return Step() if received.wants_stream else chat('{"name": "Ada"}')


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_call_it_survives(
    way: Callable[[openai.OpenAI], Any], bare: openai.OpenAI, provider: Loopback
) -> None:
    provider.reset(script)
    with wrap(bare) as client:
        assert way(client) == way(client.with_options(timeout=5)) == way(bare)


def test_a_copy_may_have_another_key_and_another_host(
    wrapped: openai.OpenAI, provider: Loopback
) -> None:
    other = wrapped.with_options(api_key=OTHER_KEY, base_url=provider.target("elsewhere"))
    other.chat.completions.create(**ASK, extra_query={"q": "1"}, extra_headers={"x-one": "1"})
    seen = provider.received[0]
    assert (seen.target, seen.query, seen.headers["x-one"]) == ("elsewhere", "q=1", "1")
    assert seen.headers["authorization"] == f"Bearer {OTHER_KEY}"


def test_answers_are_kept_apart_by_key_and_host(bare: openai.OpenAI, provider: Loopback) -> None:
    with wrap(bare, {"provider": "self", "cache": {"mode": "simple"}}) as client:
        for each in (client, client, client.with_options(api_key=OTHER_KEY)):
            each.chat.completions.create(**ASK)
        client.with_options(base_url=provider.target("b")).chat.completions.create(**ASK)
    assert len(provider.received) == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of half a copy
@pytest.mark.parametrize("do", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copying_and_pickling_are_as_with_the_bare_client(
    do: Callable[[Any], Any], bare: openai.OpenAI, wrapped: openai.OpenAI, provider: Loopback
) -> None:
    def outcome(client: openai.OpenAI) -> Any:
        try:
            made = do(client)
        except Exception as error:  # noqa: BLE001 - as the bare client does
            return type(error)
        if isinstance(made, openai.OpenAI):
            made.chat.completions.create(**ASK)
        return type(made)

    assert outcome(wrapped) == outcome(bare)


def test_closing_it_leaves_the_clients_own_open(bare: openai.OpenAI, provider: Loopback) -> None:
    client = wrap(bare)
    client.chat.completions.create(**ASK)
    client.close()
    client.close()
    assert (client.is_closed(), bare.is_closed()) == (True, False)
    bare.chat.completions.create(**ASK)
    with pytest.raises((RuntimeError, openai.APIConnectionError)):  # openai 3 and 2
        client.chat.completions.create(**ASK)


VERTEX = anthropic.AnthropicVertex(region="here", project_id="p", access_token="t")


@pytest.mark.parametrize(
    ("client", "message"),
    [
        (object(), r"not object.*portkey_local\.transport"),
        (openai, r"not module.*portkey_local\.transport"),
        (openai.OpenAI, r"not OpenAI.*portkey_local\.transport"),
        (VERTEX, r"not AnthropicVertex.*portkey_local\.transport"),
        (Portkey(provider="openai", Authorization="none"), "routed already"),
    ],
)
def test_what_is_no_client_is_refused(client: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        wrap(client)


def test_what_is_told_wrong_is_refused(bare: openai.OpenAI, wrapped: openai.OpenAI) -> None:
    with pytest.raises(TypeError, match="wrapped already"):
        wrap(wrapped.with_options(timeout=3))
    with pytest.raises(TypeError, match="with_options"):
        wrap(bare, api_key=KEY)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="did you mean 'provider'"):
        wrap(bare, provder="openai")  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="wire"):
        wrap(bare, wire="httpx")
    with pytest.raises(ConfigError, match=r"config\.api_key: has no meaning for 'self'"):
        wrap(bare, {"provider": "self", "api_key": KEY})


def test_self_is_refused_where_there_is_no_client() -> None:
    config = {"strategy": {"mode": "fallback"}, "targets": [{"provider": "self"}]}
    with pytest.raises(ConfigError, match=r"targets\[0\]\.provider: 'self' is the client given"):
        Portkey(config=config)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK's, on trio
@pytest.mark.anyio
async def test_an_asynchronous_client_works_on_both_loops(provider: Loopback) -> None:
    provider.reset({"home": [error(500)]})
    async with openai.AsyncOpenAI(api_key=KEY, base_url=provider.target("home")) as bare:
        client = wrap(bare, fallback(provider))
        assert type(client) is openai.AsyncOpenAI
        answer = await client.chat.completions.create(**ASK)
        assert answer.choices[0].message.content == "from other"
        stream = await client.chat.completions.create(**ASK, stream=True)
        assert [chunk async for chunk in stream]
        with pytest.raises(openai.InternalServerError):
            await client.models.list()
        await client.close()
        await client.close()
        assert (client.is_closed(), bare.is_closed()) == (True, False)


@pytest.mark.anyio
async def test_a_cancelled_call_lets_its_connection_go(provider: Loopback) -> None:
    provider.reset(lambda _: Step(fault=Fault.SILENCE))
    bare = openai.AsyncOpenAI(api_key=KEY, base_url=provider.target("home"))
    async with bare, wrap(bare) as client:
        with anyio.move_on_after(0.1) as scope:
            await client.chat.completions.create(**ASK)
        assert scope.cancelled_caught
        assert await anyio.to_thread.run_sync(provider.wait_closed)


def test_events_name_what_was_asked(bare: openai.OpenAI) -> None:
    events: list[Any] = []
    with closing(wrap(bare, on_event=events.append, trace_id="t-1")) as client:
        client.chat.completions.create(**ASK)
    told = [(event.name, event.provider) for event in events]
    assert told == [("attempt.started", "self"), ("attempt.succeeded", "self")]
    assert {event.trace_id for event in events} == {"t-1"}
