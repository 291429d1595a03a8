"""Messages that Anthropic may answer with, made by hypothesis, and the streams they come as."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from tests.providers.conversations import arguments, names, texts

STOPS = [
    "end_turn", "stop_sequence", "max_tokens", "refusal", "pause_turn",
    "model_context_window_exceeded",
]  # fmt: skip
SEARCH = {
    "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "title": "t", "url": "https://example.com"}],
}  # fmt: skip
blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.just({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
             "input": {"query": "x"}}),
    st.just(SEARCH),
)  # fmt: skip
thoughts = st.one_of(
    st.builds(
        lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign},
        texts | st.just(""),
        names,
    ),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, names),
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """Return a message as the API answers it."""
    content = draw(st.lists(thoughts, max_size=2)) + draw(st.lists(blocks, max_size=3))
    calls = draw(st.lists(st.tuples(names, arguments), max_size=3))
    content += [
        {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": json.loads(given)}
        for number, (name, given) in enumerate(calls)
    ]
    stop = "tool_use" if calls else draw(st.sampled_from(STOPS))
    counts = st.integers(0, 9000)
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": draw(counts),
            "cache_read_input_tokens": draw(counts),
            "cache_creation_input_tokens": draw(counts),
            "output_tokens": draw(counts),
        },
    }


def events_of(message: dict[str, Any], size: int = 7) -> Iterator[dict[str, Any]]:
    """Walk the events that a message comes as when it is streamed, its texts in pieces of a size."""
    begun = {**message, "content": [], "stop_reason": None}
    begun["usage"] = {**message.get("usage", {}), "output_tokens": 1}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        start, deltas = split(block, size)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ends = ("stop_reason", "stop_sequence", "stop_details")
    delta = {name: message[name] for name in ends if name in message}
    yield {"type": "message_delta", "delta": delta, "usage": message.get("usage", {})}
    yield {"type": "message_stop"}


def split(block: dict[str, Any], size: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a block begins with, and its deltas."""
    match block["type"]:
        case "text":
            parts = pieces(block["text"], size)
            return {**block, "text": ""}, [{"type": "text_delta", "text": p} for p in parts]
        case "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": piece}
                for piece in pieces(block["thinking"], size)
            ]
            deltas.append({"type": "signature_delta", "signature": block.get("signature", "")})
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            written = json.dumps(block["input"]) if block["input"] else ""
            deltas = [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in ["", *pieces(written, size)]
            ]
            return {**block, "input": {}}, deltas
    return block, []


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def streamed(message: dict[str, Any], size: int = 7) -> bytes:
    """Return the bytes of a message's stream."""
    return b"".join(
        b"event: " + event["type"].encode() + b"\ndata: " + json.dumps(event).encode() + b"\n\n"
        for event in events_of(message, size)
    )
