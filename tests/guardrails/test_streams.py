"""Guardrails and streams: held back until they are checked, or let pass and told so."""

from __future__ import annotations

from typing import Any

import pytest

from portkey_local import AsyncPortkey, GuardrailDenied, Portkey, StreamInterrupted
from portkey_local.testing import Fault, Loopback, Step, chat_stream

ASK: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "hi"}],
    "stream": True,
}
NO_BAD = {"default.contains": {"operator": "none", "words": ["bad"]}}


def target(provider: Loopback, where: str = "a", **fields: Any) -> dict[str, Any]:
    return {"provider": "openai", "api_key": "k", "custom_host": provider.target(where), **fields}


def guarded(provider: Loopback, **hook: Any) -> dict[str, Any]:
    return target(provider, output_guardrails=[{**NO_BAD, **hook}])


def said(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_stream_passes_unless_it_is_held(provider):
    """The default is the reference's, and an event says that nothing was checked."""
    provider.reset({"a": [chat_stream(["a bad word"])]})
    events: list[Any] = []
    with Portkey(config=guarded(provider, deny=True), on_event=events.append) as client:
        assert said(client.chat.completions.create(**ASK)) == "a bad word"
    assert "guardrail.skipped" in [event.name for event in events]


def test_a_held_stream_is_the_same_stream(provider):
    """Once it has passed, it comes chunk by chunk as it came."""
    provider.reset({"a": [chat_stream(["a good word"])]})
    with Portkey(config=target(provider)) as client:
        plain = [chunk.model_dump() for chunk in client.chat.completions.create(**ASK)]
        held = client.with_options(config=guarded(provider, on_stream="buffer", deny=True))
        stream = held.chat.completions.create(**ASK)
        assert [chunk.model_dump() for chunk in stream] == plain
        assert stream.get_headers()["provider"] == "openai"
        with held.chat.completions.with_streaming_response.create(**ASK) as raw:
            assert raw.status_code == 200
            assert b"[DONE]" in raw.read()


@pytest.mark.parametrize("deny", [True, False])
def test_a_held_stream_is_judged(provider, deny):
    """A denied one raises before anything of it is handed over; a soft failure marks it."""
    provider.reset({"a": [chat_stream(["a b", "ad", " word"])]})
    with Portkey(config=guarded(provider, on_stream="buffer", deny=deny)) as client:
        if deny:
            with pytest.raises(GuardrailDenied) as raised:
                client.chat.completions.create(**ASK)
            assert "bad" not in raised.value.response.text.replace('"bad"', "")
        else:
            raw = client.chat.completions.with_raw_response.create(**ASK)
            assert raw.status_code == 246
            assert said(raw.parse()) == "a bad word"


@pytest.mark.anyio
async def test_a_held_stream_is_judged_asynchronously(provider):
    """The same on asyncio and trio."""
    provider.reset({"a": [chat_stream(["fine"]), chat_stream(["bad"])]})
    async with AsyncPortkey(config=guarded(provider, on_stream="buffer", deny=True)) as client:
        stream = await client.chat.completions.create(**ASK)
        assert said([chunk async for chunk in stream]) == "fine"
        with pytest.raises(GuardrailDenied):
            await client.chat.completions.create(**ASK)


def test_a_held_stream_is_not_changed(provider):
    """What has been cut up is judged as it is, and nobody is told that it was changed."""
    provider.reset({"a": [chat_stream(["a bad", " word"])]})
    hide = {"default.regexReplace": {"rule": "bad", "failOnDetection": True}}
    hook = {**hide, "on_stream": "buffer"}
    config = target(provider, output_guardrails=[hook], strict_open_ai_compliance=False)
    with Portkey(config=config) as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
        first, *chunks = raw.parse()
    (told,) = first.hook_results["after_request_hooks"]
    assert (raw.status_code, told["verdict"], told["transformed"]) == (246, False, False)
    assert said(chunks) == "a bad word"


def test_a_held_stream_that_is_cut_falls_back(provider):
    """Nobody has seen it, so the next target is asked; without holding it is too late."""
    cut = Step(events=chat_stream(["half of it", "and more"]).events, fault=Fault.CLEAN_CUT)
    provider.reset({"a": [cut]})
    for hook, expected in (({"on_stream": "buffer"}, "from b"), ({}, None)):
        config = {
            "strategy": {"mode": "fallback"},
            "targets": [guarded(provider, **hook), target(provider, "b")],
        }
        with Portkey(config=config) as client:
            stream = client.chat.completions.create(**ASK)
            if expected is None:
                with pytest.raises(StreamInterrupted):
                    said(stream)
            else:
                assert said(stream) == expected


def test_a_held_stream_with_an_error_in_it_falls_back(provider):
    """An error event that nobody has seen is a failed attempt."""
    chunk = '{"id": "1", "choices": [{"index": 0, "delta": {"content": "x"}}]}'
    events = [chunk, '{"error": {"message": "overloaded"}}', "[DONE]"]
    provider.reset({"a": [Step(events=events)]})
    guarded_one = guarded(provider, on_stream="buffer")
    config = {"strategy": {"mode": "fallback"}, "targets": [guarded_one, target(provider, "b")]}
    with Portkey(config=config) as client:
        assert said(client.chat.completions.create(**ASK)) == "from b"


@pytest.mark.parametrize("strict", [True, False])
def test_a_lenient_stream_begins_with_what_ran(provider, strict):
    """Without strict compliance one chunk with hook_results comes first; else none does."""
    config = target(
        provider,
        input_guardrails=[{"notNull": {}}],
        output_guardrails=[{**NO_BAD, "on_stream": "buffer"}],
        strict_open_ai_compliance=strict,
    )
    with Portkey(config=config) as client:
        chunks = list(client.chat.completions.create(**ASK))
    told = [chunk for chunk in chunks if "hook_results" in (chunk.model_extra or {})]
    assert said(chunks) == "from a"
    assert len(told) == (0 if strict else 2)
