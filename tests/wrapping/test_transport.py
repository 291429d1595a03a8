"""Transports for any SDK that takes an HTTP client: model calls are routed, all else passes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import httpx2
import pytest

from portkey_local import async_transport, transport
from portkey_local.providers.table import PROVIDERS
from portkey_local.testing import Fault, Loopback, Step, chat, error
from portkey_local.wrapping import calls

KEY = "sk-test-key-of-a-caller"
ASK = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hello!"}]}
LIBRARIES = [httpx, httpx2]


def target(server: Loopback, name: str, **fields: Any) -> dict[str, Any]:
    home = server.target(name)
    return {"provider": "openai", "api_key": "sk-test-of-ours", "custom_host": home, **fields}


@pytest.fixture
def known(provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a known provider live on loopback, and return its address."""
    home = provider.target("groq")
    rows = {**PROVIDERS, "groq": replace(PROVIDERS["groq"], base_url=home)}
    monkeypatch.setattr(calls, "PROVIDERS", rows)
    calls._addresses.cache_clear()
    yield home
    calls._addresses.cache_clear()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_call_to_a_known_provider_is_routed(library: Any, known: str, provider: Loopback) -> None:
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [target(provider, "a"), target(provider, "b")],
    }
    provider.reset({"a": [error(500)], "b": [chat("from b")]})
    with library.Client(transport=transport(config, library=library)) as client:
        headers = {"authorization": f"Bearer {KEY}", "x-mine": "1"}
        answer = client.post(f"{known}/chat/completions", json=ASK, headers=headers)
        assert isinstance(answer, library.Response)
        assert answer.json()["choices"][0]["message"]["content"] == "from b"
        assert answer.headers["x-portkey-last-used-option-index"] == "config.targets[1]"
    assert [r.target for r in provider.received] == ["a", "b"]
    assert KEY not in str(provider.received)
    assert provider.received[1].headers["x-mine"] == "1"


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_no_call_of_a_known_providers_passes_untouched(
    library: Any, known: str, provider: Loopback
) -> None:
    config = target(provider, "a")
    with library.Client(transport=transport(config, library=library)) as client:
        client.get(f"{known}/models")
        client.post(f"{known}/files", files={"file": b"x"})
        client.post(f"{provider.target('unknown')}/v1/chat/completions", json=ASK)
        client.post(f"{provider.target('hooks')}/x", content=iter([b"in", b" pieces"]))
    assert [r.target for r in provider.received] == ["groq", "groq", "unknown", "hooks"]
    assert provider.received[-1].body == b"in pieces"


def test_self_is_any_host_and_the_call_as_it_is(provider: Loopback) -> None:
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [{"provider": "self"}, target(provider, "b")],
    }
    home = f"{provider.target('home')}/api/v7/embeddings"
    provider.reset({"home": [error(429)], "b": [Step(json={"data": []})]})
    with httpx2.Client(transport=transport(config, library="httpx2")) as client:
        body = b'{ "input" : "as it is", "model": "m" }'
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        assert client.post(home, content=body, headers=headers).json() == {"data": []}
    first, second = provider.received
    assert (first.path, first.body) == ("/api/v7/embeddings", body)
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert (second.path, second.headers["authorization"]) == (
        "/embeddings",
        "Bearer sk-test-of-ours",
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_inner_transport_carries_what_passes(library: Any, provider: Loopback) -> None:
    seen: list[str] = []

    def answer(request: Any) -> Any:
        seen.append(request.url.path)
        return library.Response(200, json={"by": "inner"})

    made = transport(target(provider, "a"), inner=library.MockTransport(answer))
    with library.Client(transport=made) as client:
        assert client.get("https://elsewhere.invalid/x").json() == {"by": "inner"}
    assert seen == ["/x"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("fault", "name"), [(Fault.RESET, "ConnectError"), (Fault.SILENCE, "ReadTimeout")]
)
def test_failures_are_the_librarys_own(
    library: Any, fault: Fault, name: str, provider: Loopback
) -> None:
    provider.reset(lambda _: Step(fault=fault))
    url = f"{provider.target('home')}/chat/completions"
    with (
        library.Client(transport=transport(library=library), timeout=0.2) as client,
        pytest.raises(getattr(library, name)) as caught,
    ):
        client.post(url, json=ASK, headers={"authorization": f"Bearer {KEY}"})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_asynchronous_one_routes_streams_and_passes(library: Any, provider: Loopback) -> None:
    async def run() -> list[str]:
        made = async_transport(library=library)
        async with library.AsyncClient(transport=made) as client:
            url = f"{provider.target('home')}/chat/completions"
            async with client.stream("POST", url, json={**ASK, "stream": True}) as response:
                lines = [line async for line in response.aiter_lines() if line]
            await client.get(f"{provider.target('other')}/x")
        return lines

    lines = asyncio.run(run())
    assert lines[-1] == "data: [DONE]"
    assert [r.target for r in provider.received] == ["home", "other"]


def test_a_wrong_library_is_refused() -> None:
    with pytest.raises(TypeError, match="must be httpx or httpx2"):
        transport(library="requests")
    with pytest.raises(TypeError, match="client or transport of httpx"):
        transport(inner=object())
