"""A client whose HTTP client, or whose methods, somebody else has wrapped before us."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any

import openai
import pytest

from portkey_local import ConfigError, Connections, wrap
from portkey_local.testing import Loopback, Step, error

KEY = "sk-test-key-of-its-own"
ASK: dict[str, Any] = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hello!"}]}
HTTP = importlib.import_module(openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0])


def fallback(server: Loopback) -> dict[str, Any]:
    """Return a config that asks the client itself, then another provider."""
    home = server.target("other")
    other = {"provider": "groq", "api_key": "gsk-test-of-the-other", "custom_host": home}
    return {"strategy": {"mode": "fallback"}, "targets": [{"provider": "self"}, other]}


def test_instrumentation_of_its_http_client_goes_on(provider: Loopback) -> None:
    """Hooks, a transport of the user's, and one that was patched on a client of the SDK's own."""
    seen: list[str] = []

    class Counting(HTTP.HTTPTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            seen.append(f"transport {request.url.path}")
            return super().handle_request(request)

    hooks = {"request": [lambda request: seen.append(f"hook {request.url.path}")]}
    with ExitStack() as stack:
        own = stack.enter_context(HTTP.Client(transport=Counting(), event_hooks=hooks))
        home = provider.target("home")
        bare = openai.OpenAI(api_key=KEY, base_url=home, http_client=own, max_retries=0)
        client = stack.enter_context(wrap(bare, fallback(provider)))
        provider.reset({"home": [error(500), Step()]})
        client.chat.completions.create(**ASK)
        client.models.list()
        with pytest.raises(ConfigError, match="HTTP client of its own"):
            wrap(bare, connections=Connections())
    assert seen == [
        "hook /home/chat/completions",
        "transport /home/chat/completions",
        "transport /other/chat/completions",
        "hook /home/models",
        "transport /home/models",
    ]


def test_patches_of_the_clients_own_methods_are_not_in_the_way(provider: Loopback) -> None:
    bare = openai.OpenAI(api_key=KEY, base_url=provider.target("home"))
    seen: list[str] = []
    inner, transport, create = bare._client.send, bare._client._transport, bare.models.list
    patched = transport.handle_request
    transport.handle_request = lambda request: (seen.append("span"), patched(request))[1]
    bare._client.send = lambda *given, **named: (seen.append("send"), inner(*given, **named))[1]
    bare.models.list = lambda: (seen.append("list"), create())[1]
    provider.reset({"home": [error(500)]})
    with wrap(bare, fallback(provider)) as client:
        client.chat.completions.create(**ASK)
        assert [r.target for r in provider.received] == ["home", "other"]
    assert seen == ["span", "span"]
    provider.reset()
    bare.models.list()
    assert seen[2:] == ["list", "send", "span"]


def spied(plain: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    """Return a method in another's place that looks like it."""

    @wraps(plain)
    def method(self: Any, request: Any, **options: Any) -> Any:
        seen.append(request.url.path)
        return plain(self, request, **options)

    return method


@pytest.mark.parametrize(
    ("kind", "name"), [("HTTPTransport", "handle_request"), ("Client", "send")]
)
def test_a_patch_of_the_librarys_classes_sees_every_call(
    kind: str, name: str, provider: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    owner = getattr(HTTP, kind)
    with openai.OpenAI(api_key=KEY, base_url=provider.target("home")) as bare:
        earlier = wrap(bare)
        monkeypatch.setattr(owner, name, spied(getattr(owner, name), seen))
        with earlier, wrap(bare) as client:
            client.chat.completions.create(**ASK)
            assert seen == ["/home/chat/completions"]
            earlier.chat.completions.create(**ASK)
    assert len(seen) == (2 if name == "send" else 1)  # transports are chosen when it is wrapped
