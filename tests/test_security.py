"""A key is shown to nobody, and goes to its own target's host alone."""

from __future__ import annotations

import json
import logging
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import openai
import pytest

from portkey_local import AsyncPortkey, ConfigError, Connections, Portkey
from portkey_local.config import Config
from portkey_local.credentials import Vault
from portkey_local.testing import Fault, Loopback, Received, Step, chat, chat_stream, error

KEY = "sk-of-the-target-0123456789abcdef"
OTHER = "sk-of-another-target-9876543210"
OURS = "pk-of-the-caller-0123456789"
SLIP = "sk-abcdefghijklmnopqrstuvwx1234567890"
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def target(provider: Loopback, name: str = "t", **fields: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "api_key": KEY,
        "custom_host": provider.target(name),
        **fields,
    }


def signed(provider: Loopback) -> list[tuple[str, str | None]]:
    """Who was asked, and with which key."""
    return [
        (each.target, each.headers.get("authorization", "").removeprefix("Bearer ") or None)
        for each in provider.received
    ]


def chain(failure: BaseException) -> Iterator[BaseException]:
    """An exception with everything that led to it."""
    waiting, seen = [failure], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [other for other in (each.__cause__, each.__context__) if other is not None]


def shown_by(failure: BaseException) -> str:
    """All that an exception says in its usual forms, down its whole chain."""
    said = ["".join(traceback.format_exception(failure))]
    for each in chain(failure):
        said += [str(each), repr(each), repr(each.args), repr(getattr(each, "body", None))]
        response = getattr(each, "response", None)
        if response is not None:
            said += [repr(response), repr(response.headers), response.text]
        request = each.__dict__.get("request")
        if request is not None:
            said += [repr(request), repr(request.headers)]
    return "\n".join(said)


# --------------------------------------------------------------------------------- never in a repr


def test_nothing_of_ours_shows_a_key(provider: Loopback) -> None:
    """The text forms of clients and of all that they hold name no key."""
    keys = {"q": target(provider, "q", api_key=OTHER)}
    client = Portkey(config=target(provider), virtual_keys=keys, api_key=OURS)
    plan = client._plan
    held = [client, client._engine, plan, plan.router, plan.router.config, *plan.router.targets]
    held += [Config(api_key=KEY, virtual_key=OTHER), Vault(virtual_keys=keys), client.chat]
    for each in held:
        text = f"{each!r} {each}"
        assert KEY not in text
        assert OTHER not in text
        assert OURS not in text
    client.close()


@pytest.mark.parametrize("call", ["create", "files"])
def test_no_pickled_result_holds_a_key(call: str, provider: Loopback) -> None:
    """A result that is stored takes neither key nor prompt along."""
    provider.reset(lambda received: chat() if "chat" in received.path else Step(json={"id": "f"}))
    with Portkey(config=target(provider), api_key=OURS) as client:
        if call == "create":
            result: Any = client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "a private prompt"}]
            )
        else:
            result = client.files.create(file=("a", b"a private prompt"), purpose="batch")
    stored = pickle.dumps(result)
    for secret in (KEY, OURS, "private prompt"):
        assert secret.encode() not in stored


ECHO: dict[str, tuple[Step, bool]] = {
    "refusal": (error(401, f"Incorrect API key provided: {KEY}"), False),
    "header": (error(429, "slow", headers={"x-note": f"key {KEY}"}), False),
    "page": (Step(status=502, body=f"<p>{KEY}</p>".encode(), content_type="text/html"), False),
    "not json": (Step(body=f"no JSON {KEY}".encode()), False),
    "reset": (Step(fault=Fault.RESET), False),
    "silence": (Step(fault=Fault.SILENCE), False),
    "first event": (Step(events=[json.dumps({"error": {"message": f"no {KEY}"}})]), True),
    "later event": (
        Step(
            events=[
                *(chat_stream(["a"], finish=False, done=False).events or ()),
                json.dumps({"error": {"message": f"no {KEY}", "param": KEY}}),
            ]
        ),
        True,
    ),
    "cut": (chat_stream(["a", "b"], fault=Fault.CUT_CHUNKED), True),
}
DOORS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda client: client.chat.completions.create(**ASK),
    "raw": lambda client: client.chat.completions.with_raw_response.create(**ASK).parse(),
    "plain stream": lambda client: list(client.chat.completions.create(**ASK, stream=True)),
    "raw stream": lambda client: list(
        client.chat.completions.with_raw_response.create(**ASK, stream=True).parse()
    ),
}


