"""What a client and a copy of it can be told, and what they refuse before any call."""

from __future__ import annotations

import json
import random
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from portkey_local import (
    AsyncPortkey,
    ConfigError,
    ConfigWarning,
    Connections,
    HostedOnlyError,
    Portkey,
    StreamInterrupted,
)
from portkey_local.testing import Fault, Loopback, Step, chat_stream

KEY = "sk-of-the-target-0123456789"
OTHER = "sk-of-another-target-9876543210"
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def target(provider: Loopback, name: str = "t", **fields: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "api_key": KEY,
        "custom_host": provider.target(name),
        **fields,
    }


def keys_seen(provider: Loopback) -> list[str | None]:
    return [each.headers.get("authorization") for each in provider.received]


async def report(event: object) -> None:
    """A listener that could never be awaited."""


# ------------------------------------------------------------------------------- single arguments


@pytest.mark.parametrize("kind", [Portkey, AsyncPortkey])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wire", "htpx"),
        ("debug", 1),
        ("on_event", report),
        ("on_event", "x"),
        ("rng", 7),
        ("connections", {"max_connections": 3}),
        ("timeout", "5"),
        ("timeout", float("nan")),
        ("timeout", -1),
        ("timeout", True),
        ("virtual_keys", "p"),
        ("max_retries", 2),
        ("trace_id", 7),
        ("trace_id", "two\r\nlines"),
        ("metadata", ["not an object"]),
        ("request_timeout", "5"),
        ("request_timeout", -1),
        ("custom_host", "no url"),
        ("stream_idle_timeout", -1),
    ],
)
def test_a_value_of_no_use_is_refused(kind: Any, name: str, value: object) -> None:
    """An argument that could not work is refused at once, by its own name."""
    with pytest.raises(ConfigError) as raised:
        kind(provider="openai", api_key="k", Authorization=KEY, **{name: value})
    assert raised.value.path == name


@pytest.mark.parametrize("other", [{"connections": Connections()}, {"wire": "httpx"}])
def test_arguments_without_effect_beside_another_are_refused(other: dict[str, Any]) -> None:
    """A client that is given leaves nothing to say about connections."""
    with httpx.Client() as given, pytest.raises(ConfigError):
        AsyncPortkey(http_client=given, **other)


def test_the_synchronous_client_has_no_wires_to_choose_from() -> None:
    """`wire` belongs to AsyncPortkey alone."""
    with pytest.raises(ConfigError, match="AsyncPortkey"):
        Portkey(wire="httpx")


@pytest.mark.parametrize("unset", [None, openai.NOT_GIVEN, openai.omit])
@pytest.mark.parametrize(
    "name",
    ["wire", "connections", "config", "http_client", "on_event", "rng", "timeout", "virtual_keys"],
)
def test_none_and_not_given_are_unset(name: str, unset: object) -> None:
    """None and the SDK's own signs for "nothing" set nothing."""
    with Portkey(**{name: unset}) as client, Portkey() as bare:
        assert repr(client) == repr(bare)
        given = unset if (name, unset) == ("timeout", None) else bare.timeout  # None: no limit
        assert client.timeout == given


def test_a_typo_names_its_neighbour() -> None:
    """An unknown argument is a TypeError that says what was probably meant."""
    with pytest.raises(TypeError, match="did you mean 'virtual_key'"):
        Portkey(virtual_ky="p")


@pytest.mark.parametrize("seconds", [0.05, 30])
def test_a_request_timeout_is_seconds_and_no_warning(seconds: float, provider: Loopback) -> None:
    """`request_timeout` counts seconds: small numbers are not taken for a slip."""
    provider.reset({"t": [Step(fault=Fault.SILENCE) if seconds < 1 else Step()]})
    with Portkey(request_timeout=seconds, config=target(provider)) as client:
        if seconds < 1:
            with pytest.raises(openai.APITimeoutError, match=r"within 0\.[0-9]+ s"):
                client.chat.completions.create(**ASK)
        else:
            client.chat.completions.create(**ASK)


