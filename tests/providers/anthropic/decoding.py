"""Both ways to decode a message: whole, and as the chunks of a stream."""

from __future__ import annotations

import json
from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from portkey_local.model import DONE, Answer, Outcome, Request, Target
from portkey_local.providers.anthropic import CODEC

TARGET = Target("config", "anthropic", "http://127.0.0.1/v1", CODEC)
ASKED = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}]}
WALL = 1_700_000_000.0


def chat(stream: bool = False, **asked: Any) -> Request:
    streaming = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    body = {**ASKED, **streaming, **asked}
    return Request("POST", "/chat/completions", body, stream=stream)


def decoded(content: bytes, status: int = 200, target: Target = TARGET, **asked: Any) -> Outcome:
    """Decode a whole answer."""
    answer = Answer(status, {"content-type": "application/json"}, content)
    return CODEC.decode(target, chat(**asked), answer, WALL)


def plain(message: dict[str, Any], **asked: Any) -> dict[str, Any]:
    """Return the completion that a message comes to."""
    outcome = decoded(json.dumps(message).encode(), **asked)
    ChatCompletion.model_validate(outcome.data)
    return outcome.data


def chunks(content: bytes, size: int = 4096, target: Target = TARGET, **asked: Any) -> list[Any]:
    """Return what the events of a whole stream hold, cut into pieces of a size."""
    reader = CODEC.reader(target, chat(stream=True, **asked), WALL)
    events = []
    for start in range(0, len(content), size):
        events += reader.feed(content[start : start + size])
    events += reader.finish()
    assert reader.malformed is None
    assert reader.complete or reader.failed
    return [event.data for event in events]


def accumulated(content: bytes, size: int = 4096, **asked: Any) -> dict[str, Any]:
    """Return the completion that a stream's chunks accumulate to, by the SDK's own means."""
    *said, last = chunks(content, size, **asked)
    assert last is DONE
    state = ChatCompletionStreamState()
    for data in said:
        state.handle_chunk(ChatCompletionChunk.model_validate(data))
    return state.current_completion_snapshot.to_dict()


def told(completion: dict[str, Any]) -> dict[str, Any]:
    """Return all that a completion says, its JSON decoded, without what only one form has."""
    choice = completion["choices"][0]
    message = {
        name: value for name, value in choice["message"].items()
        if value not in (None, [], "") and name != "parsed"
    }  # fmt: skip
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.pop("tool_calls", ())
    ]
    whole = {name: completion[name] for name in ("id", "model", "created", "usage")}
    return {**whole, "message": message, "calls": calls, "finish": choice["finish_reason"]}