@pytest.mark.parametrize("door", ["plain", "raw"])
@pytest.mark.parametrize("name", ECHO)
def test_no_failure_shows_a_key(
    name: str, door: str, provider: Loopback, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the exception or its causes, not the events, not their file, not a log of ours or the SDK's."""
    step, stream = ECHO[name]
    provider.reset({"t": [step]})
    caplog.set_level(logging.DEBUG)
    file, seen = tmp_path / "events.jsonl", []
    with (
        Portkey(
            config=target(provider),
            api_key=OURS,
            on_event=seen.append,
            event_log=file,
            debug=True,
            timeout=0.1 if name == "silence" else 10,
        ) as client,
        pytest.raises(openai.APIError) as raised,
    ):
        DOORS[f"{door} stream" if stream else door](client)
    logged = [each.getMessage() for each in caplog.records if "httpcore" not in each.name]
    told = [shown_by(raised.value), repr(seen), file.read_text(), *logged]
    assert seen
    for text in told:
        assert KEY not in text
        assert OURS not in text


async def read(client: AsyncPortkey, *, stream: bool) -> None:
    result: Any = await client.chat.completions.create(**ASK, stream=stream)
    if stream:
        [chunk async for chunk in result]


@pytest.mark.anyio
@pytest.mark.parametrize("name", ECHO)
async def test_no_failure_shows_a_key_async(
    name: str, provider: Loopback, anyio_backend: str
) -> None:
    """The same on every event loop."""
    step, stream = ECHO[name]
    provider.reset({"t": [step]})
    seen: list[Any] = []
    limit = 0.1 if name == "silence" else 10
    async with AsyncPortkey(
        config=target(provider), api_key=OURS, on_event=seen.append, timeout=limit
    ) as client:
        with pytest.raises(openai.APIError) as raised:
            await read(client, stream=stream)
    for text in (shown_by(raised.value), repr(seen)):
        assert KEY not in text
        assert OURS not in text


@pytest.mark.parametrize("key", ["none", "EMPTY", "x", "1", "ollama"])
def test_a_word_that_stands_for_a_key_is_no_secret(key: str, provider: Loopback) -> None:
    """A short placeholder is not cut out of a provider's own words, nor out of ours."""
    body = {"message": f"bad {key}", "type": key, "param": key, "code": None, "status": 400}
    provider.reset({"t": [Step(status=400, json={"error": body})]})
    with (
        Portkey(config=target(provider, api_key=key)) as client,
        pytest.raises(openai.BadRequestError) as raised,
    ):
        client.chat.completions.create(**ASK)
    assert raised.value.body == body
    assert (raised.value.type, raised.value.param) == (key, key)
    assert "[redacted]" not in str(raised.value)
    assert "HTTP 400" in str(raised.value)


def test_a_key_is_cut_out_of_what_a_provider_says(provider: Loopback) -> None:
    """What is left of an error that quotes a key is still that error."""
    provider.reset({"t": [error(401, f"bad key {KEY}!")]})
    with (
        Portkey(config=target(provider)) as client,
        pytest.raises(openai.AuthenticationError, match=r"bad key \[redacted\]!") as raised,
    ):
        client.chat.completions.create(**ASK)
    assert raised.value.body["message"] == "bad key [redacted]!"


# ------------------------------------------------------------------- a key in the place of a name


@pytest.mark.parametrize(
    "given",
    [
        {"virtual_key": SLIP},
        {"virtual_key": "p", "virtual_keys": {SLIP: "openai"}},
        {"virtual_key": SLIP, "virtual_keys": {SLIP: "openai"}},
        {"virtual_key": SLIP[:-1], "virtual_keys": {SLIP: "openai"}},
        {"provider": SLIP},
        {"provider": f"@{SLIP}"},
        {"config": SLIP},
        {"config": {"virtual_key": SLIP}},
        {"config": {SLIP: "openai"}},
        {"config": {"provider": "openai", "api_key": [SLIP]}},
        {"config": {"provider": "openai", "custom_host": SLIP}},
        {"config": f'{{"api_key": "{SLIP}"'},
        {"metadata": [SLIP]},
        {"Authorization": f"{SLIP}\u4e2d", "provider": "openai"},
    ],
    ids=str,
)
def test_a_key_in_the_wrong_place_is_not_quoted(given: dict[str, Any]) -> None:
    """What looks like a key is left out of an error, whatever place it was put into."""
    with pytest.raises(ConfigError) as raised:
        Portkey(**given)
    assert SLIP[:-1] not in "".join(traceback.format_exception(raised.value, limit=0))
    for each in chain(raised.value):
        assert SLIP[:-1] not in f"{each} {each!r}"


@pytest.mark.parametrize("end", ["\n", "\x00", "\u4e2d"])
@pytest.mark.parametrize("door", ["plain", "stream"])
def test_a_header_that_cannot_be_sent_is_not_quoted(
    door: str, end: str, provider: Loopback
) -> None:
    """A key read from a file ends in a line break; the refusal names the header alone."""
    seen: list[Any] = []
    with (
        Portkey(config=target(provider), on_event=seen.append) as client,
        pytest.raises(ValueError, match="x-api-key") as raised,
    ):
        client.chat.completions.create(
            **ASK, extra_headers={"x-api-key": SLIP + end}, stream=door == "stream"
        )
    assert SLIP not in "".join(f"{each} {each!r}" for each in chain(raised.value))
    assert SLIP not in repr(seen)
    assert provider.received == []


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["\n", "\x00", "\u4e2d"])
async def test_a_header_that_cannot_be_sent_is_not_quoted_async(
    end: str, provider: Loopback, anyio_backend: str
) -> None:
    """The same on every event loop."""
    async with AsyncPortkey(config=target(provider)) as client:
        with pytest.raises(ValueError, match="x-api-key") as raised:
            await client.chat.completions.create(**ASK, extra_headers={"x-api-key": SLIP + end})
    assert SLIP not in "".join(f"{each} {each!r}" for each in chain(raised.value))