def test_a_stream_idle_timeout_is_seconds(provider: Loopback) -> None:
    """`stream_idle_timeout` counts seconds, as its neighbour does."""
    provider.reset({"t": [chat_stream(["a", "b"], event_gap=0.02)]})
    with Portkey(stream_idle_timeout=30, config=target(provider)) as client:
        assert len(list(client.chat.completions.create(**ASK, stream=True))) == 3
        provider.reset({"t": [chat_stream(["a", "b"], fault=Fault.STALL_STREAM)]})
        impatient = client.with_options(stream_idle_timeout=0.2)
        with pytest.raises(StreamInterrupted):
            list(impatient.chat.completions.create(**ASK, stream=True))


def test_a_key_in_the_wrong_argument_is_not_repeated() -> None:
    """The error says what is wrong, without it."""
    key = "sk-in-the-wrong-place-1"
    with pytest.raises(ConfigError) as raised:
        Portkey(provider="openai", request_timeout=key)  # type: ignore[arg-type]
    assert key not in str(raised.value)


@pytest.mark.parametrize("name", ["request_timeout", "stream_idle_timeout"])
def test_a_config_that_seems_to_count_seconds_is_remarked_on(name: str, provider: Loopback) -> None:
    """A config counts milliseconds; a very small number there is probably a slip."""
    with pytest.warns(ConfigWarning, match=f"config.{name}: 30 looks like seconds") as seen:
        Portkey(config=target(provider, **{name: 30})).close()
    assert seen[0].filename == __file__


# -------------------------------------------------------------------------------------- base_url


def test_base_url_is_the_idiom_of_the_openai_package(provider: Loopback) -> None:
    """`base_url` and `api_key` alone name a host and the key that it is sent."""
    with Portkey(base_url=provider.target("t"), api_key=KEY) as client:
        client.chat.completions.create(**ASK)
    assert keys_seen(provider) == [f"Bearer {KEY}"]


def test_base_url_of_the_hosted_gateway_is_not_needed(provider: Loopback) -> None:
    """The hosted gateway's address is passed over, and its key is sent to nobody."""
    with Portkey(
        base_url="https://api.portkey.ai/v1", api_key="pk-hosted-key", config=target(provider)
    ) as client:
        client.chat.completions.create(**ASK)
    assert keys_seen(provider) == [f"Bearer {KEY}"]


@pytest.mark.parametrize("other", [{"provider": "openai"}, {"config": {"provider": "openai"}}])
def test_base_url_beside_a_target_is_refused(other: dict[str, Any]) -> None:
    """With a target named, `base_url` could only be a gateway's, and there is none."""
    with pytest.raises(ConfigError) as raised:
        Portkey(base_url="https://gateway.example/v1", Authorization=KEY, **other)
    assert raised.value.path == "base_url"


# --------------------------------------------------------------------------------------- timeouts


@pytest.mark.parametrize("timeout", ["5", float("nan"), -1, True])
@pytest.mark.parametrize(
    "call",
    [
        lambda client, timeout: client.chat.completions.create(**ASK, timeout=timeout),
        lambda client, timeout: client.embeddings.create(model="m", input="x", timeout=timeout),
    ],
    ids=["chat", "embeddings"],
)
def test_a_timeout_of_one_call_is_checked(call: Any, timeout: Any, provider: Loopback) -> None:
    """A call's own time limit is a number of seconds, and nothing is sent with another one."""
    with Portkey(config=target(provider)) as client, pytest.raises(TypeError, match="timeout"):
        call(client, timeout)
    assert provider.received == []


@pytest.mark.parametrize("unset", [openai.NOT_GIVEN, openai.omit])
def test_a_copy_is_told_nothing_by_not_given(unset: Any, provider: Loopback) -> None:
    """The SDK's default for a copy's timeout changes nothing."""
    with Portkey(config=target(provider), timeout=7) as client:
        copied = client.with_options(timeout=unset)
        assert copied.timeout == 7
        copied.chat.completions.create(**ASK)


# ----------------------------------------------------------------------------------------- copies


def test_another_virtual_key_keeps_what_is_of_any_target(provider: Loopback) -> None:
    """A new virtual key takes the old one's place; retries, limits and overrides stay."""
    provider.reset({"q": [Step(status=503, headers={"retry-after": "0"}), Step()]})
    keys = {"p": target(provider, "p"), "q": target(provider, "q", api_key=OTHER)}
    config = {
        "virtual_key": "p",
        "retry": {"attempts": 1, "use_retry_after_header": True},
        "override_params": {"seed": 7},
    }
    with Portkey(config=config, virtual_keys=keys) as client:
        client.with_options(virtual_key="q").chat.completions.create(**ASK)
    assert [(each.target, each.json["seed"]) for each in provider.received] == [("q", 7)] * 2
    assert keys_seen(provider) == [f"Bearer {OTHER}"] * 2


