"""A whole message of Anthropic's as a stream of its events, and such a stream as a whole message.

Ground rules: pure functions on JSON. Nothing is made up: where a stream has an event that nobody
here knows, there is no whole. None means that it cannot be done, which is a miss.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json

from portkey_local.model import ServerEvent

__all__ = ["message_events", "whole_message"]

# The field of a block that grows -> the delta by which it does, in the order they come.
GROWING: Final[Mapping[str, Mapping[str, str]]] = {
    "text": {"text": "text_delta"},
    "thinking": {"thinking": "thinking_delta", "signature": "signature_delta"},
}
FIELDS: Final = {kind: name for names in GROWING.values() for name, kind in names.items()}
CALLS: Final = frozenset({"mcp_tool_use", "server_tool_use", "tool_use"})
ENDS: Final = ("container", "stop_details", "stop_reason", "stop_sequence")  # of the last delta
ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def message_events(message: Any) -> list[ServerEvent] | None:
    """Return a whole message as the events of its stream."""
    if not isinstance(message, Mapping) or message.get("type") != "message":
        return None
    blocks = message.get("content")
    if not isinstance(blocks, list) or not all(isinstance(each, Mapping) for each in blocks):
        return None
    return [ServerEvent(event["type"], event, b"") for event in _events(message, blocks)]


def _events(message: Mapping[str, Any], blocks: list[Any]) -> Iterator[dict[str, Any]]:
    begun = {name: value for name, value in message.items() if name != "hook_results"}
    ends = {name: message[name] for name in ENDS if name in message}
    begun |= {"content": [], **dict.fromkeys(ends)}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(blocks):
        start, deltas = _parted(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": ends, "usage": message.get("usage")}
    yield {"type": "message_stop"}


def _parted(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a block begins with, and the deltas by which it becomes what it is."""
    kind = block.get("type")
    if kind in CALLS and block.get("input"):
        written = ENCODER.encode(block["input"])
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": written}]
    growing = GROWING.get(str(kind), {})
    start = {**block, **{name: "" for name in growing if name in block}}
    deltas = [{"type": growing[name], name: block[name]} for name in growing if block.get(name)]
    if kind == "text" and isinstance(cited := block.get("citations"), list):
        start["citations"] = []
        deltas = [*({"type": "citations_delta", "citation": each} for each in cited), *deltas]
    return start, deltas


def whole_message(events: Sequence[ServerEvent]) -> dict[str, Any] | None:
    """Return the whole message that a stream's events told."""
    whole: dict[str, Any] = {}
    written: dict[int, str] = {}
    try:
        for event in events:
            if not _take(event.data, whole, written):
                return None
        for index, text in written.items():
            whole["content"][index]["input"] = from_json(text) if text else {}
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    return whole or None


def _take(data: Any, whole: dict[str, Any], written: dict[int, str]) -> bool:
    """Add an event to what has come; return whether it is known."""
    match data:
        case {"type": "message_start", "message": Mapping() as message}:
            whole |= {**message, "content": []}
        case {"type": "content_block_start", "content_block": Mapping() as block}:
            whole["content"].append(dict(block))
        case {"type": "content_block_delta", "index": int() as index, "delta": delta}:
            return _grow(whole["content"][index], delta, index, written)
        case {"type": "message_delta", "delta": Mapping() as delta}:
            counts = data.get("usage") or {}
            told = {name: count for name, count in counts.items() if count is not None}
            whole |= {**delta, "usage": {**whole["usage"], **told}}
        case {"type": "content_block_stop" | "message_stop" | "ping"}:
            pass
        case _:
            return False
    return True


def _grow(
    block: dict[str, Any], delta: Mapping[str, Any], index: int, written: dict[int, str]
) -> bool:
    kind = delta["type"]
    if kind == "input_json_delta":
        written[index] = written.get(index, "") + delta["partial_json"]
    elif kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
    elif kind == "signature_delta":
        block["signature"] = delta["signature"]
    elif kind in FIELDS:
        block[FIELDS[kind]] += delta[FIELDS[kind]]
    else:
        return False
    return True