# ----------------------------------------------------------------------- each key to its own host


def test_the_callers_own_key_is_sent_to_nobody(provider: Loopback) -> None:
    """The key that the SDK's client was made with signs no request, by neither way in."""
    with Portkey(config=target(provider, api_key="k-of-t"), api_key=OURS) as client:
        client.chat.completions.create(**ASK, extra_headers={"Authorization": f"Bearer {OTHER}"})
        client.chat.completions.with_raw_response.create(**ASK)
        client.with_options(api_key=OTHER).chat.completions.create(**ASK)
    assert signed(provider) == [("t", "k-of-t")] * 3
    assert OURS not in str([each.headers for each in provider.received])


def groups(wrap: Callable[[Config], Any]) -> Callable[[Config], dict[str, Any]]:
    return lambda config: {"strategy": {"mode": "fallback"}, "targets": [wrap(config)]}


@pytest.mark.parametrize(
    "as_config",
    [
        lambda config: config,
        groups(lambda config: config),
        lambda config: config.model_dump(exclude_unset=True),
        groups(lambda config: config.model_dump(exclude_unset=True)),
        lambda config: json.dumps(config.model_dump(exclude_unset=True)),
    ],
    ids=["config", "group of configs", "dict", "group of dicts", "text"],
)
@pytest.mark.parametrize("field", ["api_key", "virtual_key", "openai_organization"])
def test_configs_that_differ_in_hidden_fields_alone(
    field: str, as_config: Callable[[Config], Any], provider: Loopback
) -> None:
    """What is remembered of one config is never used for another one's key or organisation."""
    host = provider.target("t")
    keys = {name: {"provider": "openai", "api_key": f"key-of-{name}"} for name in ("a-1", "b-2")}

    def config(value: str) -> Any:
        fields: dict[str, Any] = {"custom_host": host, field: value}
        if field != "virtual_key":
            fields = {"provider": "openai", "api_key": "key-of-all", **fields}
        return as_config(Config(**fields))

    with Portkey(config=config("a-1"), virtual_keys=keys) as client:
        for value in ("a-1", "b-2", "a-1"):
            client.with_options(config=config(value)).chat.completions.create(**ASK)
    sent = [each.headers for each in provider.received]
    if field == "openai_organization":
        assert [each[field.replace("_", "-")] for each in sent] == ["a-1", "b-2", "a-1"]
    else:
        prefix = "" if field == "api_key" else "key-of-"
        expected = [f"Bearer {prefix}{value}" for value in ("a-1", "b-2", "a-1")]
        assert [each["authorization"] for each in sent] == expected