def test_another_provider_replaces_a_config_of_several_targets(provider: Loopback) -> None:
    """A provider named for a copy is asked in place of the old config's targets."""
    config = {"strategy": {"mode": "fallback"}, "targets": [target(provider, "a")]}
    with Portkey(config=config, virtual_keys={"q": target(provider, "q")}) as client:
        client.with_options(virtual_key="q").chat.completions.create(**ASK)
        client.chat.completions.create(**ASK)
    assert [each.target for each in provider.received] == ["q", "a"]


def test_a_config_with_targets_replaces_a_provider_without_a_warning(provider: Loopback) -> None:
    """A per-request config that names its own targets is nothing odd."""
    config = {"strategy": {"mode": "fallback"}, "targets": [target(provider, "a")]}
    with Portkey(provider="openai", Authorization=KEY) as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        client.with_options(config=config).chat.completions.create(**ASK)
    assert [each.target for each in provider.received] == ["a"]


def test_a_warning_points_at_the_callers_line(provider: Loopback) -> None:
    """A remark on a client's arguments shows where the client was made."""
    with pytest.warns(ConfigWarning, match="ignored") as seen:
        Portkey(provider="openai", config=target(provider)).close()
    assert [each.filename for each in seen] == [__file__]


def test_what_the_caller_changes_later_is_not_ours(provider: Loopback) -> None:
    """A config and a table of virtual keys are read once; changing them changes no copy."""
    config, keys = target(provider), {"p": target(provider, "p")}
    with Portkey(config=config, virtual_keys=keys) as client:
        config["api_key"] = keys["p"]["api_key"] = "sk-changed-meanwhile"
        client.with_options(trace_id="x").chat.completions.create(**ASK)
        client.with_options(request_timeout=5).chat.completions.create(**ASK)
        client.with_options(virtual_key="p").chat.completions.create(**ASK)
    assert keys_seen(provider) == [f"Bearer {KEY}"] * 3


