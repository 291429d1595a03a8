"""Anthropic's own clients, with the router behind them, and the answers that other vendors give."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Step
from portkey_local.transports import ROOT_HOST, async_transport, sync_transport

URL = f"https://{ROOT_HOST}"
CALLER_KEY = "sk-ant-callers-own-key"


def broken(_stream: Any, error: Exception) -> Exception:
    return httpx2.ReadError(str(error))


@contextmanager
def door(config: Any, **more: Any) -> Iterator[anthropic.Anthropic]:
    """An Anthropic client whose calls are routed by a config."""
    with Portkey(config=config, **more) as portkey:
        parts: Any = portkey
        transport = sync_transport(httpx2)(parts._driver, parts._engine, parts._plan, broken)
        with httpx2.Client(transport=transport) as http:
            yield anthropic.Anthropic(
                api_key=CALLER_KEY, base_url=URL, http_client=http, max_retries=0
            )


def async_door(portkey: AsyncPortkey) -> anthropic.AsyncAnthropic:
    """An asynchronous Anthropic client over a client of ours, which the caller closes."""
    parts: Any = portkey
    transport = async_transport(httpx2)(parts._driver, parts._engine, parts._plan, broken)
    http = httpx2.AsyncClient(transport=transport)
    return anthropic.AsyncAnthropic(
        api_key=CALLER_KEY, base_url=URL, http_client=http, max_retries=0
    )


def sse(*chunks: Mapping[str, Any], done: bool = True) -> Step:
    """Chunks of a completion as a provider streams them."""
    events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return Step(
        body="".join([*events, "data: [DONE]\n\n" if done else ""]).encode(),
        content_type="text/event-stream",
    )


def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of a completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-mini",
            "choices": [choice], **more}  # fmt: skip


def completion(message: Mapping[str, Any], finish: str = "stop", **more: Any) -> dict[str, Any]:
    """A whole completion."""
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5-mini",
        "choices": [{"index": 0, "finish_reason": finish, "logprobs": None,
                     "message": {"role": "assistant", "content": None, **message}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27,
                  "prompt_tokens_details": {"cached_tokens": 5}},
        **more,
    }  # fmt: skip


def call(id: str, name: str, arguments: str, index: int | None = None) -> dict[str, Any]:
    """A tool call of a completion, or, with an index, of a chunk."""
    told = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return told if index is None else {"index": index, **told}
