"""A model on loopback that does what a framework asks: it talks, calls tools, and fills schemas.

Whatever provider it stands for, it answers as an OpenAI-compatible one, whole or streamed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from portkey_local.testing import Received, Step, chat, chat_stream, error

KNOWN = {"city": "Oslo", "name": "Oslo", "country": "Norway"}  # by the names of a schema's fields
WORDS = ("Hello ", "from ", "here")


class Model:
    """Answers requests; targets in `down` answer 503."""

    def __init__(self) -> None:
        self.down: set[str] = set()

    def __call__(self, received: Received) -> Step:
        """Answer one request."""
        if received.target in self.down:
            return error(503)
        body = received.json
        last = body["messages"][-1]
        schema = schema_of(body.get("response_format"))
        if body.get("tools") and last["role"] != "tool":
            return called(body)
        if schema is not None:
            return said([json.dumps(filled(schema))], body)
        if last["role"] == "tool":
            return said([f"It is {text_of(last['content'])}"], body)
        return said([*WORDS], body)


def schema_of(response_format: Any) -> Mapping[str, Any] | None:
    """Return the schema that an answer must have, if there is one."""
    if not response_format or response_format["type"] != "json_schema":
        return None
    schema: Mapping[str, Any] = response_format["json_schema"]["schema"]
    return schema


def filled(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what fits a schema whose fields have names that are known."""
    return {name: KNOWN[name] for name in schema.get("properties", {})}


def text_of(content: Any) -> str:
    """Return a message's content as text."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content)


def said(words: list[str], body: Mapping[str, Any]) -> Step:
    """Say something."""
    return chat_stream(words, usage=True) if body.get("stream") else chat("".join(words))


def called(body: Mapping[str, Any]) -> Step:
    """Call the first tool there is."""
    function = body["tools"][0]["function"]
    arguments = json.dumps(filled(function["parameters"]))
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }
    if body.get("stream"):
        return Step(events=[*chunks_of(call), "[DONE]"])
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    whole = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m"}
    return Step(json={**whole, "choices": [choice], "usage": usage})


def chunks_of(call: Mapping[str, Any]) -> Iterator[str]:
    """Return the events of a streamed tool call: its name, then its arguments in two pieces."""
    arguments = call["function"]["arguments"]
    head = {**call, "index": 0, "function": {**call["function"], "arguments": ""}}
    yield chunk({"role": "assistant", "content": None, "tool_calls": [head]})
    for piece in (arguments[:5], arguments[5:]):
        yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    yield chunk({}, finish_reason="tool_calls")


def chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> str:
    """Return one event's data."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    whole = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return json.dumps({**whole, "choices": [choice]})