def test_a_trace_id_reads_nothing_anew(
    provider: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy with another trace id or metadata keeps its route: neither file nor key is read."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    config = {"provider": "openai", "custom_host": provider.target("t")}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    with Portkey(config=file) as client:
        file.unlink()
        monkeypatch.delenv("OPENAI_API_KEY")
        copied = client.with_options(trace_id="x", metadata={"user": "u"})
        result = copied.chat.completions.create(**ASK)
    assert result.get_headers()["trace-id"] == "x"
    assert keys_seen(provider) == [f"Bearer {KEY}"]


def test_a_config_file_is_read_for_each_copy_that_names_it(
    provider: Loopback, tmp_path: Path
) -> None:
    """What is remembered of configs never hides that a file has changed."""
    file = tmp_path / "config.json"
    with Portkey() as client:
        for name in ("a", "b"):
            file.write_text(json.dumps(target(provider, name)))
            client.with_options(config=file).chat.completions.create(**ASK)
    assert [each.target for each in provider.received] == ["a", "b"]


@pytest.mark.parametrize(
    "name", ["connections", "debug", "event_log", "http_client", "on_event", "rng", "virtual_keys"]
)
def test_what_belongs_to_the_whole_client_is_refused_for_a_copy(name: str) -> None:
    """Connections, listeners and keys are shared by all copies."""
    fitting = {
        "connections": Connections(),
        "debug": True,
        "on_event": print,
        "rng": random.Random(1),
        "virtual_keys": {},
    }
    with Portkey() as client, pytest.raises(TypeError, match=name):
        client.with_options(**{name: fitting.get(name, "x")})


# ------------------------------------------------------------------------------------ odd configs


def holds_itself() -> dict[str, Any]:
    config: dict[str, Any] = {"provider": "openai"}
    config["override_params"] = config
    return config


@pytest.mark.parametrize("config", [{1: "x", "provider": "openai"}, holds_itself(), 7, b"{}"])
def test_an_odd_config_is_a_config_error(config: Any) -> None:
    """Whatever is given as a config, what is wrong with it is a ConfigError."""
    with pytest.raises(ConfigError):
        Portkey(config=config)


@pytest.mark.parametrize("value", [True, False, None])
def test_who_decides_on_streaming(value: bool | None) -> None:
    """An override of `stream` could only make a billed answer unreadable; it is refused."""
    with pytest.raises(ConfigError) as raised:
        Portkey(config={"provider": "openai", "api_key": KEY, "override_params": {"stream": value}})
    assert raised.value.path == "config.override_params.stream"


@pytest.mark.parametrize(
    "entry",
    [
        {"provider": "@q"},
        {"virtual_key": "q"},
        {"provider": "openai", "virtual_key": "q"},
        {
            "provider": "openai",
            "strategy": {"mode": "fallback"},
            "targets": [{"virtual_key": "q"}],
        },
    ],
)
def test_a_virtual_key_is_one_target(entry: dict[str, Any]) -> None:
    """An entry of `virtual_keys` that leads on to another, or is a group, is refused."""
    keys = {"p": entry, "q": {"provider": "openai", "api_key": KEY}}
    with pytest.raises(ConfigError, match=r"virtual_keys\['p'\]"):
        Portkey(virtual_key="p", virtual_keys=keys)


def test_a_key_of_blanks_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that holds only blanks counts as not set."""
    monkeypatch.setenv("OPENAI_API_KEY", " \n")
    with pytest.raises(ConfigError, match="no key for 'openai'"):
        Portkey(provider="openai")


# ------------------------------------------------------------------------------------ connections


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("verify", "no-such-bundle.pem"),
        ("verify", Path("no-such-bundle.pem")),
        ("proxy", "ftp://127.0.0.1:1"),
        ("max_connections", 0),
    ],
)
def test_connections_that_cannot_work_are_refused(name: str, value: Any) -> None:
    """Settings are checked when they are made, not by the first call."""
    with pytest.raises(ConfigError) as raised:
        Connections(**{name: value})
    assert raised.value.path == f"connections.{name}"


@pytest.mark.parametrize("kind", [Portkey, AsyncPortkey])
@pytest.mark.skipif(find_spec("socksio") is not None, reason="SOCKS is spoken here")
def test_a_socks_proxy_needs_its_package(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy that nobody can speak to is refused when the client is made."""
    with pytest.raises(ConfigError, match="socksio"):
        Connections(proxy="socks5://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(ConfigError, match="socksio"):
        kind(provider="openai", Authorization=KEY)


class Counting(Loopback):
    """A provider that counts the connections it was opened."""

    accepted = 0

    def _welcome(self, connection: Any) -> None:
        self.accepted += 1
        super()._welcome(connection)


@pytest.mark.anyio
@pytest.mark.parametrize(("seconds", "opened"), [(0.0, 2), (30.0, 1)])
async def test_how_long_an_idle_connection_is_kept(
    seconds: float, opened: int, anyio_backend: str
) -> None:
    """`keepalive_expiry` holds for both clients, on every event loop."""
    connections = Connections(keepalive_expiry=seconds)
    with Counting() as provider:
        config = target(provider)
        async with AsyncPortkey(config=config, connections=connections) as client:
            for _ in range(2):
                await client.chat.completions.create(**ASK)
        assert provider.accepted == opened
        provider.accepted = 0
        with Portkey(config=config, connections=connections) as client:
            for _ in range(2):
                client.chat.completions.create(**ASK)
        assert provider.accepted == opened


def test_a_proxy_may_be_a_bare_host(provider: Loopback) -> None:
    """A host and port without a scheme is a proxy that speaks HTTP, as in the environment."""
    port = provider.url.rpartition(":")[2]
    assert Connections(proxy=f"127.0.0.1:{port}").proxy_for("http://x.invalid") == provider.url


# ----------------------------------------------------------------------------------- hosted only


def test_guardrails_are_not_promised() -> None:
    """What stands in for a hosted resource does not send its caller to what is not built."""
    with Portkey() as client, pytest.raises(HostedOnlyError) as raised:
        client.guardrails.create(name="x")
    assert "pass guardrails" not in str(raised.value)
