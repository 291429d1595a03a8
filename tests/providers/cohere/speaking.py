"""Talking to Cohere's codec without a network."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from portkey_local.model import DONE, Answer, Failure, Packet, Reply, Request, Target
from portkey_local.providers.cohere import CODEC

NOW = 1_750_000_000.0
MODEL = "command-a-03-2025"
JSON = {"content-type": "application/json"}


def target(**options: Any) -> Target:
    return Target("config", "cohere", "https://host.example/v2", CODEC, **options)


def request(body: dict[str, Any], path: str = "/chat/completions") -> Request:
    return Request("POST", path, body, stream=bool(body.get("stream")))


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], **fields}


def packet(body: dict[str, Any], path: str = "/chat/completions", **options: Any) -> Packet:
    made = CODEC.encode(target(**options), request(body, path))
    assert isinstance(made, Packet), made
    return made


def sent(body: dict[str, Any], path: str = "/chat/completions") -> dict[str, Any]:
    """What Cohere is sent."""
    return json.loads(packet(body, path).content or b"")


def answered(data: Any, body: dict[str, Any] | None = None, **options: Any) -> Reply | Failure:
    """What an answer of Cohere's comes to."""
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    body = chat() if body is None else body
    return CODEC.decode(target(**options), request(body), Answer(200, JSON, content), NOW)


def completion(data: Any, body: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    reply = answered(data, body, **options)
    assert isinstance(reply, Reply), reply
    return reply.data


def read(stream: bytes, body: dict[str, Any], *cuts: int) -> tuple[list[Any], Any]:
    """The chunks that a stream comes to, fed in pieces, and its reader."""
    reader = CODEC.reader(target(), request({**body, "stream": True}), NOW)
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events = []
    for begin, end in pairwise(places):
        events += reader.feed(stream[begin:end])
    events += reader.finish()
    return [event.data for event in events if event.data is not DONE], reader


def frames(*events: dict[str, Any]) -> bytes:
    """Events as Cohere frames them."""
    lines = (f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n" for event in events)
    return "".join(lines).encode()


def as_stream(answer: dict[str, Any], size: int = 4) -> bytes:
    """A whole answer of Cohere's, as the stream that would have told the same."""
    message = answer["message"]
    events: list[dict[str, Any]] = [
        {"type": "message-start", "id": answer["id"], "delta": {"message": {"role": "assistant"}}}
    ]

    def tell(kind: str, index: int | None, **message: Any) -> None:
        place = {} if index is None else {"index": index}
        events.append({"type": kind, **place, "delta": {"message": message}})

    for index, item in enumerate(message.get("content") or ()):
        kind = item["type"]
        tell("content-start", index, content={"type": kind, kind: ""})
        for piece in pieces(item[kind], size):
            tell("content-delta", index, content={kind: piece})
        events.append({"type": "content-end", "index": index})
    for piece in pieces(message.get("tool_plan") or "", size):
        tell("tool-plan-delta", None, tool_plan=piece)
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        begun = {**call, "function": {"name": function["name"], "arguments": ""}}
        tell("tool-call-start", index, tool_calls=begun)
        for piece in pieces(function.get("arguments") or "", size):
            tell("tool-call-delta", index, tool_calls={"function": {"arguments": piece}})
        events.append({"type": "tool-call-end", "index": index})
    for index, citation in enumerate(message.get("citations") or ()):
        tell("citation-start", index, citations=citation)
        events.append({"type": "citation-end", "index": index})
    end = {"finish_reason": answer["finish_reason"], "usage": answer.get("usage")}
    return frames(*events, {"type": "message-end", "delta": end}) + b"data: [DONE]\n\n"


def pieces(text: str, size: int) -> list[str]:
    return [text[begin : begin + size] for begin in range(0, len(text), size)]