@pytest.mark.parametrize("new", [{"virtual_key": "q"}, {"provider": "@q"}])
def test_another_virtual_key_takes_nothing_of_the_old_host(
    new: dict[str, Any], provider: Loopback
) -> None:
    """A copy's new target is asked at its own address, without the old one's organisation."""
    keys = {
        "p": {"provider": "openai", "api_key": KEY},
        "q": target(provider, "q", api_key=OTHER),
    }
    config = {
        "virtual_key": "p",
        "custom_host": provider.target("p"),
        "openai_organization": "org-of-p",
        "openai_project": "project-of-p",
    }
    with Portkey(config=config, virtual_keys=keys) as client:
        client.with_options(**new).chat.completions.create(**ASK)
        client.chat.completions.create(**ASK)
    assert signed(provider) == [("q", OTHER), ("p", KEY)]
    assert "org-of-p" not in str(provider.received[0].headers)
    assert "project-of-p" not in str(provider.received[0].headers)


def test_a_virtual_keys_own_host_beats_its_groups(provider: Loopback) -> None:
    """What a target inherits from its group never leads its key to another host."""
    config = {
        "strategy": {"mode": "fallback"},
        "custom_host": provider.target("of-the-group"),
        "targets": [{"virtual_key": "p"}, {"provider": "openai", "api_key": OTHER}],
    }
    provider.reset({"p": [error(500)]})
    with Portkey(config=config, virtual_keys={"p": target(provider, "p")}) as client:
        client.chat.completions.create(**ASK)
    assert signed(provider) == [("p", KEY), ("of-the-group", OTHER)]


def test_each_target_of_a_fallback_has_its_own_key(provider: Loopback) -> None:
    """No target sees what the one before it was signed in with."""

    def script(received: Received) -> Step:
        return error(500) if received.target == "a" else chat()

    provider.reset(script)
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [
            target(provider, "a", openai_organization="org-of-a"),
            target(provider, "b", api_key=OTHER),
        ],
    }
    with Portkey(config=config) as client:
        client.chat.completions.create(**ASK)
        client.chat.completions.with_raw_response.create(**ASK)
    assert signed(provider) == [("a", KEY), ("b", OTHER)] * 2
    assert "org-of-a" not in str([each.headers for each in provider.received[1::2]])


def test_credentials_of_the_caller_stay_with_the_caller(provider: Loopback) -> None:
    """Whatever header a vendor takes keys in; a target that names it gets it."""
    sent = (
        "authorization",
        "api-key",
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "x-goog-api-key",
    )
    headers = dict.fromkeys(sent, OTHER)
    config = target(provider, "a")
    for door in ("plain", "raw"):
        for forward in ([], ["X-API-Key"]):
            with Portkey(config={**config, "forward_headers": forward}) as client:
                completions = client.chat.completions
                ask = (
                    completions.create if door == "plain" else completions.with_raw_response.create
                )
                ask(**ASK, extra_headers=headers)
            passed = {
                name for name, value in provider.received[-1].headers.items() if value == OTHER
            }
            assert passed == {name.lower() for name in forward}


# ------------------------------------------------------------------------------------------- SOCKS


def heard(listener: socket.socket) -> bytes:
    """What was sent to a listener that answers nobody."""
    listener.setblocking(False)
    got = b""
    with suppress(BlockingIOError):
        while True:
            accepted, _ = listener.accept()
            with accepted, suppress(BlockingIOError, ConnectionError):
                accepted.setblocking(False)
                got += accepted.recv(65536)
    return got


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["environment", "argument"])
async def test_a_socks_proxy_hears_no_request(
    way: str, provider: Loopback, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> None:
    """A proxy that speaks SOCKS is spoken to in SOCKS or not at all, never in clear HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = f"socks5://127.0.0.1:{listener.getsockname()[1]}"
        given: dict[str, Any] = {"config": target(provider), "timeout": 0.1}
        if way == "argument":
            with suppress(ConfigError):
                given["connections"] = Connections(proxy=proxy)
            if "connections" not in given:
                return  # refused, because the package that speaks it is absent
        else:
            for name in ("NO_PROXY", "no_proxy"):
                monkeypatch.delenv(name, raising=False)
            monkeypatch.setenv("ALL_PROXY", proxy)
        with suppress(openai.APIError, RuntimeError, ConfigError):
            async with AsyncPortkey(**given) as client:
                await client.chat.completions.create(**ASK)
        with suppress(openai.APIError, RuntimeError, ConfigError), Portkey(**given) as client:
            client.chat.completions.create(**ASK)
        spoken = heard(listener)
    assert KEY.encode() not in spoken
    assert b"HTTP" not in spoken
    assert provider.received == []
