"""The gateway idiom: code that was written for Portkey's gateway, without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from portkey_local import (
    PORTKEY_GATEWAY_URL,
    async_http_client,
    createHeaders,
    http_client,
)
from portkey_local.testing import Fault, Loopback, Step, chat, error

KEY = "sk-test-key-of-a-provider"
ASK: dict[str, Any] = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hello!"}]}


@pytest.fixture
def gateway(provider: Loopback) -> Iterator[Any]:
    """An HTTP client that stands for the gateway, with a virtual key."""
    entry = {"provider": "groq", "api_key": KEY, "custom_host": provider.target("groq")}
    with http_client(virtual_keys={"groq-prod": entry}) as client:
        yield client


def sdk(gateway: Any, api_key: str = "X", **options: Any) -> openai.OpenAI:
    headers = createHeaders(**options)
    return openai.OpenAI(
        base_url=PORTKEY_GATEWAY_URL, api_key=api_key, default_headers=headers, http_client=gateway
    )


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"provider": "openai"}, {"x-portkey-provider": "openai"}),
        ({"virtual_key": "vk", "trace_id": ""}, {"x-portkey-virtual-key": "vk"}),
        ({"config": {"retry": {"attempts": 2}}}, {"x-portkey-config": '{"retry": {"attempts": 2}}'}),
        ({"config": "pc-1"}, {"x-portkey-config": "pc-1"}),
        ({"config": {}, "metadata": {}}, {"x-portkey-config": "{}", "x-portkey-metadata": "{}"}),
        ({"metadata": {"a": 1}}, {"x-portkey-metadata": '{"a": 1}'}),
        ({"request_timeout": 3000}, {"x-portkey-request-timeout": "3000"}),
        ({"request_timeout": 0}, {}),
        ({"cache_force_refresh": False}, {"x-portkey-cache-force-refresh": "false"}),
        ({"strict_open_ai_compliance": True}, {"x-portkey-strict-open-ai-compliance": "true"}),
        ({"Authorization": "sk-1"}, {"Authorization": "Bearer sk-1"}),
        ({"Authorization": "Bearer sk-1"}, {"Authorization": "Bearer sk-1"}),
        ({"mode": "single"}, {"x-portkey-mode": "proxy single"}),
        ({"azure_resource_name": "r"}, {"x-portkey-azure-resource-name": "r"}),
        (
            {"forward_headers": ["trace_id", "x-a"], "trace_id": "t"},
            {"x-portkey-forward-headers": "trace_id,x-a", "trace-id": "t"},
        ),
    ],
)  # fmt: skip
def test_headers_are_the_references(options: dict[str, Any], headers: dict[str, str]) -> None:
    assert createHeaders(**options) == headers


def test_a_config_routes_each_call(gateway: Any, provider: Loopback) -> None:
    provider.reset({"bad": [error(500)], "groq": [chat("from groq")]})
    bad = {"provider": "openai", "api_key": KEY, "custom_host": provider.target("bad")}
    targets = [bad, {"virtual_key": "groq-prod"}]
    config = {"strategy": {"mode": "fallback"}, "targets": targets}
    client = sdk(gateway, config=config, trace_id="t-1", metadata={"plan": "pro"})
    raw = client.chat.completions.with_raw_response.create(**ASK)
    assert raw.parse().choices[0].message.content == "from groq"
    assert raw.headers["x-portkey-last-used-option-index"] == "config.targets[1]"
    assert raw.headers["x-portkey-trace-id"] == "t-1"
    assert json.loads(raw.headers["x-portkey-metadata"]) == {"plan": "pro"}
    assert not any(name.startswith("x-portkey") for name in provider.received[-1].headers)


def test_a_virtual_key_is_looked_up_and_the_placeholder_left_out(
    gateway: Any, provider: Loopback
) -> None:
    sdk(gateway, virtual_key="groq-prod").chat.completions.create(**ASK)
    sdk(gateway, provider="@groq-prod").models.list()  # every path is the gateway's
    assert [r.path for r in provider.received] == ["/chat/completions", "/models"]
    assert {r.headers["authorization"] for r in provider.received} == {f"Bearer {KEY}"}


def test_a_providers_own_key_in_authorization_is_used(gateway: Any, provider: Loopback) -> None:
    client = sdk(gateway, KEY, provider="openai", custom_host=provider.target("home"))
    for chunk in client.chat.completions.create(**ASK, stream=True):
        assert chunk.object == "chat.completion.chunk"
    assert provider.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_http_asks_for_no_case_of_a_scheme_and_odd_metadata_is_none(
    gateway: Any, provider: Loopback
) -> None:
    headers = createHeaders(provider="openai", custom_host=provider.target("home"))
    headers |= {"authorization": f"bearer {KEY}", "x-portkey-metadata": "[" * 9999}
    answer = gateway.post(f"{PORTKEY_GATEWAY_URL}/chat/completions", json=ASK, headers=headers)
    assert answer.status_code == 200
    assert "x-portkey-metadata" not in answer.headers
    assert provider.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_anthropics_sdk_reaches_it_too(provider: Loopback) -> None:
    library = anthropic.DefaultHttpxClient.__mro__[1].__module__.split(".")[0]
    provider.reset(lambda _: Step(json={"type": "message", "content": []}))
    headers = createHeaders(provider="anthropic", custom_host=provider.target("home"))
    client = anthropic.Anthropic(
        base_url=PORTKEY_GATEWAY_URL,
        api_key=KEY,
        default_headers=headers,
        http_client=http_client(library=library),
    )
    with client:
        client.messages.create(model="claude-x", max_tokens=9, messages=ASK["messages"])
    seen = provider.received[0]
    assert (seen.path, seen.headers["x-api-key"]) == ("/messages", KEY)


def test_time_is_in_milliseconds_and_nobody_tries_again(gateway: Any, provider: Loopback) -> None:
    provider.reset(lambda _: Step(fault=Fault.SILENCE))
    client = sdk(gateway, KEY, provider="openai", custom_host=provider.target("home"))
    slow = client.with_options(default_headers=createHeaders(request_timeout=150))
    with pytest.raises(openai.APIStatusError) as caught:
        slow.chat.completions.create(**ASK)
    assert (caught.value.status_code, len(provider.received)) == (408, 1)
    provider.reset(lambda _: error(500))
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**ASK)
    assert len(provider.received) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "No target.*x-portkey-provider"),
        ({"config": {"provider": "self"}}, "'self' is the client given"),
        ({"provider": "opnai"}, "did you mean 'openai'"),
        ({"provider": "openai", "request_timeout": "soon"}, "not a number of milliseconds"),
        ({"provider": "openai", "default_input_guardrails": "{"}, "is not JSON"),
        ({"provider": "openai", "default_input_guardrails": "[" * 9999}, "is not JSON"),
    ],
)
def test_a_wrong_header_is_a_400_that_says_so(
    options: dict[str, Any], message: str, gateway: Any
) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        sdk(gateway, **options).chat.completions.create(**ASK)


def test_a_config_is_compiled_once(
    gateway: Any, provider: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    import portkey_local.compile

    compiled: list[Any] = []
    plain = portkey_local.compile.compile_config

    def counting(*given: Any, **named: Any) -> Any:
        compiled.append(given)
        return plain(*given, **named)

    monkeypatch.setattr(portkey_local.compile, "compile_config", counting)
    client = sdk(gateway, config={"virtual_key": "groq-prod"})
    for number in range(3):
        client.with_options(
            default_headers=createHeaders(trace_id=f"t-{number}")
        ).chat.completions.create(**ASK)
    before = len(compiled)
    client.chat.completions.create(**ASK)
    assert len(compiled) == before <= 2  # the client's base, and the config


def test_what_is_not_for_the_gateway_passes(gateway: Any, provider: Loopback) -> None:
    bare = openai.OpenAI(api_key=KEY, base_url=provider.target("plain"), http_client=gateway)
    bare.chat.completions.create(**ASK)
    assert provider.received[0].target == "plain"


def test_the_asynchronous_one_is_the_same(provider: Loopback) -> None:
    async def run() -> Any:
        async with async_http_client() as gateway:
            headers = createHeaders(provider="openai", custom_host=provider.target("home"))
            client = openai.AsyncOpenAI(
                base_url=PORTKEY_GATEWAY_URL,
                api_key=KEY,
                default_headers=headers,
                http_client=gateway,
            )
            return await client.chat.completions.create(**ASK)

    assert asyncio.run(run()).choices[0].message.content == "from home"
