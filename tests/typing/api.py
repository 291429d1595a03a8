"""The public API as a type checker sees it: checked by mypy, never run."""

from __future__ import annotations

import random
from typing import Any, assert_type

from openai import AsyncStream, OpenAI, Stream
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from portkey_local import (
    AsyncPortkey,
    CacheDecision,
    CheckContext,
    CheckResult,
    ConfigError,
    Connections,
    Event,
    GuardrailDenied,
    MemoryCache,
    Portkey,
    StreamInterrupted,
    bench,
    createHeaders,
    wrap,
)


def listen(event: Event) -> None:
    assert_type(event.name, str)
    assert_type(event.status, int | None)


def judge(context: CheckContext) -> CheckResult:
    assert_type(context.text, str)
    return CheckResult(verdict=True)


async def judge_later(context: CheckContext) -> bool:
    return context.moment == "input"


client = Portkey(
    checks={"judge": judge, "judge_later": judge_later},
    default_input_guardrails=[{"judge": {}, "deny": True}],
    forward_headers=["authorization"],
    config={"strategy": {"mode": "fallback"}, "targets": [{"virtual_key": "a"}]},
    virtual_keys={"a": {"provider": "openai", "api_key": "sk-1"}, "groq": "gsk-1"},
    metadata={"user": "u"},
    trace_id="t",
    request_timeout=30,
    on_event=listen,
    event_log="events.jsonl",
    connections=Connections(max_connections=10),
    rng=random.Random(7),
    cache=MemoryCache(max_entries=10),
    cache_namespace="team-a",
)
messages = [{"role": "user", "content": "hi"}]
assert_type(
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}]),
    ChatCompletion,
)
assert_type(
    client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hi"}], stream=True
    ),
    Stream[ChatCompletionChunk],
)
assert_type(client.embeddings.create(model="m", input="x"), CreateEmbeddingResponse)
assert_type(client.with_options(cache_force_refresh=True), Portkey)
assert_type(client.with_options(trace_id="u", metadata={"a": 1}), Portkey)


assert_type(client.router.status(), dict[str, dict[str, Any]])
assert_type(client.router.explain(model="m", metadata={"a": 1}).refused, str | None)


assert_type(client.cache.delete(namespace="team-a", older_than=3600.0), int)
assert_type(client.cache.reject(None), bool)
assert_type(client.cache.explain(model="m", messages=[]), CacheDecision)


async def calls(other: AsyncPortkey) -> None:
    assert_type(
        await other.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        ),
        AsyncStream[ChatCompletionChunk],
    )
    assert_type(other.copy(config="pc-1"), AsyncPortkey)
    assert_type(await other.cache.clear(), int)
    assert_type(await other.cache.explain(model="m", messages=[]), CacheDecision)


results = bench.compare({"a": {"provider": "openai"}}, weather=["calm", "stormy"], calls=100)
assert_type(results["calm"]["a"].figures["p99"].value, float)
assert_type(results.to_html(), str)
assert_type(bench.tune({"provider": "openai"}, ["retry.attempts=0..4"]).verdict, str)


try:
    client.close()
except ConfigError as error:
    assert_type(error.path, str)
except GuardrailDenied as denied:
    assert_type(denied.hook_results, dict[str, Any])
except StreamInterrupted as broken:
    assert_type(broken.message, str)


wrapped = wrap(OpenAI(api_key="none"), {"provider": "self"}, trace_id="t-1", on_event=listen)
assert_type(wrapped, OpenAI)
assert_type(wrapped.chat.completions.create(model="m", messages=[]), ChatCompletion)
assert_type(createHeaders(provider="openai"), dict[str, str])
